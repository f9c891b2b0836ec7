"""Classes, and what each is confused with."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from lastlayer.explorer.classes_view import CLASSES
from lastlayer.explorer.fields import Refused, read_state
from lastlayer.report.numbers_as_text import UNDEFINED
from tests.explorer.examined_digits import examined_digits

_LIST, _ONE = CLASSES


def listed(**state):
    return _LIST.answer(read_state(_LIST.fields, state), examined_digits())


def one(name):
    return _ONE.answer(read_state(_ONE.fields, {"name": name}), examined_digits())


def test_figures_of_each_class_are_those_of_scikit_learn():
    examined = examined_digits()
    known = examined.labels >= 0
    expected = precision_recall_fscore_support(
        examined.labels[known], examined.figures.answer[known], labels=range(9), zero_division=np.nan
    )
    found = listed(sort="name")["classes"]
    for column, name in enumerate(("precision", "recall", "f1")):
        assert [entry[name] for entry in found] == [
            UNDEFINED if np.isnan(value) else f"{value:.4f}" for value in expected[column]
        ]
    assert [int(entry["rows"]) for entry in found] == expected[3].tolist()


def test_confusions_in_both_directions():
    examined = examined_digits()
    labels, answers = examined.labels, examined.figures.answer
    for index, name in enumerate(examined.classes):
        found = one(name)
        for key, mine, other in (("answered_instead", labels, answers), ("mistaken_for_it", answers, labels)):
            counts = {entry["name"]: entry["rows"] for entry in found[key]}
            codes = {None: -1} | {name: code for code, name in enumerate(examined.classes)}
            expected = {name: int(((mine == index) & (other == code)).sum()) for name, code in codes.items()}
            assert counts == {name: rows for name, rows in expected.items() if rows and name != examined.classes[index]}
            assert list(counts.values()) == sorted(counts.values(), reverse=True)


@pytest.mark.parametrize("sort", ["rows", "recall", "f1", "confidence"])
def test_order(sort):
    rising = [float(entry[sort]) for entry in listed(sort=sort)["classes"]]
    falling = [float(entry[sort]) for entry in listed(sort=sort, descending=True)["classes"]]
    assert rising == sorted(rising)
    assert falling == rising[::-1]


def test_what_is_undefined_comes_last():
    assert listed(sort="precision")["classes"][-1]["precision"] == UNDEFINED
    assert listed(sort="precision", descending=True)["classes"][-1]["precision"] == UNDEFINED
    assert listed(offset=8)["found"] == 9
    assert len(listed(offset=8)["classes"]) == 1


def test_refusals():
    with pytest.raises(Refused, match="name: received 'digit 9', expected a class of the model"):
        one("digit 9")
    with pytest.raises(Refused, match="labels: the data has none"):
        _LIST.answer(read_state(_LIST.fields, {}), examined_digits(label=None))
    with pytest.raises(Refused, match="without one"):
        _LIST.answer(read_state(_LIST.fields, {}), None)

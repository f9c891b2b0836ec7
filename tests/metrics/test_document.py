import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll


def example(**options):
    return ll.evaluate([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]], [1, 0], **options)


def test_trap_33_undefined_is_null_and_infinities_are_strings_and_all_come_back():
    evaluation = example()
    document = json.loads(evaluation.to_json(), parse_constant=pytest.fail)
    assert document["log_loss"] == "Infinity"
    assert document["per_class"]["recall"] == [0.0, 0.0, None]
    back = ll.Evaluation.from_json(evaluation.to_json())
    assert back == evaluation
    assert back.log_loss == math.inf
    np.testing.assert_array_equal(back.per_class.recall, [0, 0, np.nan])


def test_trap_33_a_column_can_be_added_up():
    recall = json.loads(example().to_json())["per_class"]["recall"]
    # As `jq '.per_class.recall | add'` does, for which null is the neutral element; a string would end it.
    total = sum(0 if entry is None else entry for entry in recall)
    assert total == 0.0


def test_what_version_0_1_wrote_is_read():
    evaluation = example()
    old = evaluation.to_json().replace("null", '"NaN"').replace('"classes": "NaN"', '"classes": null')
    assert old.count('"NaN"') == evaluation.to_json().count("null") - 1 > 1
    assert ll.Evaluation.from_json(old) == evaluation


def test_intervals_and_errors_of_classes_make_the_round_trip():
    evaluation = example(intervals=0.95, classwise=True)
    assert evaluation.log_loss_interval[1] == math.inf
    back = ll.Evaluation.from_json(evaluation.to_json())
    assert back == evaluation
    assert back.ece_interval == evaluation.ece_interval
    for key in ("log_loss_interval", "ece_interval"):
        with pytest.raises(ValueError, match="expected two numbers or null"):
            ll.Evaluation.from_json(json.dumps(evaluation.to_dict() | {key: [1]}))


def test_what_was_written_before_there_were_such_figures_is_read():
    document = example().to_dict()
    later = (
        *("smooth_ece", "classwise_ece", "interval_confidence", "log_loss_interval", "ece_interval"),
        *("aurc", "risk_coverage", "unknown_rows", "unknown_auroc", "accuracy_interval", "aurc_interval"),
    )
    for key in later:
        del document[key]
    del document["per_class"]["calibration_error"]
    back = ll.Evaluation.from_json(json.dumps(document))
    assert math.isnan(back.smooth_ece)
    assert math.isnan(back.aurc)
    assert math.isnan(back.unknown_auroc)
    assert back.risk_coverage is back.unknown_rows is back.accuracy_interval is None
    assert "AURC" not in str(back)
    assert ll.Evaluation.from_json(back.to_json()) == back
    assert back.per_class.calibration_error is back.ece_interval is None
    assert back.accuracy == example().accuracy


def test_a_weighted_evaluation_makes_the_round_trip():
    evaluation = example(sample_weight=[0.5, 1.0])
    back = ll.Evaluation.from_json(evaluation.to_json())
    assert back == evaluation
    assert back.per_class.support.dtype == back.reliability.rows.dtype == np.float64
    assert ll.Evaluation.from_json(example().to_json()).per_class.support.dtype == np.int64


@settings(max_examples=50)
@given(classes=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=3, max_size=3, unique=True))
def test_any_class_name_makes_the_round_trip(classes):
    # NumPy drops zeros at the end of a str, so such names are not distinct there.
    classes = [name.rstrip("\0") + "_" * i for i, name in enumerate(classes)]
    if len(set(classes)) < 3:
        return
    evaluation = ll.evaluate([[1.0, 0.0, 0.0]], [classes[0]], classes=classes)
    back = ll.Evaluation.from_json(evaluation.to_json(indent=2))
    assert back == evaluation
    assert back.classes.tolist() == classes


def test_a_class_may_be_called_nan():
    evaluation = example().to_dict() | {"classes": ["NaN", "Infinity", "cow"]}
    assert ll.Evaluation.from_json(json.dumps(evaluation)).classes.tolist() == ["NaN", "Infinity", "cow"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema is 2, expected 1; upgrade lastlayer"),
        ({"schema": None}, 'no whole number under the key "schema"'),
        ({"accuracy": "high"}, "\"accuracy\" is 'high', expected a number"),
        ({"accuracy": True}, '"accuracy" is True, expected a number, null, "Infinity" or "-Infinity"'),
        ({"rows": 1.5}, '"rows" is 1.5, expected a whole number'),
        ({"rows": None}, '"rows" is None, expected a whole number'),
        ({"per_class": {"precision": []}}, 'no key "recall"'),
        ({"per_class": {"precision": 3}}, '"precision" is 3, expected a list'),
        ({"reliability": []}, 'no key "rows"'),
        ({"risk_coverage": {}}, 'no key "threshold"'),
        ({"risk_coverage": {"threshold": None}}, '"threshold" is None, expected a list of numbers'),
        ({"unknown_rows": 1.5}, '"unknown_rows" is 1.5, expected a whole number'),
    ],
)
def test_foreign_documents_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ll.Evaluation.from_json(json.dumps(example().to_dict() | change))


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_text_that_is_no_document_is_refused(text):
    with pytest.raises(ValueError, match=r"expected the JSON of Evaluation\.to_json"):
        ll.Evaluation.from_json(text)


def test_keys_of_a_later_minor_version_are_ignored():
    evaluation = example()
    assert ll.Evaluation.from_json(json.dumps(evaluation.to_dict() | {"later": 1})) == evaluation


def test_evaluations_compare_by_value_and_are_frozen():
    assert example() == example()
    assert example() != example(bins=3)
    assert example() != 3
    with pytest.raises(AttributeError):
        example().accuracy = 1.0

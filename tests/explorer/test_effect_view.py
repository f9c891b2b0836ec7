"""Another beta, another rule: figures of all rows."""

import numpy as np
import pytest

from lastlayer.explorer.effect_view import EFFECT
from lastlayer.explorer.fields import Refused, read_state
from tests.explorer.examined_digits import examined_digits

_ENDPOINT = EFFECT[0]
HERE = {"beta": "2", "rule": "abstain", "threshold": "0.9"}


def answer_to(state, examined):
    return _ENDPOINT.answer(read_state(_ENDPOINT.fields, state), examined)


def values(answer):
    return {figure["name"]: figure["values"][1] for figure in answer["figures"]}


def by_definition(examined, beta, threshold):
    """The figures in plain NumPy, in float64."""
    scores = beta * examined.logits.astype(np.float64)
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    known = examined.labels >= 0
    confidence, best = probabilities.max(axis=1), probabilities.argmax(axis=1)
    answered, right = confidence >= threshold, best == examined.labels
    pairs = confidence[known][:, None] - confidence[~known][None, :]
    return {
        "answered": answered[known].mean(),
        "don't know": 1 - answered[known].mean(),
        "right of the answered": right[known & answered].mean(),
        "accuracy": right[known].mean(),
        "log-loss": -np.log(probabilities[known, examined.labels[known]]).mean(),
        "mean confidence": confidence[known].mean(),
        "answered of no class": answered[~known].mean(),
        "AUROC of no class": (pairs > 0).mean() + (pairs == 0).mean() / 2,
    }


def test_figures_are_those_of_the_definition():
    examined = examined_digits()
    found = values(answer_to(HERE, examined))
    expected = by_definition(examined, 2.0, 0.9)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_without_a_beta_and_a_rule_it_is_the_model_itself():
    answer = answer_to({}, examined_digits())
    assert answer["beta"] == answer["own_beta"] == 0.5
    assert all(figure["before"] == figure["after"] for figure in answer["figures"])
    assert answer["command"].startswith("lastlayer evaluate ")
    assert answer["command"].endswith("--label name --unknown-label 'digit 9'")
    assert answer_to(HERE, examined_digits())["command"].startswith("# No command takes")


def test_the_point_of_the_rule_lies_on_the_curve():
    answer = answer_to(HERE | {"threshold": "0"}, examined_digits())
    assert answer["point"] == answer["risk"][-1]
    assert answer["point"] == [1.0, values(answer)["accuracy"]]
    assert answer_to(HERE | {"threshold": "1", "beta": "0.001"}, examined_digits())["point"] is None


def test_reliability_holds_all_rows_of_a_class():
    examined = examined_digits()
    points = answer_to(HERE, examined)["reliability"]["after"]
    assert sum(rows for _, _, rows in points) == (examined.labels >= 0).sum()


@pytest.mark.parametrize("rule", [{}, HERE, {"rule": "argmax"}, {"rule": "abstain", "by": "renyi_entropy"}])
def test_the_copied_python_gives_the_figures(rule):
    found = values(answer_to(rule, examined_digits()))
    names = {}
    exec(answer_to(rule, examined_digits())["python"], names)
    evaluation, decided = names["evaluation"], names["decided"]
    assert found == pytest.approx(
        {
            "answered": decided.answered,
            "don't know": 1 - decided.answered,
            "right of the answered": decided.accuracy_answered,
            "accuracy": evaluation.accuracy,
            "ECE": evaluation.ece,
            "log-loss": evaluation.log_loss,
            "mean confidence": evaluation.mean_confidence,
            "answered of no class": decided.unknown_answered,
            "AUROC of no class": evaluation.unknown_auroc if rule == {"rule": "argmax"} else decided.unknown_auroc,
        },
        abs=1e-12,
        nan_ok=True,
    )


def test_without_labels_there_is_coverage_and_confidence():
    labelled, examined = examined_digits(), examined_digits(label=None)
    answer = answer_to(HERE, examined)
    assert not answer["labelled"]
    assert [figure["name"] for figure in answer["figures"]] == ["answered", "mean confidence"]
    assert answer["risk"] == answer["reliability"]["after"] == []
    assert answer["point"] is None
    names = {}
    exec(answer["python"], names)
    assert values(answer) == pytest.approx(
        {"answered": names["answered"], "mean confidence": names["mean_confidence"]}, abs=1e-12
    )
    assert len(labelled.features) == len(examined.features)


@pytest.mark.parametrize(
    ("state", "field"), [({"beta": "0"}, "beta"), ({"rule": "vote"}, "rule"), ({"threshold": "1.5"}, "threshold")]
)
def test_bad_states_are_refused(state, field):
    with pytest.raises(Refused) as refused:
        answer_to(state, examined_digits())
    assert refused.value.field == field


def test_without_a_model_it_says_so():
    with pytest.raises(Refused, match="without one"):
        answer_to({}, None)

import json
from typing import get_args

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastlayer.decision import Abstain, Argmax, Evidence, LeastCost, PredictionSets, Thresholds
from lastlayer.decision.abstention_scores import AbstentionScore
from lastlayer.storage.onnx_head import OnnxHead, onnx_of_head

NAMES = np.array(["ant", "bee", "cow", "dog"])
COST = np.array([[0.0, 1, 2, 3], [5, 0, 1, 1], [1, 1, -1, 1], [0.5, 2, 2, 0]])


def head(rule, classes=NAMES, link="softmax", **others):
    rng = np.random.default_rng(0)
    size = len(classes)
    weight, bias = rng.standard_normal((size, 5)), rng.standard_normal(size)
    return OnnxHead(weight, bias, np.array(1.3), None, link, classes, link == "softmax", decision=rule, **others)


def served(model, features):
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"features": np.asarray(features, np.float32)}), strict=True))


def rows(num_rows=2_000, seed=1):
    return np.random.default_rng(seed).standard_normal((num_rows, 5)).astype(np.float32)


ANSWERS = {
    "shared": Abstain(0.7),
    "of each class": Abstain([0.9, 0.5, 0.0, 1.0]),
    "margin": Abstain(0.3, "margin"),
    "entropy": Abstain(0.4, "entropy"),
    "renyi": Abstain(0.2, "renyi_entropy"),
    "never": Abstain(1.0),
    "always": Abstain(0.0),
    "cost": LeastCost(COST, abstain_cost=0.2),
    "equal costs": LeastCost(np.ones((4, 4)), abstain_cost=1.0),
}


@pytest.mark.parametrize("rule", ANSWERS.values(), ids=ANSWERS)
def test_answers_are_those_of_the_rule_on_the_same_probabilities(rule):
    found = served(onnx_of_head(head(rule)), rows())
    expected = rule.apply(found["probabilities"])
    np.testing.assert_array_equal(found["label_index"], expected)
    np.testing.assert_array_equal(found["label"], np.append(NAMES, "")[expected])


@pytest.mark.parametrize("rule", [None, Argmax()])
def test_without_a_rule_every_row_is_answered(rule):
    found = served(onnx_of_head(head(rule)), rows())
    assert list(found) == ["label", "probabilities"]
    np.testing.assert_array_equal(found["label"], NAMES[found["probabilities"].argmax(axis=1)])


def test_a_cost_without_abstention_always_answers():
    rule = LeastCost(COST)
    found = served(onnx_of_head(head(rule)), rows())
    assert list(found) == ["label", "probabilities"]
    np.testing.assert_array_equal(found["label"], NAMES[rule.apply(found["probabilities"])])


SETS = {
    "thresholds": Thresholds([0.1, 0.5, 0.9, 0.0]),
    "one threshold": Thresholds(0.3),
    "sets": PredictionSets(0.2),
    "sets of each class": PredictionSets([0.1, 0.2, 0.3, 0.4]),
}


@pytest.mark.parametrize("link", ["softmax", "sigmoid"])
@pytest.mark.parametrize("rule", SETS.values(), ids=SETS)
def test_sets_are_those_of_the_rule_on_the_same_probabilities(rule, link):
    found = served(onnx_of_head(head(rule, link=link), top=2), rows())
    np.testing.assert_array_equal(found["labels"], rule.apply(found["probabilities"]))
    assert ("label" in found) == (link == "softmax")
    np.testing.assert_array_equal(found["top_labels"][:, 0], NAMES[found["probabilities"].argmax(axis=1)])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(-2, 2), st.sampled_from(["abstain", "sets", "thresholds"]))
def test_thresholds_next_to_a_probability_are_not_rounded_past_it(seed, steps, kind):
    features = rows(8, seed)
    probabilities = served(onnx_of_head(head(None)), features)["probabilities"]
    threshold = np.float64(probabilities.max(axis=1)[0])
    for _ in range(abs(steps)):
        threshold = np.nextafter(threshold, np.sign(steps))
    rule = {"abstain": Abstain, "sets": PredictionSets, "thresholds": Thresholds}[kind](float(np.clip(threshold, 0, 1)))
    found = served(onnx_of_head(head(rule)), features)
    answer = found["label_index"] if kind == "abstain" else found["labels"]
    np.testing.assert_array_equal(answer, rule.apply(probabilities))


def test_literal_numbers():
    weight = np.array([[2.0], [1.0], [0.1]])
    three = {"weight": weight, "bias": np.zeros(3), "beta": np.array(1.0), "shift": None, "link": "softmax"}
    for rule, expected in ((Abstain(0.65), "cat"), (Abstain(0.66), ""), (LeastCost(1 - np.eye(3), 0.34), "")):
        model = onnx_of_head(OnnxHead(**three, classes=["cat", "cow", "dog"], one_label=True, decision=rule))
        assert served(model, [[1.0]])["label"].tolist() == [expected]  # .6590, .2424 and .0986


@pytest.mark.parametrize(
    ("classes", "label", "expected"),
    [
        (NAMES, None, ""),
        (NAMES, "no idea", "no idea"),
        (np.arange(4), None, -1),
        (np.arange(4), -9, -9),
        (np.array([0.5, 1, 2, 3]), -1.0, -1.0),
    ],
)
def test_what_stands_for_not_knowing(classes, label, expected):
    found = served(onnx_of_head(head(Abstain(1.0), classes, abstain_label=label)), rows(5))
    assert found["label_index"].tolist() == [-1] * 5
    assert found["label"].tolist() == [expected] * 5


def test_not_knowing_is_nan_among_floats():
    found = served(onnx_of_head(head(Abstain(1.0), np.array([0.5, 1, 2, 3]))), rows(5))
    assert np.isnan(found["label"]).all()


@pytest.mark.parametrize(
    "classes", [np.array([False, True]), np.array([-1, 1]), np.array(["", "yes"])], ids=["booleans", "-1", "empty"]
)
def test_labels_without_a_value_for_not_knowing_are_left_out(classes):
    found = served(onnx_of_head(head(Abstain(1.0), classes)), rows(5))
    assert list(found) == ["label_index", "probabilities"]
    assert found["label_index"].tolist() == [-1] * 5


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        *((NAMES, "bee"), (NAMES, -1), (np.arange(4), 3), (np.arange(4), ""), (np.arange(4), -0.5)),
        *((np.arange(4), 2**70), (np.array([False, True]), -1)),
    ],
)
def test_refuses_a_label_for_not_knowing_that_is_a_class_or_of_another_kind(classes, label):
    with pytest.raises(ValueError, match=r"^abstain_label: is .*, expected a value that .* can hold"):
        onnx_of_head(head(Abstain(0.5), classes, abstain_label=label))


def test_refuses_randomised_sets():
    with pytest.raises(ValueError, match=r"^decision: the prediction sets are randomised"):
        onnx_of_head(head(PredictionSets([0.6, 0.4], chance=[0.5, 0.5])))


@pytest.mark.parametrize("rule", [Abstain(0.5), LeastCost(COST), Argmax()])
def test_refuses_a_rule_of_one_label_for_a_head_of_many(rule):
    with pytest.raises(ValueError, match=f"^decision: is {type(rule).__name__}, which answers with one label a row"):
        onnx_of_head(head(rule, link="sigmoid"))


def test_the_rule_and_its_evidence_stand_in_the_metadata():
    rule = Abstain(0.7, evidence=Evidence(100, "accuracy", target=0.97))
    properties = {entry.key: entry.value for entry in onnx_of_head(head(rule)).metadata_props}
    document = json.loads(properties["decision"])
    assert (document["kind"], document["threshold"], document["score"]) == ("abstain", 0.7, "max_probability")
    assert document["evidence"]["target"] == 0.97
    others = [onnx_of_head(head(other)).metadata_props for other in (Abstain(0.6), LeastCost(COST), None)]
    assert len({properties["digest"], *(props[1].value for props in others)}) == 4


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "rule", [*(Abstain(0.0, score) for score in get_args(AbstentionScore)), LeastCost(COST, abstain_cost=9.0)], ids=repr
)
def test_a_row_of_nan_is_not_known(rule, value):
    found = served(onnx_of_head(head(rule)), [[value, 0, 0, 0, 0], [0] * 5])
    assert found["label_index"][0] == -1
    assert found["label_index"][1] == rule.apply(found["probabilities"][1:])[0] >= 0

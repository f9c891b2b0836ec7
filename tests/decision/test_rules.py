import json

import numpy as np
import pytest

from lastlayer.decision import (
    Abstain,
    Argmax,
    Evidence,
    LeastCost,
    require_classes,
    rule_from_parts,
    rule_parts,
)

EVIDENCE = Evidence(3000, "accuracy", 0.97, 0.975, 0.97, 0.95, 0.96)
RULES = [
    Argmax(),
    Abstain(0.1 + 0.2, "entropy", EVIDENCE),
    Abstain([0.5, 0.25]),
    LeastCost([[0, 1], [9, 0]]),
    LeastCost([[0, 1], [9, 0]], 0.5, EVIDENCE),
]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_rule_is_the_same_after_a_file(rule):
    document, arrays = rule_parts(rule)
    again = rule_from_parts(json.loads(json.dumps(document, allow_nan=False)), arrays)
    assert type(again) is type(rule)
    assert again == rule
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    require_classes(rule, 2)


def test_what_a_file_holds():
    document, arrays = rule_parts(RULES[4])
    assert document == {
        "kind": "least-cost",
        "abstain_cost": 0.5,
        "evidence": {
            "rows": 3000,
            "objective": "accuracy",
            "target": 0.97,
            "reached": 0.975,
            "bound": 0.97,
            "confidence": 0.95,
            "answered": 0.96,
        },
    }
    assert {name: array.tolist() for name, array in arrays.items()} == {"cost": [[0, 1], [9, 0]]}


def test_a_rule_for_other_classes():
    for rule in (RULES[2], RULES[3]):
        with pytest.raises(ValueError, match="decision: the rule was made for 2 classes, but the model has 3; choose"):
            require_classes(rule, 3)
    require_classes(RULES[1], 3)
    for call in (lambda: require_classes("argmax", 3), lambda: rule_parts("argmax")):
        with pytest.raises(TypeError, match="decision: received str, expected a rule of lastlayer"):
            call()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"kind": "oracle"}, "kind is 'oracle', expected one of argmax, abstain, "),
        ({"kind": ["argmax"]}, "kind is .*, expected one of"),
        ({}, "kind is None"),
        ("argmax", "kind is None"),
        ({"kind": "abstain", "threshold": 0.5}, r"holds \['threshold'\], expected \['score', 'threshold'\]"),
        ({"kind": "abstain", "threshold": "high", "score": "margin"}, "damaged"),
        ({"kind": "argmax", "evidence": {"rows": 1}}, "damaged"),
        ({"kind": "argmax", "evidence": [1]}, "damaged"),
    ],
)
def test_parts_that_are_no_rule(document, message):
    with pytest.raises(ValueError, match=f"^decision: {message}"):
        rule_from_parts(document, {})


def test_a_damaged_threshold_is_refused():
    with pytest.raises(ValueError, match="threshold: received 7"):
        rule_from_parts({"kind": "abstain", "threshold": 7, "score": "margin"}, {})

from dataclasses import dataclass

import numpy as np

from lastlayer.cli.decision_words import decision_in_words
from lastlayer.decision.evidence import Evidence


@dataclass(frozen=True)
class Rule:
    threshold: object
    name_of_it: str = "margin"
    evidence: Evidence | None = None


def test_a_rule_says_what_it_is_set_to_and_what_it_was_chosen_on():
    evidence = Evidence(rows=3000, objective="accuracy", target=0.97, bound=0.971, confidence=0.95)
    expected = (
        "Rule: threshold 0.8125, name of it margin. Chosen on: rows 3,000, objective accuracy, target 0.97, "
        "bound 0.971, confidence 0.95"
    )
    assert decision_in_words(Rule(0.8125, evidence=evidence)) == expected
    assert decision_in_words(Rule(np.array([0.25, 0.5]))) == "Rule: threshold from 0.25 to 0.5, name of it margin"
    assert decision_in_words("argmax") == "argmax"

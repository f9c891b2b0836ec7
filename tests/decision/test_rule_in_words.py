import pytest

from lastlayer.decision import (
    Abstain,
    Argmax,
    Evidence,
    LeastCost,
    PredictionSets,
    Thresholds,
    evidence_in_words,
    rule_in_words,
)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Argmax(), "the most probable class"),
        (Abstain(0.7), "the most probable class; don't know where the largest probability is below 0.7"),
        (Abstain([0.7, 0.9]), "the most probable class; don't know where the largest probability is below its "
         "threshold, 0.7 to 0.9"),
        (Abstain(0.5, "margin"), "the most probable class; don't know where the lead of the largest probability is "
         "below 0.5"),
        (LeastCost([[0, 1], [2, 0]]), "the class of the least expected cost"),
        (LeastCost([[0, 1], [2, 0]], 0.25), "the class of the least expected cost; don't know where that is "
         "above 0.25"),
        (PredictionSets(0.125), "every class whose probability is at least 0.125"),
        (PredictionSets([0.5, 0.25], [0.5, 0.5]), "every class whose probability is at least its threshold, 0.25 to "
         "0.5, drawn for each row"),
        (Thresholds(0.5), "every label whose probability is above 0.5"),
        (Thresholds([0.1, 0.5]), "every label whose probability is above its threshold, 0.1 to 0.5"),
    ],
)  # fmt: skip
def test_rules(rule, words):
    assert rule_in_words(rule) == words


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (Evidence(20, "f1", None, 0.5), "f1 0.5000 on 20 rows; nothing is promised of new rows"),
        (
            Evidence(500, "accuracy", 0.97, 0.9953, 0.99996, 0.9995, 0.85),
            "accuracy 0.9953 on 500 rows, 85.0% answered; at least 0.9999 on new rows, with a confidence of 99.95%",
        ),
        (Evidence(99, "coverage", 0.9, 0.91, 0.9), "coverage 0.9100 on 99 rows; at least 0.9 on new rows, on average"),
    ],
)
def test_evidence(evidence, words):
    assert evidence_in_words(evidence) == words

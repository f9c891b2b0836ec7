"""A decision rule and its evidence as a sentence each."""

import math

import numpy as np
from numpy.typing import NDArray

from lastlayer.decision.abstain import Abstain
from lastlayer.decision.argmax import Argmax
from lastlayer.decision.evidence import Evidence
from lastlayer.decision.least_cost import LeastCost
from lastlayer.decision.prediction_sets import PredictionSets
from lastlayer.decision.rules import Rule

_SCORES = {"max_probability": "largest probability", "margin": "lead of the largest probability"}


def rule_in_words(rule: Rule) -> str:
    """What `rule` answers, such as "the most probable class".

    >>> rule_in_words(Argmax())
    'the most probable class'
    """
    if isinstance(rule, Argmax):
        return "the most probable class"
    if isinstance(rule, Abstain):
        score = _SCORES.get(rule.score, f"score by {rule.score.replace('_', ' ')}")
        return f"the most probable class; don't know where the {score} is below {threshold_in_words(rule.threshold)}"
    if isinstance(rule, LeastCost):
        unless = "" if rule.abstain_cost is None else f"; don't know where that is above {rule.abstain_cost:g}"
        return f"the class of the least expected cost{unless}"
    if isinstance(rule, PredictionSets):
        drawn = ", drawn for each row" if rule.randomised else ""
        return f"every class whose probability is at least {threshold_in_words(rule.threshold)}{drawn}"
    return f"every label whose probability is above {threshold_in_words(rule.threshold)}"


def evidence_in_words(evidence: Evidence) -> str:
    """What a rule was chosen on and what that promises.

    >>> evidence_in_words(Evidence(3000, "accuracy", 0.97, 0.975, 0.97, 0.95, 0.9))
    'accuracy 0.9750 on 3,000 rows, 90.0% answered; at least 0.97 on new rows, with a confidence of 95%'
    """
    reached = "" if evidence.reached is None else f" {evidence.reached:.4f}"
    text = f"{evidence.objective}{reached} on {evidence.rows:,} rows"
    if evidence.answered is not None:
        text += f", {evidence.answered:.1%} answered"
    if evidence.bound is None:
        return f"{text}; nothing is promised of new rows"
    held = "on average" if evidence.confidence is None else f"with a confidence of {100 * evidence.confidence:.10g}%"
    return f"{text}; at least {math.floor(1e4 * evidence.bound + 1e-9) / 1e4:.4g} on new rows, {held}"


def threshold_in_words(threshold: float | NDArray[np.float64]) -> str:
    """One number, or the lowest and the highest of several.

    >>> threshold_in_words(np.array([0.5, 0.25]))
    'its threshold, 0.25 to 0.5'
    """
    low, high = float(np.min(threshold)), float(np.max(threshold))
    return f"{low:.4g}" if low == high else f"its threshold, {low:.4g} to {high:.4g}"

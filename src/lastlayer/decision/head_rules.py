"""The rule of a head that none was set for; it follows from whether a row has one label of the head or any number."""

from typing import Any

import numpy as np

from lastlayer.decision.argmax import Argmax
from lastlayer.decision.rules import Rule
from lastlayer.decision.thresholds import Thresholds


def has_many_labels(model: Any) -> bool:
    """Whether a row has any number of a fitted model's labels: of a SigmoidClassifier, unless they are two classes."""
    return hasattr(model, "bias_") and len(model.coef_) == len(model.classes_)


def default_rule(*, many_labels: bool) -> Rule:
    """The rule of a head that none was set for."""
    return Thresholds(0.5) if many_labels else Argmax()


def is_default(rule: Rule, *, many_labels: bool) -> bool:
    """Whether `rule` answers as that of a head that none was set for."""
    if many_labels:
        return isinstance(rule, Thresholds) and np.ndim(rule.threshold) == 0 and rule.threshold == 0.5
    return isinstance(rule, Argmax)

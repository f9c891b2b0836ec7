"""Any decision rule: what it may answer, and how it is taken apart for a model's file and put together again."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lastlayer.decision.abstain import Abstain
from lastlayer.decision.argmax import Argmax
from lastlayer.decision.evidence import Evidence
from lastlayer.decision.least_cost import LeastCost
from lastlayer.decision.prediction_sets import PredictionSets
from lastlayer.decision.thresholds import Thresholds

Rule: TypeAlias = Argmax | Abstain | LeastCost | PredictionSets | Thresholds

# What a file calls each kind; part of the format.
_KINDS: dict[str, Any] = {
    "argmax": Argmax,
    "abstain": Abstain,
    "least-cost": LeastCost,
    "prediction-sets": PredictionSets,
    "thresholds": Thresholds,
}

# What rules hold as arrays, by name.
RULE_ARRAYS = ("chance", "cost", "threshold")


def require_classes(rule: Rule, num_classes: int) -> None:
    """Raise ValueError if `rule` was made for another number of classes than `num_classes`, TypeError if it is none."""
    if type(rule) not in _KINDS.values():
        raise TypeError(f"decision: received {type(rule).__name__}, expected a rule of lastlayer.decision.")
    if rule.num_classes not in (None, num_classes):
        raise ValueError(
            f"decision: the rule was made for {rule.num_classes} classes, but the model has {num_classes}; choose a "
            "rule on this model's probabilities."
        )


def can_abstain(rule: Rule) -> bool:
    """Whether "don't know" is among the answers of `rule`."""
    return isinstance(rule, Abstain) or (isinstance(rule, LeastCost) and rule.abstain_cost is not None)


def gives_sets(rule: Rule) -> bool:
    """Whether `rule` answers a row with any number of classes."""
    return isinstance(rule, PredictionSets | Thresholds)


def rule_parts(rule: Rule) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What a file holds of `rule`: a document of what JSON can hold, and arrays by name.

    Returns: (document, arrays); `rule_from_parts` makes an equal rule of them.
    """
    kind = next((kind for kind, made in _KINDS.items() if type(rule) is made), None)
    if kind is None:
        raise TypeError(f"decision: received {type(rule).__name__}, expected a rule of lastlayer.decision.")
    values = {field.name: getattr(rule, field.name) for field in fields(rule) if field.name != "evidence"}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    document = {name: value for name, value in values.items() if name not in arrays}
    evidence = None if rule.evidence is None else asdict(rule.evidence)
    return {"kind": kind, **document, "evidence": evidence}, arrays


def rule_from_parts(document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Rule:
    """The rule that `rule_parts` took apart.

    Raises: ValueError, in one sentence, if these are not the parts of a rule, or of a rule of a newer version.
    """
    kind = document.get("kind") if isinstance(document, Mapping) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"decision: kind is {kind!r}, expected one of {', '.join(_KINDS)}; upgrade lastlayer.")
    made = _KINDS[kind]
    names = {field.name for field in fields(made)} - {"evidence"}
    values = {name: value for name, value in document.items() if name not in ("kind", "evidence")} | dict(arrays)
    if set(values) != names:
        raise ValueError(f"decision: holds {sorted(values)}, expected {sorted(names)} of a rule of kind {kind!r}.")
    try:
        evidence = document.get("evidence")
        return made(**values, evidence=None if evidence is None else Evidence(**evidence))
    except TypeError as failure:
        raise ValueError(f"decision: damaged ({failure}), expected a rule of kind {kind!r}.") from None

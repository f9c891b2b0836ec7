"""The decision rule of a head, in words."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def decision_in_words(rule: Any) -> str:
    """The name of the rule, what it is set to, and the rows it was chosen on: any frozen dataclass.

    >>> from lastlayer.decision.evidence import Evidence
    >>> decision_in_words(Evidence(rows=3000, objective="accuracy", target=0.97))
    'Evidence: rows 3,000, objective accuracy, target 0.97'
    """
    if not is_dataclass(rule):
        return str(rule)
    parts, evidence = [], ""
    for field in fields(rule):
        value = getattr(rule, field.name)
        name = field.name.replace("_", " ")
        if value is None:
            continue
        if is_dataclass(value):
            evidence = f". Chosen on: {decision_in_words(value).partition(': ')[2]}"
        else:
            parts.append(f"{name} {_in_words(value)}")
    return type(rule).__name__ + (f": {', '.join(parts)}" if parts else "") + evidence


def _in_words(value):
    if isinstance(value, np.ndarray) and value.ndim:
        return f"from {value.min():.4g} to {value.max():.4g}" if value.size else "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)

"""An explanation as the document that docs/json.md describes."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._json import json_value

if TYPE_CHECKING:
    from lastlayer.explanation.explanation import Explanation

SCHEMA = 1
_LARGEST_POWER = math.log10(np.finfo(np.float64).max)


def document_of(explanation: "Explanation") -> dict[str, Any]:
    """`explanation` as nested dicts and lists of what JSON can hold; see `Explanation.to_dict`."""
    every = explanation
    powers = every.exponential_log10.tolist()
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "beta": every.beta,
        "classes": list(every.classes),
        "score": _numbers(every.score),
        "beta_score": _numbers(every.beta_score),
        "exponential_log10": _numbers(every.exponential_log10),
        "shifted_exponential": every.shifted_exponential.tolist(),
        "softmax": every.softmax.tolist(),
        "hardmax": every.hardmax.tolist(),
        "loss": _numbers(every.loss),
        "exponential": [10**power if power < _LARGEST_POWER else "Infinity" for power in powers],
        "sum": {
            "exponential_log10": json_value(every.exponential_sum_log10),
            "shifted_exponential": float(every.shifted_exponential.sum()),
            "softmax": float(every.softmax.sum()),
        },
        "max": {"score": float(every.score.max()), "softmax": float(every.softmax.max())},
    }
    if every.label is not None:
        loss = json_value(float(every.loss[every.label]))
        document["label"] = {"index": every.label, "class": every.classes[every.label], "loss": loss}
    return document


def _numbers(values: NDArray[np.float64]) -> list[Any]:
    # A row of finite numbers, which is nearly every row, needs no look at each.
    return values.tolist() if np.isfinite(values).all() else json_value(values.tolist())

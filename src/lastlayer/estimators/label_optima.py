"""The optima of many labels as one, and as what a file holds."""

import math
from typing import Any

from lastlayer.solvers import Optimum

_GRAVEST = ("interrupted", "unknown", "max_iter", "noise", "separable", "converged", "constant")


def together(optima: list[Optimum]) -> Optimum:
    """What is known of all labels: sums of objectives and bounds, the largest gradient norm, the gravest reason."""
    gravest = min((optimum.stopped for optimum in optima), key=_GRAVEST.index)
    return Optimum(
        objective=math.fsum(optimum.objective for optimum in optima),
        gradient_norm=max(optimum.gradient_norm for optimum in optima),
        gap=math.fsum(optimum.gap for optimum in optima),
        iterations=max(optimum.iterations for optimum in optima),
        seconds=max(optimum.seconds for optimum in optima),
        stopped=gravest,
        expected=math.fsum(optimum.expected for optimum in optima),
    )


def as_columns(optima: list[Optimum]) -> dict[str, list[Any]]:
    """What is known of all labels, each field a list."""
    return {name: [getattr(optimum, name) for optimum in optima] for name in vars(optima[0])}


def from_columns(columns: dict[str, list[Any]]) -> list[Optimum]:
    """The optima that `as_columns` was given. Raises TypeError or ValueError if the fields are none of theirs."""
    rows = zip(*columns.values(), strict=True)
    return [checked_optimum(dict(zip(columns, values, strict=True))) for values in rows]


def checked_optimum(fields: dict[str, Any]) -> Optimum:
    """An Optimum of fields that a file holds. Raises TypeError or ValueError if they are none."""
    optimum = Optimum(**fields)
    for name, value in vars(optimum).items():
        if isinstance(value, bool) or not isinstance(value, str if name == "stopped" else (int, float)):
            raise ValueError(f"{name} of its optimum is {value!r}")
    return optimum

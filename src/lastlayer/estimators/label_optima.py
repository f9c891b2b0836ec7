"""The optima of many labels as one."""

import math

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

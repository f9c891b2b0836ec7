"""The step along a direction at which a convex function of one variable is least, by safeguarded Newton."""

import math
from collections.abc import Callable

# The decrease that a further Newton step may still predict, as a share of that so far, and evaluations at most.
_DECREASE_LEFT, _MOST_EVALUATIONS = 0.01, 12


def exact_step(function: Callable[[float], tuple[float, float, float]], value: float) -> tuple[float, float]:
    """A step t > 0 that takes all but about 1 % of the possible decrease, and its value; (0, value) if none is lower.

    Args:
      function: t -> (value, slope, curvature), convex.
      value: function value at 0, where the slope is below 0.
    """
    below, above, t = 0.0, math.inf, 1.0
    best = 0.0, value
    for _ in range(_MOST_EVALUATIONS):
        value_here, slope_here, curvature = function(t)
        if not math.isfinite(value_here):
            above, t = t, 0.5 * (below + t)
            if not below < t < above:
                break
            continue
        if value_here < best[1]:
            best = t, value_here
            if slope_here * slope_here <= 2 * curvature * _DECREASE_LEFT * (value - value_here):
                break
        if slope_here < 0:
            below = t
        else:
            above = t
        newton = t - slope_here / curvature if curvature > 0 else math.inf
        t = min(newton, 10 * t)
        if not below < t < above:
            t = 2 * below if math.isinf(above) else 0.5 * (below + above)
        if above - below <= 1e-7 * below:
            break
    return best

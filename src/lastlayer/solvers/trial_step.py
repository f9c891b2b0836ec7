"""The step along a direction where a trial is dear: begin with 1, and stop where the slope is a good deal flatter."""

import math
from collections.abc import Callable
from typing import TypeVar

Point = TypeVar("Point")
# Trials of one direction at most, and the slope at its end that is flat enough, as a share of that at its beginning.
_MOST_TRIALS, _FLATTER = 6, 0.7


def trial_step(
    attempt: Callable[[float], tuple[Point, float, float]], value: float, slope: float
) -> tuple[Point, float] | None:
    """The best point that was tried, and its step; None if none is lower.

    A trial costs as much as an iteration, and the step of a quasi-Newton direction is soon about 1.

    Args:
      attempt: a step t > 0 -> the point there, the function's value and its slope; the function is convex.
      value: function value at 0.
      slope: its slope there, below 0.
    """
    best: tuple[Point, float] | None = None
    least, t, below, above = value, 1.0, 0.0, math.inf
    for _ in range(_MOST_TRIALS):
        point, value_here, slope_here = attempt(t)
        if value_here < least:
            best, least = (point, t), value_here
            if abs(slope_here) <= _FLATTER * abs(slope):
                break
        if slope_here < 0 and value_here < value:
            below = t
        else:
            above = t
        # Where the slope would be 0, were it linear.
        secant = t * slope / (slope - slope_here) if slope_here > slope else 4 * t
        width = above - below
        nearest, farthest = (below + 0.1 * width, below + 0.9 * width) if width < math.inf else (t, 4 * t)
        t = min(max(secant if math.isfinite(secant) else 0.0, nearest), farthest)
    return best

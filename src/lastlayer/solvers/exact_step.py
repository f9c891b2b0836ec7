"""The step along a direction at which a convex function of one variable is least, by safeguarded Newton."""

import math
from collections.abc import Callable, Generator

import numpy as np
from numpy.typing import NDArray

# The decrease that a further Newton step may still predict, as a share of that so far, and evaluations at most.
_DECREASE_LEFT, _MOST_EVALUATIONS = 0.01, 12


def exact_step(function: Callable[[float], tuple[float, float, float]], value: float) -> tuple[float, float]:
    """A step t > 0 that takes all but about 1 % of the possible decrease, and its value; (0, value) if none is lower.

    Args:
      function: t -> (value, slope, curvature), convex.
      value: function value at 0, where the slope is below 0.
    """
    search = _search(value)
    t = next(search)
    while True:
        try:
            t = search.send(function(t))
        except StopIteration as end:
            return end.value


def exact_steps(
    function: Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The steps of exact_step (M,) for many functions at once.

    Args:
      function: indices (m,) and steps (m,) -> (m, 3) values, slopes and curvatures.
      values: (M,) function values at 0, where the slopes are below 0.
    """
    searches = [_search(value) for value in values.tolist()]
    asked = {k: next(search) for k, search in enumerate(searches)}
    steps = np.zeros(len(searches))
    while asked:
        which = np.fromiter(asked, np.int64, len(asked))
        answers = function(which, np.fromiter(asked.values(), np.float64, len(asked)))
        for k, answer in zip(which.tolist(), answers.tolist(), strict=True):
            try:
                asked[k] = searches[k].send(tuple(answer))
            except StopIteration as end:
                del asked[k]
                steps[k] = end.value[0]
    return steps


def _search(value: float) -> Generator[float, tuple[float, float, float], tuple[float, float]]:
    """Yield the steps to try, be sent (value, slope, curvature) there, and return the best step and its value."""
    below, above, t = 0.0, math.inf, 1.0
    best = 0.0, value
    for _ in range(_MOST_EVALUATIONS):
        value_here, slope_here, curvature = yield t
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

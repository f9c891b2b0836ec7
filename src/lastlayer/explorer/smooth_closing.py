"""How far smooth_max of a row is above the maximum, at every beta of the page's slider."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lastlayer as ll
from lastlayer.explanation import short

# Decimal logarithms of the least and the largest beta, and how many decades of what is above the maximum are shown.
_LEAST, _MOST, _DECADES = -3.0, 4.0, 8.0


def above_maximum(scores: NDArray[np.float64], beta: float) -> float:
    """smooth_max less the maximum, without the digits that are lost where both are large."""
    with np.errstate(over="ignore"):
        return float(ll.smooth_max(scores - scores.max(), beta=beta))


def smooth_closing(scores: NDArray[np.float64], beta: float) -> dict[str, Any] | None:
    """The picture of smooth_max closing on the maximum, in decimal logarithms of beta and of what is above.

    Args:
      scores: (K,), at least one of them finite.
      beta: inverse temperature, > 0.
    Returns: None for a single class. Else `most`, the line of ln K / beta, two points; `above`, a curve of points down
      to the lowest that is shown; `here`, the point of beta, null below that; `least` and `largest`, the ends of the
      vertical axis, and `text` of both.
    """
    if len(scores) == 1:
        return None
    powers = np.linspace(_LEAST, _MOST, 43)
    betas = 10.0**powers
    with np.errstate(over="ignore", divide="ignore"):
        above = ll.smooth_max(np.outer(betas, scores - scores.max())) / betas
        heights = np.log10(above)
        here = math.log10(beta), float(np.log10(above_maximum(scores, beta)))
    largest = math.log10(math.log(len(scores))) - _LEAST
    least = largest - _DECADES
    return {
        "most": [[_LEAST, largest], [_MOST, largest - (_MOST - _LEAST)]],
        "above": _down_to(least, powers, heights),
        "here": list(here) if here[1] >= least else None,
        "least": least,
        "largest": largest,
        "text": [short(10.0**least), short(10.0**largest)],
    }


def _down_to(least, powers, heights):
    """The points at or above `least`, and the one in which the curve leaves the picture."""
    below = np.flatnonzero(heights < least)
    count = int(below[0]) if len(below) else len(heights)
    points = np.stack([powers, heights], 1)[:count].tolist()
    if 0 < count < len(heights):
        # A height of -inf, where exp has rounded to 0, is as good as straight down.
        share = (heights[count - 1] - least) / (heights[count - 1] - heights[count])
        points.append([float(powers[count - 1] + share * (powers[count] - powers[count - 1])), least])
    return points

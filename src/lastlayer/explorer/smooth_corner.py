"""smooth_max of a row between its bounds, and the corner that it rounds."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lastlayer as ll
from lastlayer.explanation import short
from lastlayer.explorer.smooth_closing import above_maximum

_LEAST_REACH = 4.0


def smooth_corner(scores: NDArray[np.float64], beta: float) -> dict[str, Any]:
    """What is between max and max + ln K / beta of a row, and the picture of smooth_max([x, 0]) over max(x, 0).

    With x the largest score less the smooth_max of all the others, smooth_max of the row is that of the others plus
    smooth_max([x, 0]): so every row stands on the curve of two.

    Args:
      scores: (K,), at least one of them finite.
      beta: inverse temperature, > 0.
    Returns: `smooth_max`; `share`, of the way from the lower bound to the upper; `text` of it, of `max`, of `bound`, of
      what is `above` the maximum and of ln K / beta, the `most` that this can be; `reach`, the picture is from -reach
      to reach; `curve`, (points, 2); `row`, (2,), null where nothing but the largest score is possible.
    """
    value, largest = float(ll.smooth_max(scores, beta=beta)), float(scores.max())
    most, above = math.log(len(scores)) / beta, above_maximum(scores, beta)
    # Wide enough for a corner that a small beta rounds, and for equal scores, which stand at -ln(K - 1) / beta.
    reach = max(_LEAST_REACH, math.ceil(math.log(len(scores))) + 1.0) * max(1.0, 1.0 / beta)
    near = np.linspace(-8.0, 8.0, 65) / beta
    places = np.union1d(np.linspace(-reach, reach, 33), near[np.abs(near) < reach])
    row = _place_of(scores, beta)
    return {
        "smooth_max": value,
        "text": {
            "max": short(largest),
            "smooth_max": short(value),
            "bound": short(largest + most),
            "above": short(above),
            "most": short(most),
            "x": None if row is None else short(row),
            "reach": f"{reach:g}",
        },
        "share": min(1.0, max(0.0, above / most)) if most > 0 else 0.0,
        "reach": reach,
        "curve": np.stack([places, _of_two(places, beta)], 1).round(9).tolist(),
        "row": None if row is None else [row, float(_of_two(np.array([row]), beta)[0])],
    }


def _of_two(places, beta):
    return ll.smooth_max(np.stack([places, np.zeros_like(places)], 1), beta=beta)


def _place_of(scores, beta):
    top = int(np.argmax(scores))
    others = np.delete(scores, top)
    if len(others) == 0 or others.max() == -math.inf:
        return None
    with np.errstate(over="ignore"):
        place = float(scores[top] - ll.smooth_max(others, beta=beta))
    return place if math.isfinite(place) else None

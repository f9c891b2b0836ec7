"""Smooth calibration error: confidence against accuracy under a kernel whose width the data choose; no bins.

A binned error jumps when a confidence crosses an edge, and depends on how many bins there are. Here the differences
right - confidence are smoothed along the confidence by a Gaussian of width s, reflected at 0 and 1, and the error is
the integral of their absolute value, at the s that equals it. Source: Błasiok & Nakkiran 2024, Smooth ECE: principled
reliability diagrams via kernel smoothing, definitions 3 and 4.
"""

import math

import numpy as np
from numpy.typing import NDArray

# Points along the confidence. A difference lies between two of them and is given to both, in proportion.
CELLS = 2048
_STEPS, _SMALL = 60, 1e-9
# exp(-x^2 / 2) of this is 1e-18.
_LAST = 9.1


def add_differences(cells: NDArray[np.float64], confidence: NDArray[np.float64], gap: NDArray[np.float64]) -> None:
    """Add the weighted differences `gap` (n,) of rows of `confidence` (n,) to the sums `cells` (CELLS,)."""
    place = np.clip(confidence * CELLS - 0.5, 0, CELLS - 1)
    below = np.minimum(place.astype(np.int64), CELLS - 2)
    share = place - below
    if len(place) < CELLS:  # np.bincount costs O(n + CELLS)
        np.add.at(cells, below, gap * (1 - share))
        np.add.at(cells, below + 1, gap * share)
        return
    cells += np.bincount(below, weights=gap * (1 - share), minlength=CELLS)
    cells += np.bincount(below + 1, weights=gap * share, minlength=CELLS)


def smooth_calibration_error(cells: NDArray[np.float64], weight: float) -> float:
    """The smooth calibration error, from 0 to 1, of the sums that `add_differences` made, over the rows' weight."""
    # No smoothing takes the error below that of the mean difference, or above the mean of their absolute values.
    cells = cells / weight
    low, high = abs(float(cells.sum())), min(1.0, float(np.abs(cells).sum()))
    # The even extension is periodic; a Gaussian on it is a Gaussian reflected at both ends, and a product here.
    frequencies = np.fft.rfft(np.concatenate([cells, cells[::-1]]))

    def excess(width):
        # Of a higher frequency nothing is left.
        count = min(len(frequencies), math.ceil(_LAST / (math.pi * max(width, 1 / CELLS))))
        damping = np.exp(-((math.pi * width * np.arange(count)) ** 2) / 2)
        smoothed = np.fft.irfft(frequencies[:count] * damping, 2 * CELLS)[:CELLS]
        return float(np.abs(smoothed).sum()) - width

    at_low, at_high = excess(low), excess(high)  # the error falls as the width grows
    if at_low <= _SMALL or at_high >= -_SMALL:
        return low if at_low <= _SMALL else high
    for _ in range(_STEPS):
        # Regula falsi, in the form of Illinois: an end that stays counts half.
        width = (low * at_high - high * at_low) / (at_high - at_low)
        found = excess(width)
        if abs(found) <= _SMALL or high - low <= _SMALL:
            return width
        if found > 0:
            low, at_low, at_high = width, found, at_high / 2
        else:
            high, at_high, at_low = width, found, at_low / 2
    return (low + high) / 2

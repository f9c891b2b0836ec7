"""Weights by probability, in cells within which odds are nearly equal: what ranks rows without keeping them.

Rows of one cell count as equals. With b bits p and 1 - p of two of them differ by less than one in 2^b, so a curve over
all rows is that of rows whose odds were rounded so much, in memory that no number of rows changes.
"""

import numpy as np
from numpy.typing import NDArray

from lastlayer.kernels.odds_cells import OCTAVES


def num_cells(bits: int) -> int:
    """How many cells there are: the last one holds p >= 1 alone, the first one all p below 2^-54."""
    return 2 * (OCTAVES << bits) + 1


def lowest_of(cells: NDArray[np.int64], bits: int) -> NDArray[np.float64]:
    """The lowest probability in each of `cells`: p lies in a cell or above it if, and only if, it is at least that."""
    half = OCTAVES << bits
    below = np.ldexp(1.0 + (cells & ((1 << bits) - 1)) / (1 << bits), (cells >> bits) - OCTAVES - 1)
    mirrored = 2 * half - cells  # the cell whose lowest is the most that is missing to 1
    missing = np.ldexp(1.0 + (mirrored & ((1 << bits) - 1)) / (1 << bits), (mirrored >> bits) - OCTAVES - 1)
    # p itself is a multiple of 2^-53 there.
    above = 1.0 - np.floor(missing * 2.0**53) * 2.0**-53
    lowest = np.where(cells < half, below, np.where(mirrored > 0, above, 1.0))
    return np.where(cells == 0, 0.0, lowest)


def area_under_roc(below: NDArray[np.float64], above: NDArray[np.float64]) -> float:
    """The chance that a row of `above` has a larger probability than one of `below`, equals half; NaN without either.

    Args:
      below: (cells,) weights of the rows that should have the smaller one.
      above: (cells,) weights of the others.
    """
    pairs = float(below.sum()) * float(above.sum())
    if not pairs:
        return float("nan")
    return float(above @ (np.cumsum(below) - below / 2)) / pairs

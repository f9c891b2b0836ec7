"""Rows counted by confidence in narrow cells: what any threshold would answer, and how often rightly."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CELLS = 1000


@dataclass(frozen=True, eq=False)
class ConfidenceCells:
    """Counts of rows, or sums of their weights; cell m of M holds m/M <= confidence < (m+1)/M, the last one 1 too.

    A threshold of m/M answers the rows of the cells from m on.

    Attributes:
      right: (M,) rows whose prediction is the label.
      wrong: (M,) rows whose prediction is another class.
      unknown: (M,) rows that belong to no class, so that no prediction is right.
    """

    right: NDArray[Any]
    wrong: NDArray[Any]
    unknown: NDArray[Any]


class CellCounter:
    """Takes blocks of rows, and gives their ConfidenceCells."""

    def __init__(self, cells: int = CELLS):
        """Take the number of cells."""
        self._edges = np.arange(1, cells) / cells
        self._counts = np.zeros((3, cells))
        self._is_weighted = False

    def add(self, confidence: NDArray[np.float64], weight: NDArray[np.float64], right: NDArray[np.bool]) -> None:
        """Add (n,) rows that belong to a class."""
        self._count(0, confidence[right], weight[right])
        self._count(1, confidence[~right], weight[~right])

    def add_unknown(self, confidence: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
        """Add (n,) rows that belong to none."""
        self._count(2, confidence, weight)

    def result(self) -> ConfidenceCells:
        """The cells: int64 where every weight was a whole number."""
        counts = self._counts.copy() if self._is_weighted else self._counts.astype(np.int64)
        counts.setflags(write=False)
        return ConfidenceCells(*counts)

    def _count(self, kind, confidence, weight):
        place = np.searchsorted(self._edges, confidence, side="right")
        self._counts[kind] += np.bincount(place, weights=weight, minlength=self._counts.shape[1])
        self._is_weighted |= bool((weight != np.floor(weight)).any())

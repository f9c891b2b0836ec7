"""Does confidence mean what it says? Confidence against accuracy in equal-width bins, and the gap between them."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Reliability:
    """Rows by confidence, the largest probability of the row: bin m of M holds m/M < confidence <= (m+1)/M.

    The figures of a reliability diagram. Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 2.

    Attributes:
      rows: (M,) int64, how many rows fall into the bin; of weighted rows float64, the sum of their weights.
      confidence: (M,) their mean confidence, weighted; NaN for an empty bin.
      accuracy: (M,) the share of them whose prediction is right, weighted; NaN for an empty bin.
    """

    rows: NDArray[Any]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @classmethod
    def from_sums(cls, rows: NDArray[Any], confidence: NDArray[np.float64], right: NDArray[Any]) -> Self:
        """From (M,) sums over the rows of each bin: their number or weight, their confidence, their right answers."""
        filled = rows > 0
        return cls(
            rows=rows,
            confidence=np.divide(confidence, rows, out=np.full(len(rows), np.nan), where=filled),
            accuracy=np.divide(right, rows, out=np.full(len(rows), np.nan), where=filled),
        )

    @property
    def expected_calibration_error(self) -> float:
        """Mean over rows of |accuracy - confidence| of their bin: 0 for perfect calibration, at most 1.

        Source: Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017, equation 3.
        """
        filled = self.rows > 0
        gap = np.abs(self.accuracy[filled] - self.confidence[filled])
        return float(np.average(gap, weights=self.rows[filled]))


def bin_of(confidence: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """(n,) index 0..bins-1 of the bin that holds each confidence; an edge belongs to the bin below it."""
    inner_edges = np.arange(1, bins) / bins
    return np.searchsorted(inner_edges, confidence, side="left")

"""A threshold for the probability of each label: any number of labels a row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer.decision.checked_threshold import one_or_each
from lastlayer.decision.evidence import Evidence
from lastlayer.decision.probability_matrix import (
    LabelMatrix,
    Probabilities,
    as_probability_matrix,
    selected,
    selected_entries,
)


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Each label whose probability exceeds its threshold.

    Attributes:
      threshold: from 0 to 1, one for all labels or (K,), one for each.
      evidence: the rows that it was chosen on; None where it was set by hand.

    >>> Thresholds([0.5, 0.2]).apply([[0.5, 0.3], [0.6, 0.2]]).tolist()
    [[False, True], [True, False]]
    """

    threshold: float | NDArray[np.float64]
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", one_or_each(self.threshold, "label"))

    @property
    def num_classes(self) -> int | None:
        """How many labels the rule is made for; None for any number."""
        return len(self.threshold) if isinstance(self.threshold, np.ndarray) else None

    def apply(self, probabilities: Probabilities) -> LabelMatrix:
        """Which labels each row gets: where p > threshold, compared in float64.

        Args:
          probabilities: (N, K) from 0 to 1, dense or sparse; what a sparse matrix does not store is 0.
        Returns: (N, K) booleans: an array up to 4096 labels; a CSR array beyond, and where `probabilities` are sparse.
        Raises: ValueError for another shape or number of labels, or a probability outside 0 to 1, naming the row.
        """
        p = as_probability_matrix(probabilities)
        threshold: Any = np.float64(self.threshold)
        if self.num_classes not in (None, p.shape[1]):
            raise ValueError(
                f"probabilities: {p.shape[1]} labels, expected {self.num_classes}, one for each of the thresholds."
            )
        if sp.issparse(p):
            return selected_entries(p, p.data > (threshold if self.num_classes is None else threshold[p.indices]))
        return selected(p.shape, lambda rows: p[rows] > threshold)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Thresholds):
            return NotImplemented
        return np.array_equal(self.threshold, other.threshold) and self.evidence == other.evidence

    def __hash__(self) -> int:
        return hash((np.asarray(self.threshold).tobytes(), self.evidence))

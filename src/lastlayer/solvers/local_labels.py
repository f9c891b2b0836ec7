"""The rows of a fit of many labels, or of a part of one, in the memory of this process or in a file that it maps."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer.linear import FeatureMatrix, SparseFeatures
from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.label_line import LabelLogitLine
from lastlayer.solvers.label_rows import LabelLine

# Labels of a line, and entries of its logits, at most.
_MOST_LABELS, _MOST_ENTRIES = 256, 1 << 25
# Answers are summed as a dense matrix where more than this share of them is yes, so many entries at a time.
_DENSE, _DENSE_ENTRIES = 0.02, 1 << 23


class LocalLabels:
    """LabelRows that answer by themselves.

    Args:
      features: DenseFeatures or SparseFeatures, (N, D).
      answers: (N, K) CSC matrix; its stored entries are the labels that a row has.
      row_weight: (N,) float64 >= 0, not all 0.
      total: what the weights of all rows of the fit sum to; None if these are all.
    """

    def __init__(
        self, features: FeatureMatrix, answers: Any, row_weight: NDArray[np.float64], total: float | None = None
    ):
        self.features: FeatureMatrix = features
        self.total: float = float(row_weight.sum()) if total is None else total
        self.row_weight: NDArray[np.float64] = row_weight / self.total
        self.shape: tuple[int, int] = features.shape
        self.dtype: np.dtype[Any] = features.dtype
        self.num_labels: int = answers.shape[1]
        self.weighing: int = int(np.count_nonzero(row_weight))
        self.lightest: float = float(self.row_weight[self.row_weight > 0].min(initial=np.inf))
        self._answers = answers if answers.has_sorted_indices else answers.sorted_indices()
        weights = self._weights()
        label_of_entry = np.repeat(np.arange(self.num_labels), np.diff(answers.indptr))
        self.counts: NDArray[np.int64] = np.bincount(label_of_entry[weights.data > 0], minlength=self.num_labels)
        self.shares: NDArray[np.float64] = np.asarray(weights.sum(axis=0)).ravel()
        self.labels_at_once: int = max(1, min(_MOST_LABELS, _MOST_ENTRIES // self.shape[0]))
        self.takes_turns: bool = False

    def feature_sum(self) -> NDArray[np.float64]:
        """(D,), the weighted sum of all features."""
        weights = self.row_weight[:, None].astype(self.dtype)
        return self.features.adjoint(weights, slice(0, self.shape[0]))[0].astype(np.float64)

    def label_sums(self) -> NDArray[Any]:
        """(K, D), the weighted sums of the features of the rows that have each label."""
        (num_rows, num_labels), weights = self._answers.shape, self._weights()
        weights = weights.astype(self.dtype)
        whole = slice(0, num_rows)
        if isinstance(self.features, SparseFeatures) or weights.nnz < _DENSE * num_rows * num_labels:
            return self.features.adjoint(weights, whole)
        size = max(1, _DENSE_ENTRIES // num_rows)
        blocks = (weights[:, first : first + size].toarray(order="F") for first in range(0, num_labels, size))
        return np.concatenate([self.features.adjoint(block, whole) for block in blocks])

    def curvature(self, mean: NDArray[np.float64], generator: np.random.RandomState) -> Curvature:
        """That of the features about `mean` (D,), from a sample of the rows that weigh."""
        return Curvature.of_features(self.features, mean, self.row_weight, generator)

    def line(self, labels: NDArray[np.int64], factors: NDArray[np.float64]) -> LabelLine:
        """See `LabelRows`."""
        return LabelLogitLine(self.features, self._answers, self.row_weight, labels, factors)

    def _weights(self) -> Any:
        """(N, K) the answers as the weights of their rows."""
        answers = self._answers
        return sp.csc_array((self.row_weight[answers.indices], answers.indices, answers.indptr), answers.shape)

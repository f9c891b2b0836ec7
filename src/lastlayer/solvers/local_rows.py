"""The rows of a fit, or of a part of one, in the memory of this process or in a file that it maps."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer.linear import FeatureMatrix
from lastlayer.linear.bfloat16_products import can_sweep_in_bfloat16
from lastlayer.solvers.coarse_steps import CoarseSteps
from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.logit_line import LogitLine
from lastlayer.solvers.training_rows import Line, Steps

# Rows whose class sums are taken at once.
_BLOCK = 8192


class LocalRows:
    """TrainingRows that answer by themselves.

    Args:
      features: DenseFeatures or SparseFeatures, (N, D).
      labels: (N,) int64 in 0..num_classes - 1.
      row_weight: (N,) float64 >= 0, not all 0.
      num_classes: K >= 2.
      total: what the weights of all rows of the fit sum to; None if these are all.
    """

    def __init__(
        self,
        features: FeatureMatrix,
        labels: NDArray[np.int64],
        row_weight: NDArray[np.float64],
        num_classes: int,
        total: float | None = None,
    ):
        self.features: FeatureMatrix = features
        self.labels: NDArray[np.int64] = labels
        self.num_classes: int = num_classes
        self.row_weight: NDArray[np.float64] = row_weight / (row_weight.sum() if total is None else total)
        self.shape: tuple[int, int] = features.shape
        self.dtype: np.dtype[Any] = features.dtype
        self.lightest: float = float(self.row_weight[self.row_weight > 0].min(initial=np.inf))
        self.shares: NDArray[np.float64] = np.bincount(labels, self.row_weight, num_classes).astype(
            np.float64, copy=False
        )

    def class_sums(self) -> NDArray[np.float64]:
        """(K, D), the weighted sum of each class's features."""
        sums = np.zeros((self.num_classes, self.shape[1]))
        for start in range(0, self.labels.size, _BLOCK):
            rows = slice(start, min(start + _BLOCK, self.labels.size))
            indicator = sp.csr_array(
                (self.row_weight[rows], self.labels[rows], np.arange(rows.stop - start + 1)),
                shape=(rows.stop - start, self.num_classes),
                dtype=self.dtype,
            )
            sums += self.features.adjoint(indicator, rows)
        return sums

    def curvature(self, mean: NDArray[np.float64], generator: np.random.RandomState) -> Curvature:
        """That of the features about `mean` (D,), from a sample of the rows that weigh."""
        num_logits = self.shape[0] * self.num_classes
        return Curvature.of_features(self.features, mean, self.row_weight, generator, num_logits)

    def take(self, rows: NDArray[np.int64]) -> "LocalRows":
        """Of the rows with these numbers, in ascending order, those that weigh, a copy with their weights."""
        rows = rows[self.row_weight[rows] > 0]
        return LocalRows(
            self.features.rows(rows), self.labels[rows], self.row_weight[rows], self.num_classes, total=1.0
        )

    def line(self) -> Line:
        """A line with Z = 0 and V = 0."""
        return LogitLine(self.features, self.labels, self.row_weight, self.num_classes)

    def coarse_steps(self, mean: NDArray[np.float64]) -> Steps | None:
        """What takes steps in bfloat16, where the processor has tiles of it and features are dense and float32."""
        if not can_sweep_in_bfloat16(self.features, self.num_classes):
            return None
        return CoarseSteps(self.features, self.labels, self.row_weight, self.num_classes, mean)

"""A line of heads whose logits are rounded to about three digits, for the early iterations of a large fit.

Far from the optimum a direction needs no more: what is rounded differs from row to row and averages out over rows, so
that the loss is known to about a millionth and steps are as good as exact ones (decisions/0024-bfloat16.md). No
certificate is made of it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.kernels.softmax_regression import step_rows
from lastlayer.linear import DenseFeatures
from lastlayer.linear.bfloat16_products import ROWS, logits_width, sweep_in_bfloat16
from lastlayer.solvers.training_rows import Slope


class CoarseSteps:
    """Steps with products in bfloat16.

    Args:
      features: (N, D) that are computed with in float32.
      labels: (N,) int64.
      row_weight: (N,) float64 that sum to 1.
      num_classes: K.
      mean: (D,) about which features are rounded, so that what all rows share costs no digits.
    """

    def __init__(
        self,
        features: DenseFeatures,
        labels: NDArray[np.int64],
        row_weight: NDArray[np.float64],
        num_classes: int,
        mean: NDArray[np.float64],
    ):
        self._features, self._labels, self._row_weight = features, labels, row_weight
        self._num_classes, self._mean = num_classes, mean
        self._head = self._direction = np.zeros((num_classes, features.shape[1])), np.zeros(num_classes)

    def set_head(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Set the head to go on from; (K, D) and (K,)."""
        self._head = weight, offset

    def set_direction(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Set the direction; (K, D) and (K,)."""
        self._direction = weight, offset

    def step(self, t: float) -> Slope:
        """Go as far as t along the direction; the loss there and its gradient."""
        (weight, offset), (weight_step, offset_step) = self._head, self._direction
        self._head = weight, offset = weight + weight.dtype.type(t) * weight_step, offset + t * offset_step
        still = np.zeros((ROWS, logits_width(self._num_classes)), np.float32)

        def write_residual(rows, logits, residual):
            sums = np.zeros((2, logits.shape[1]))
            block = logits, still[: len(logits)], still[0], self._labels[rows], self._row_weight[rows]
            return step_rows(*block, np.float32(0), residual, *sums), sums

        bias = offset + weight @ self._mean
        gradient, (loss, sums) = sweep_in_bfloat16(self._features, weight, bias, self._mean, write_residual)
        masses, residual_sum = sums[:, : self._num_classes]
        gradient += np.outer(residual_sum, self._mean)
        return Slope(loss, gradient.astype(np.float32), residual_sum, masses)

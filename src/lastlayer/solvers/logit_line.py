"""The logits of all rows along a line of heads, and the loss, its derivatives and its gradient there."""

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._memory import allowed_bytes
from lastlayer.kernels.softmax_regression import line_rows, step_rows, uncertainty_rows
from lastlayer.linear import DenseFeatures, FeatureMatrix, Head, LogitBlocks
from lastlayer.losses import SoftmaxLossOnTiles
from lastlayer.solvers.training_rows import Slope, Uncertainty

# Two (N, K) arrays are kept up to this many bytes together; beyond, logits are computed anew in each pass.
_MOST_BYTES_KEPT = 4 << 30


class LogitLine:
    """Z(t) = Z + t V for the current head's logits Z and a direction's V = X D' + offset, both (N, K).

    Args:
      features: DenseFeatures or SparseFeatures.
      labels: (N,) int64.
      row_weight: (N,) float64 that sum to 1.
      num_classes: K.
    """

    def __init__(
        self, features: FeatureMatrix, labels: NDArray[np.int64], row_weight: NDArray[np.float64], num_classes: int
    ):
        self._features, self._labels, self._row_weight = features, labels, row_weight
        self._num_rows, self._num_classes = features.shape[0], num_classes
        self._blocks = LogitBlocks(features, num_classes)
        self._width = self._blocks.width
        self._kept = None
        if 2 * self._num_rows * self._width * features.dtype.itemsize <= min(_MOST_BYTES_KEPT, allowed_bytes() / 2):
            self._kept = self._pair(self._num_rows)
        self._no_offset = np.zeros(num_classes, features.dtype)
        self._head = self._direction = np.zeros((num_classes, features.shape[1]), features.dtype), self._no_offset

    def _pair(self, num_rows):
        """Memory for Z and V of so many rows, padded with classes of probability 0 that V does not change."""
        return self._blocks.zeros(num_rows, -np.inf), self._blocks.zeros(num_rows, 0.0)

    @property
    def keeps_logits(self) -> bool:
        """Whether `evaluate` takes no product with X."""
        return self._kept is not None

    def set_head(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Set Z to the logits X weight' + offset; (K, D) and (K,)."""
        self._head = weight.copy(), offset.copy()
        if self._kept is not None:
            self._blocks.write_all(*self._head, self._kept[0])

    def set_direction(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Set the direction to X weight' + offset; (K, D) and (K,)."""
        self._direction = weight, offset.astype(self._features.dtype)
        if self._kept is not None:
            self._blocks.write_all(weight, self._no_offset, self._kept[1])

    def evaluate(self, t: float) -> tuple[float, float, float]:
        """Loss, first and second derivative in t of the weighted mean cross-entropy at Z(t), as floats."""
        t, offset = self._features.dtype.type(t), self._offset()

        def work(start, stop):
            total, scratch = np.zeros(3), np.empty((2, self._width), self._features.dtype)
            for rows, logits, direction in self._logits(start, stop):
                total += line_rows(logits, direction, offset, self._labels[rows], self._row_weight[rows], t, scratch)
            return total

        loss, slope, curvature = map(float, np.sum(self._blocks.run(work), axis=0))
        return loss, slope, curvature

    def step(self, t: float) -> Slope:
        """Set Z to Z(t)."""
        if self.keeps_logits or not isinstance(self._features, DenseFeatures):
            return self._advance(t, self._features.adjoint)
        return self._swept(t, self._features, np.empty_like(self._head[0]))

    def _swept(self, t, features, gradient):
        """`step` in a product with X, of logits that are not kept, and one more where `gradient` (K, D) is written."""
        t = features.dtype.type(t)
        (weight, intercept), (weight_step, intercept_step) = self._head, self._direction
        self._head = weight + t * weight_step, intercept + t * intercept_step
        losses, log_sums = np.empty((2, self._num_rows))
        no_options = None, 0.0, 0.0
        loss = SoftmaxLossOnTiles(
            self._labels, np.ones(self._num_rows), *no_options, self._row_weight, losses, log_sums
        )
        class_sums = np.empty((2, self._num_classes))
        features.sweep(loss, Head(*self._head, 0.0), gradient, class_sums)
        return Slope(float(losses @ self._row_weight), gradient, *class_sums)

    def add_offset(self, offset: NDArray[Any]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Add `offset` (K,) to the logits of every row; the loss, residual sum and masses there.

        It takes no product with X where logits are kept, and one elsewhere.
        """
        self.set_direction(np.zeros_like(self._head[0]), offset)
        if not self.keeps_logits and isinstance(self._features, DenseFeatures):
            slope = self._swept(1.0, self._features, None)
        else:
            slope = self._advance(1.0, lambda residual, rows: 0.0)
        return slope.loss, slope.residual_sum, slope.masses

    def _advance(self, t, gradient_of):
        t, offset = self._features.dtype.type(t), self._offset()

        def work(start, stop):
            loss, gradient, sums = 0.0, 0.0, np.zeros((2, self._width))
            residual = np.empty((min(self._blocks.rows_per_block, stop - start), self._width), self._features.dtype)
            for rows, logits, direction in self._logits(start, stop):
                part = residual[: rows.stop - rows.start]
                block = logits, direction, offset, self._labels[rows], self._row_weight[rows]
                loss += step_rows(*block, t, part, sums[0], sums[1])
                gradient += gradient_of(part[:, : self._num_classes], rows)
            return loss, gradient, sums

        losses, gradients, sums = zip(*self._blocks.run(work), strict=True)
        masses, residual_sum = np.sum(sums, axis=0)[:, : self._num_classes]
        (weight, intercept), (weight_step, intercept_step) = self._head, self._direction
        self._head = weight + t * weight_step, intercept + t * intercept_step
        return Slope(sum(losses), reduce(np.add, gradients), residual_sum, masses)

    def uncertainty(self, factors: NDArray[np.float64], every: int, most: int) -> Uncertainty:
        """The scores of rows; see `Line`."""
        scores = np.empty(self._num_rows)
        padded = self._blocks.padded(factors, np.float64)

        def work(start, stop):
            row = np.empty(self._width, self._features.dtype)
            for rows, logits, _ in self._logits(start, stop):
                uncertainty_rows(logits, self._row_weight[rows], padded, row, scores[rows])

        self._blocks.run(work)
        highest = np.arange(self._num_rows)
        if most < self._num_rows:
            highest = np.argpartition(-scores, most - 1)[:most]
        return Uncertainty(float(scores.sum()), scores[::every], highest, scores[highest])

    def _logits(self, start, stop):
        """Yield (rows, block of Z, block of V) that cover the rows from start to stop."""
        both = None
        for rows in self._blocks.slices(start, stop):
            if self._kept is not None:
                yield rows, self._kept[0][rows], self._kept[1][rows]
                continue
            both = self._pair(rows.stop - rows.start) if both is None else both
            logits, direction = (array[: rows.stop - rows.start] for array in both)
            self._blocks.write(*self._head, rows, logits)
            self._blocks.write(self._direction[0], self._no_offset, rows, direction)
            yield rows, logits, direction

    def _offset(self):
        return self._blocks.padded(self._direction[1], self._features.dtype)

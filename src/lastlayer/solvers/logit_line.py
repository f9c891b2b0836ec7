"""The logits of all rows along a line of heads, and the loss, its derivatives and its gradient there."""

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._threads import run_blocks
from lastlayer.kernels.softmax_regression import line_rows, step_rows, uncertainty_rows
from lastlayer.solvers.design import Design

# Two (N, K) arrays are kept up to this many bytes together; beyond, logits are computed anew for each look at them.
_MOST_BYTES_KEPT = 4 << 30
# Logits of a block whose residuals stay in cache until they are multiplied with the features, and its rows: enough
# for the products to be efficient.
_BLOCK, _FEWEST_ROWS, _MOST_ROWS = 1 << 18, 256, 8192
# With very many classes a block holds this many logits at most, in each of three arrays of each thread.
_LARGEST_BLOCK = 1 << 25
# Logits worth a dispatch to another thread.
_DISPATCH = 1 << 14
# Rows are filled up to a multiple of this many classes with impossible ones, so that kernels see whole vectors.
_VECTOR = 8


class LogitLine:
    """Z(t) = Z + t V for the current head's logits Z and a direction's V = X D' + offset, both (N, K).

    Args:
      design: DenseDesign or SparseDesign.
      labels: (N,) int64.
      row_weight: (N,) float64 that sum to 1.
      num_classes: K.
    """

    def __init__(self, design: Design, labels: NDArray[np.int64], row_weight: NDArray[np.float64], num_classes: int):
        self._design, self._labels, self._row_weight = design, labels, row_weight
        self._num_rows, self._num_classes = design.shape[0], num_classes
        self._width = -num_classes % _VECTOR + num_classes
        rows = max(_FEWEST_ROWS, min(_MOST_ROWS, _BLOCK // self._width))
        self._rows_in_block = max(1, min(rows, _LARGEST_BLOCK // self._width))
        self._kept = None
        if 2 * self._num_rows * self._width * design.dtype.itemsize <= _MOST_BYTES_KEPT:
            self._kept = self._room(self._num_rows)
        self._no_offset = np.zeros(num_classes, design.dtype)
        self._head = self._direction = np.zeros((num_classes, design.shape[1]), design.dtype), self._no_offset

    def _room(self, num_rows):
        """Logits and motion of so many rows, both 0 for real classes."""
        logits, motion = np.zeros((2, num_rows, self._width), self._design.dtype)
        logits[:, self._num_classes :] = -np.inf
        return logits, motion

    def start(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Take the logits of X weight' + offset; (K, D) and (K,)."""
        self._head = weight.copy(), offset.copy()
        if self._kept is not None:
            self._fill(self._kept[0], self._head)

    def aim(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Take the direction X weight' + offset."""
        self._direction = weight, offset.astype(self._design.dtype)
        if self._kept is not None:
            self._fill(self._kept[1], (weight, self._no_offset))

    def measure(self, t: float) -> tuple[float, float, float]:
        """(loss, slope, curvature) of the weighted mean cross-entropy at t, as floats."""
        t, offset = self._design.dtype.type(t), self._filled_offset()

        def share(start, stop):
            total, scratch = np.zeros(3), np.empty((2, self._width), self._design.dtype)
            for rows, logits, motion in self._blocks(start, stop):
                total += line_rows(logits, motion, offset, self._labels[rows], self._row_weight[rows], t, scratch)
            return total

        loss, slope, curvature = map(float, np.sum(self._spread(share), axis=0))
        return loss, slope, curvature

    def move(self, t: float) -> tuple[float, NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
        """Move to Z(t), which becomes Z.

        Returns: the loss there; the gradient with respect to the weights without the penalty, (K, D); the residuals'
          sum over rows, (K,), which is the intercepts' gradient; and the mean of p (1 - p) of each class, (K,).
        """
        return self._advance(t, self._design.adjoint)

    def shift(self, offset: NDArray[Any]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Add `offset` (K,) to the logits of every row.

        Returns: loss, residuals' sum and masses as `move` does, without a product with the features.
        """
        self.aim(np.zeros_like(self._head[0]), offset)
        loss, _, residual_sum, masses = self._advance(1.0, lambda residual, rows: 0.0)
        return loss, residual_sum, masses

    def _advance(self, t, gradient_of):
        t, offset = self._design.dtype.type(t), self._filled_offset()

        def share(start, stop):
            loss, gradient, sums = 0.0, 0.0, np.zeros((2, self._width))
            residual = np.empty((min(self._rows_in_block, stop - start), self._width), self._design.dtype)
            for rows, logits, motion in self._blocks(start, stop):
                part = residual[: rows.stop - rows.start]
                block = logits, motion, offset, self._labels[rows], self._row_weight[rows]
                loss += step_rows(*block, t, part, sums[0], sums[1])
                gradient += gradient_of(part[:, : self._num_classes], rows)
            return loss, gradient, sums

        losses, gradients, sums = zip(*self._spread(share), strict=True)
        masses, residual_sum = np.sum(sums, axis=0)[:, : self._num_classes]
        (weight, intercept), (direction, change) = self._head, self._direction
        self._head = weight + t * direction, intercept + t * change
        return sum(losses), reduce(np.add, gradients), residual_sum, masses

    def uncertainty(self, factors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each row's weight times the sum over classes of p (1 - p) times the class's factor, (N,) for (K,)."""
        result = np.empty(self._num_rows)
        filled = np.zeros(self._width)
        filled[: self._num_classes] = factors

        def share(start, stop):
            row = np.empty(self._width, self._design.dtype)
            for rows, logits, _ in self._blocks(start, stop):
                uncertainty_rows(logits, self._row_weight[rows], filled, row, result[rows])

        self._spread(share)
        return result

    def _blocks(self, start, stop):
        """Yield (rows, logits, motion) of blocks that cover the rows from start to stop."""
        room = None
        for first in range(start, stop, self._rows_in_block):
            rows = slice(first, min(first + self._rows_in_block, stop))
            if self._kept is not None:
                yield rows, self._kept[0][rows], self._kept[1][rows]
                continue
            room = self._room(min(self._rows_in_block, stop - start)) if room is None else room
            logits, motion = (array[: rows.stop - first] for array in room)
            self._fill_block(logits, rows, self._head)
            self._fill_block(motion, rows, (self._direction[0], self._no_offset))
            yield rows, logits, motion

    def _fill(self, target, head):
        self._spread(lambda start, stop: self._fill_block(target[start:stop], slice(start, stop), head))

    def _fill_block(self, target, rows, head):
        (weight, offset), target = head, target[:, : self._num_classes]
        if weight.any():
            self._design.times(weight, rows, target)
            if offset.any():
                target += offset.astype(target.dtype)
        else:
            target[...] = offset

    def _filled_offset(self):
        filled = np.zeros(self._width, self._design.dtype)
        filled[: self._num_classes] = self._direction[1]
        return filled

    def _spread(self, share):
        return run_blocks(share, self._num_rows, items_per_block=max(1, _DISPATCH // self._width))

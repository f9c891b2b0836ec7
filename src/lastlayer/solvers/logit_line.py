"""The logits of all rows along a line of heads, and the loss, its derivatives and its gradient there."""

import numpy as np

from lastlayer._threads import run_blocks
from lastlayer.kernels.softmax_regression import line_rows, step_rows

# Two (N, K) arrays are kept up to this many bytes together; beyond, logits are computed anew for each look at them.
_MOST_BYTES_KEPT = 4 << 30
# Logits of a block whose residuals wait for the product with the features, and logits worth a dispatch.
_BLOCK, _DISPATCH = 1 << 21, 1 << 14
# Rows are filled up to a multiple of this many classes with impossible ones, so that kernels see whole vectors.
_VECTOR = 8


def _nowhere(num_classes, design):
    return np.zeros((num_classes, design.shape[1]), design.dtype), np.zeros(num_classes, design.dtype)


class LogitLine:
    """Z(t) = Z + t V for the current head's logits Z and a direction's V = X D' + offset, both (N, K).

    Args:
      design: DenseDesign or SparseDesign.
      labels: (N,) int64.
      row_weight: (N,) float64 that sum to 1.
      num_classes: K.
    """

    def __init__(self, design, labels, row_weight, num_classes, *, most_bytes_kept=_MOST_BYTES_KEPT):
        self._design, self._labels, self._row_weight = design, labels, row_weight
        self._num_rows, self._num_classes = design.shape[0], num_classes
        block = max(1, min(_BLOCK // num_classes, self._num_rows))
        self._blocks = [slice(a, min(a + block, self._num_rows)) for a in range(0, self._num_rows, block)]
        self._width = width = -num_classes % _VECTOR + num_classes
        self._keep = 2 * self._num_rows * width * design.dtype.itemsize <= most_bytes_kept
        rows_held = self._num_rows if self._keep else block
        self._logits = np.full((rows_held, width), -np.inf, design.dtype)
        self._motion = np.zeros((rows_held, width), design.dtype)
        self._residual = np.empty((block, width), design.dtype)
        self._head = self._direction = _nowhere(num_classes, design)

    def start(self, weight, offset):
        """Take the logits of X weight' + offset; (K, D) and (K,)."""
        self._head = weight.copy(), offset.copy()
        if self._keep:
            self._fill(self._logits, slice(0, self._num_rows), self._head)

    def aim(self, weight, offset):
        """Take the direction X weight' + offset."""
        filled = np.zeros(self._width, self._design.dtype)
        filled[: self._num_classes] = offset
        self._direction = weight, filled
        if self._keep:
            self._fill(self._motion, slice(0, self._num_rows), (weight, np.zeros(self._num_classes)))

    def _fill(self, out, rows, head):
        (weight, offset), out = head, out[:, : self._num_classes]
        if weight.any():
            self._design.times(weight, rows, out)
            if offset.any():
                out += offset.astype(out.dtype)
        else:
            out[...] = offset

    def _block(self, rows):
        if self._keep:
            return self._logits[rows], self._motion[rows]
        logits, motion = (array[: rows.stop - rows.start] for array in (self._logits, self._motion))
        self._fill(logits, rows, self._head)
        self._fill(motion, rows, (self._direction[0], np.zeros(self._num_classes)))
        return logits, motion

    def measure(self, t):
        """(loss, slope, curvature) of the weighted mean cross-entropy at t, as floats."""
        t = self._design.dtype.type(t)
        totals = np.zeros(3)
        for rows in [slice(0, self._num_rows)] if self._keep else self._blocks:
            logits, motion = self._block(rows)
            labels, row_weight = self._labels[rows], self._row_weight[rows]

            def work(start, stop, logits=logits, motion=motion, labels=labels, row_weight=row_weight):
                part, scratch = slice(start, stop), np.empty((2, self._width), self._design.dtype)
                offset = self._direction[1]
                return line_rows(logits[part], motion[part], offset, labels[part], row_weight[part], t, scratch)

            totals += np.sum(self._spread(work, logits.shape[0]), axis=0)
        return tuple(map(float, totals))

    def move(self, t):
        """Move to Z(t), which becomes Z.

        Returns: the loss there; the gradient with respect to the weights without the penalty, (K, D); the residuals'
          sum over rows, (K,), which is the intercepts' gradient; and the mean of p (1 - p) of each class, (K,).
        """
        gradient = np.zeros((self._num_classes, self._design.shape[1]), self._design.dtype)

        def add(rows, residual):
            nonlocal gradient
            gradient += self._design.adjoint(residual, rows)

        loss, residual_sum, masses = self._advance(t, add)
        return loss, gradient, residual_sum, masses

    def shift(self, offset):
        """Add `offset` (K,) to the logits of every row.

        Returns: loss, residuals' sum and masses as `move` does, without a product with the features.
        """
        self.aim(np.zeros_like(self._head[0]), offset)
        return self._advance(1.0, lambda rows, residual: None)

    def _advance(self, t, each_block):
        t = self._design.dtype.type(t)
        loss, sums = 0.0, np.zeros((2, self._width))
        for rows in self._blocks:
            logits, motion = self._block(rows)
            labels, row_weight = self._labels[rows], self._row_weight[rows]
            residual = self._residual[: rows.stop - rows.start]

            def work(start, stop, logits=logits, motion=motion, labels=labels, row_weight=row_weight, r=residual):
                part, sums = slice(start, stop), np.zeros((2, self._width))
                block = logits[part], motion[part], self._direction[1], labels[part], row_weight[part]
                return step_rows(*block, t, r[part], sums[0], sums[1]), sums

            for part_loss, part_sums in self._spread(work, logits.shape[0]):
                loss += part_loss
                sums += part_sums
            each_block(rows, residual[:, : self._num_classes])
        masses, residual_sum = sums[:, : self._num_classes]
        self._head = (
            self._head[0] + t * self._direction[0],
            self._head[1] + t * self._direction[1][: self._num_classes],
        )
        return loss, residual_sum, masses

    def _spread(self, work, num_rows):
        return run_blocks(work, num_rows, items_per_block=max(1, _DISPATCH // self._num_classes))

"""The logits of some labels in memory, in runs of rows that threads share; within a run, each label's side by side."""

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lastlayer._threads import run_blocks
from lastlayer.kernels.sigmoid_regression import line_labels, step_labels
from lastlayer.linear import FeatureMatrix
from lastlayer.solvers.label_rows import LabelSlopes

Answer = TypeVar("Answer")
# Rows of a run; it follows from nothing but their number, so that sums have the same bits on any number of threads.
_RUN = 1 << 15


class LabelLogitLine:
    """LabelLine that answers by itself.

    Args:
      features: DenseFeatures or SparseFeatures, (N, D).
      answers: (N, K) CSC matrix of sorted indices.
      row_weight: (N,) float64.
      labels: (B,) int64.
      factors: (B, 2) float64.
    """

    def __init__(
        self,
        features: FeatureMatrix,
        answers: Any,
        row_weight: NDArray[np.float64],
        labels: NDArray[np.int64],
        factors: NDArray[np.float64],
    ):
        self._factors, weight = factors.astype(features.dtype), row_weight.astype(features.dtype)
        rows_with = [answers.indices[answers.indptr[k] : answers.indptr[k + 1]] for k in labels.tolist()]
        starts = range(0, features.shape[0], _RUN)
        self._runs = [_Run(features, slice(n, min(n + _RUN, features.shape[0])), rows_with, weight) for n in starts]

    def set_heads(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._of_runs(lambda run: run.set_heads(weight, offset))

    def set_offsets(self, offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._of_runs(lambda run: run.set_offsets(offset))

    def set_directions(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._of_runs(lambda run: run.set_directions(weight, offset))

    def evaluate(self, which: NDArray[np.int64], steps: NDArray[Any]) -> NDArray[np.float64]:
        """See `LabelLine`."""
        return reduce(np.add, self._of_runs(lambda run: run.evaluate(self._factors, which, steps)))

    def step(self, steps: NDArray[Any]) -> LabelSlopes:
        """See `LabelLine`."""
        sums, gradients = zip(*self._of_runs(lambda run: run.step(self._factors, steps)), strict=True)
        loss, residual_sum, masses = reduce(np.add, sums).T
        gradient = reduce(lambda left, right: np.add(left, right, dtype=np.float64), gradients)
        return LabelSlopes(loss, gradient.astype(gradients[0].dtype, copy=False), residual_sum, masses)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """See `LabelLine`."""
        self._factors, rows = self._factors[which], np.flatnonzero(which).tolist()
        self._of_runs(lambda run: run.keep(rows))

    def _of_runs(self, answer: Callable[["_Run"], Answer]) -> list[Answer]:
        """What every run answers, in their order."""
        parts = run_blocks(
            lambda first, last: [answer(run) for run in self._runs[first:last]],
            len(self._runs),
            items_per_block=1,
            blocks_per_thread=4,
        )
        return [one for part in parts for one in part]


class _Run:
    """The logits and directions of a run of rows, (B, n), and the signs of its answers."""

    def __init__(self, features, rows, rows_with, row_weight):
        self._features, self._rows, self._row_weight = features, rows, row_weight[rows]
        shape = len(rows_with), rows.stop - rows.start
        self._logits, self._direction = (np.empty(shape, features.dtype) for _ in range(2))
        self._signs = np.ones(shape, features.dtype)
        for own, numbers in zip(self._signs, rows_with, strict=True):
            first, last = np.searchsorted(numbers, (rows.start, rows.stop))
            own[numbers[first:last] - rows.start] = -1

    def set_heads(self, weight, offset):
        self._write(weight, offset, self._logits)
        self._direction[...] = 0

    def set_offsets(self, offset):
        self._logits[...] = offset[:, None]

    def set_directions(self, weight, offset):
        self._write(weight, offset, self._direction)

    def evaluate(self, factors, which, steps):
        sums = np.empty((len(which), 3))
        line_labels(*self._block(factors), which, steps.astype(self._logits.dtype), sums)
        return sums

    def step(self, factors, steps):
        """Sums (B, 3) of losses, slopes and masses, and the gradient; the direction becomes the slopes there."""
        sums = np.empty((len(steps), 3))
        step_labels(*self._block(factors), steps.astype(self._logits.dtype), sums)
        return sums, self._features.adjoint(self._direction.T, self._rows)

    def keep(self, rows):
        """Drop the other labels, whose rows those behind them move up to."""
        for name in ("_logits", "_signs"):
            array = getattr(self, name)
            for i, row in enumerate(rows):
                if i != row:
                    array[i] = array[row]
            setattr(self, name, array[: len(rows)])
        self._direction = self._direction[: len(rows)]

    def _block(self, factors):
        return self._logits, self._direction, self._signs, self._row_weight, factors

    def _write(self, weight, offset, out):
        self._features.times(weight, self._rows, out.T)
        out += offset[:, None].astype(out.dtype)

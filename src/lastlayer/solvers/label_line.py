"""The logits of some labels in memory, each label's rows side by side."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.kernels.sigmoid_regression import line_labels, step_labels
from lastlayer.linear import FeatureMatrix
from lastlayer.solvers.label_rows import LabelSlopes


class LabelLogitLine:
    """LabelLine that answers by itself.

    Args:
      features: DenseFeatures or SparseFeatures, (N, D).
      answers: (N, K) CSC matrix.
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
        dtype, shape = features.dtype, (len(labels), features.shape[0])
        self._features, self._row_weight, self._factors = features, row_weight.astype(dtype), factors.astype(dtype)
        self._logits, self._direction = (np.empty(shape, dtype) for _ in range(2))
        self._signs = np.ones(shape, dtype)
        for own, k in zip(self._signs, labels.tolist(), strict=True):
            own[answers.indices[answers.indptr[k] : answers.indptr[k + 1]]] = -1

    def set_heads(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._write(weight, offset, self._logits)
        self._direction[...] = 0

    def set_offsets(self, offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._logits[...] = offset[:, None]

    def set_directions(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._write(weight, offset, self._direction)

    def evaluate(self, which: NDArray[np.int64], steps: NDArray[Any]) -> NDArray[np.float64]:
        """See `LabelLine`."""
        sums = np.empty((len(which), 3))
        line_labels(*self._block(), which, steps.astype(self._logits.dtype), sums)
        return sums

    def step(self, steps: NDArray[Any]) -> LabelSlopes:
        """See `LabelLine`; the direction becomes the slopes there."""
        sums = np.empty((len(steps), 3))
        step_labels(*self._block(), steps.astype(self._logits.dtype), sums)
        loss, residual_sum, masses = sums.T
        gradient = self._features.adjoint(self._direction.T, slice(0, self._direction.shape[1]))
        return LabelSlopes(loss, gradient, residual_sum, masses)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """See `LabelLine`; rows move up in place."""
        rows = np.flatnonzero(which)
        for name in ("_logits", "_signs"):
            array = getattr(self, name)
            for i, row in enumerate(rows.tolist()):
                if i != row:
                    array[i] = array[row]
            setattr(self, name, array[: len(rows)])
        self._direction = self._direction[: len(rows)]
        self._factors = self._factors[which]

    def _block(self):
        return self._logits, self._direction, self._signs, self._row_weight, self._factors

    def _write(self, weight, offset, out):
        self._features.times(weight, slice(0, out.shape[1]), out.T)
        out += offset[:, None].astype(out.dtype)

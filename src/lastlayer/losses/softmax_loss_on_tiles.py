"""Softmax cross-entropy as an operation on tiles of a linear head's logits, and their statistics."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.kernels.class_tiles import (
    SCRATCH,
    RowSums,
    empty_sums,
    finish_sums,
    merge_sums,
    sum_tile,
    write_residuals,
)
from lastlayer.kernels.products import add_to_bias, add_to_masses


class SoftmaxLossOnTiles(NamedTuple):
    """The losses of rows, and the slopes of `row_scale` times them.

    labels: (N,) int64.
    label_weight: (N,) float64, what a label weighs beyond `common`.
    common: (K,) weights of the classes that every row has, in the dtype of the logits, or None.
    z_loss: the factor of the squared logsumexp.
    soft_cap: the head's, or 0.
    row_scale: (N,) float64 factors >= 0.
    losses, log_sums: (N,) float64, written: the losses and logsumexps.
    """

    labels: NDArray[np.int64]
    label_weight: NDArray[np.float64]
    common: NDArray[Any] | None
    z_loss: float
    soft_cap: float
    row_scale: NDArray[np.float64]
    losses: NDArray[np.float64]
    log_sums: NDArray[np.float64]

    def empty(self, where: slice) -> RowSums:
        """See TileOperation."""
        return empty_sums(where.stop - where.start)

    def add(self, known: RowSums, where: slice, logits: NDArray[Any], first: int) -> None:
        """See TileOperation."""
        sum_tile(logits, first, self.labels[where], self._common(logits, first), False, _scratch(logits), known)

    def merge(self, known: RowSums, more: RowSums) -> None:
        """See TileOperation."""
        merge_sums(known, more)

    def finish(self, known: RowSums, where: slice) -> None:
        """See TileOperation."""
        finish_sums(known, self.label_weight[where], self.z_loss, self.losses[where], self.log_sums[where])

    def write_residuals(self, known: RowSums, where: slice, logits: NDArray[Any], first: int) -> None:
        """See TileOperation."""
        write_residuals(
            logits,
            first,
            self.soft_cap,
            self.labels[where],
            self.label_weight[where],
            self._common(logits, first),
            self.z_loss,
            self.row_scale[where],
            _scratch(logits),
            known,
            self.log_sums[where],
        )

    def add_class_sums(self, where: slice, residual: NDArray[Any], sums: NDArray[np.float64]) -> None:
        """The sum of the residuals and, if there is a second one, of row_scale p (1 - p) for loss without options."""
        add_to_bias(residual, sums[0])
        if len(sums) > 1:
            inverse = np.zeros(residual.shape[::2], residual.dtype)
            scale = self.row_scale[where]
            np.divide(1.0, scale, out=inverse.reshape(-1)[: len(scale)], where=scale > 0, casting="same_kind")
            add_to_masses(residual, inverse, sums[1])

    def without_slope(self, where: slice) -> NDArray[np.bool_]:
        """See TileOperation."""
        return self.row_scale[where] == 0

    def _common(self, logits: NDArray[Any], first: int) -> Any:
        return None if self.common is None else self.common[first : first + logits.shape[1]]


class StatisticsOnTiles(NamedTuple):
    """logsumexp, entropy: (N,) float64, in nats, written. predicted: (N,) int64, the first class at the maximum."""

    logsumexp: NDArray[np.float64]
    predicted: NDArray[np.int64]
    entropy: NDArray[np.float64]

    def empty(self, where: slice) -> RowSums:
        """See TileOperation."""
        return empty_sums(where.stop - where.start)

    def add(self, known: RowSums, where: slice, logits: NDArray[Any], first: int) -> None:
        """See TileOperation."""
        no_labels = np.full(where.stop - where.start, -1)
        sum_tile(logits, first, no_labels, None, True, _scratch(logits), known)

    def merge(self, known: RowSums, more: RowSums) -> None:
        """See TileOperation."""
        merge_sums(known, more)

    def finish(self, known: RowSums, where: slice) -> None:
        """See TileOperation."""
        nothing, log_sums = np.zeros(len(known.best)), self.logsumexp[where]
        finish_sums(known, nothing, 0.0, nothing.copy(), log_sums)
        self.predicted[where] = known.best
        # -sum p log p = log(total) + sum exp(z - maximum) (maximum - z) / total
        with np.errstate(invalid="ignore"):
            self.entropy[where] = log_sums - known.maxima + known.spreads / (known.others + known.winners)


def _scratch(logits: NDArray[Any]) -> NDArray[Any]:
    return np.empty((SCRATCH, logits.shape[2]), logits.dtype)

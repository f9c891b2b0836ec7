"""Losses whose target has a part in every class, smoothed and soft cross-entropy, over (outer, K, inner) logits.

`row_scale` is the factor of each gradient. Logits and gradient are C-contiguous, of a dtype of kernels.storage, and
losses, weights and scales float64 (outer, inner); `gradient` is None where it is not wanted.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.functions._along_axis import SHORT, Scratch, row_scratch, scratch, spread
from lastlayer.kernels.smoothed_cross_entropy import (
    smoothed_cross_entropy_columns,
    smoothed_cross_entropy_rows,
    smoothed_cross_entropy_short_rows,
)
from lastlayer.kernels.soft_cross_entropy import (
    soft_cross_entropy_columns,
    soft_cross_entropy_rows,
    soft_cross_entropy_short_rows,
)


def write_smoothed(
    logits: NDArray[Any],
    labels: NDArray[np.int64],
    label_weight: NDArray[np.float64],
    class_weight: NDArray[np.float64],
    row_scale: NDArray[np.float64],
    losses: NDArray[np.float64],
    gradient: NDArray[Any] | None,
) -> None:
    """Write label_weight (-log p[label]) + sum_k class_weight[k] (-log p_k), and its gradient.

    Labels are int64 (outer, inner), outside 0..K-1 where ignored; class_weight is (K,) float64.
    """

    def columns(first, last):
        weights = labels, label_weight, class_weight, row_scale
        memory = _memory(scratch(logits.shape[1], logits.dtype))
        smoothed_cross_entropy_columns(logits, *weights, losses, gradient, memory, first, last)

    def rows(first, last):
        part = slice(first, last)
        weights = labels[part, 0], label_weight[part, 0], class_weight, row_scale[part, 0]
        smoothed_rows(logits[part, :, 0], *weights, losses[part, 0], None if gradient is None else gradient[part, :, 0])

    spread(logits.shape, rows, columns)


def smoothed_rows(
    logits: NDArray[Any],
    labels: NDArray[np.int64],
    label_weight: NDArray[np.float64],
    class_weight: NDArray[np.float64],
    row_scale: NDArray[np.float64],
    losses: NDArray[np.float64],
    gradient: NDArray[Any] | None,
) -> None:
    """write_smoothed of (n, K) logits, on this thread; `gradient` may be `logits` itself."""
    arguments = logits, labels, label_weight, class_weight, row_scale, losses, gradient
    if logits.shape[1] < SHORT:
        tiles = scratch(logits.shape[1], logits.dtype)
        smoothed_cross_entropy_short_rows(*arguments, tiles.turned, tiles.staging, _memory(tiles))
    else:
        smoothed_cross_entropy_rows(*arguments, row_scratch(logits.shape[1], logits.dtype))


def write_soft(
    logits: NDArray[Any],
    targets: NDArray[Any],
    row_scale: NDArray[np.float64],
    losses: NDArray[np.float64],
    gradient: NDArray[Any] | None,
) -> None:
    """Write -sum_k t_k log p_k, and its gradient; targets are (outer, K, inner) in the dtype that is computed in."""

    def columns(first, last):
        memory = _memory(scratch(logits.shape[1], logits.dtype))
        soft_cross_entropy_columns(logits, targets, row_scale, losses, gradient, memory, first, last)

    def rows(first, last):
        part = slice(first, last)
        into = None if gradient is None else gradient[part, :, 0]
        soft_rows(logits[part, :, 0], targets[part, :, 0], row_scale[part, 0], losses[part, 0], into)

    spread(logits.shape, rows, columns)


def soft_rows(
    logits: NDArray[Any],
    targets: NDArray[Any],
    row_scale: NDArray[np.float64],
    losses: NDArray[np.float64],
    gradient: NDArray[Any] | None,
) -> None:
    """write_soft of (n, K) logits, on this thread; `gradient` may be `logits` itself."""
    arguments = logits, targets, row_scale, losses, gradient
    if logits.shape[1] < SHORT:
        tiles = scratch(logits.shape[1], logits.dtype)
        turned_targets = np.empty_like(tiles.turned)
        soft_cross_entropy_short_rows(*arguments, tiles.turned, turned_targets, tiles.staging, _memory(tiles))
    else:
        soft_cross_entropy_rows(*arguments, row_scratch(logits.shape[1], logits.dtype))


def _memory(tiles: Scratch) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The tile and the sums of the lanes, see smoothed_cross_entropy_short_rows."""
    lanes = tiles.state.shape[1]
    return tiles.tile, tiles.state, np.empty((2, lanes), tiles.state.dtype), np.empty((2, lanes))

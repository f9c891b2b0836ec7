"""Gradients of softmax and log_softmax from their results, as automatic differentiation asks for them."""

from typing import NamedTuple

import numpy as np

from lastlayer._threads import run_blocks
from lastlayer.functions._along_axis import BLOCKS_PER_THREAD, GRAIN, LANES, SHORT
from lastlayer.kernels.softmax_backward import (
    log_softmax_backward_columns,
    log_softmax_backward_rows,
    log_softmax_backward_short_rows,
    softmax_backward_columns,
    softmax_backward_rows,
    softmax_backward_short_rows,
)


class _Kernels(NamedTuple):
    rows: object
    short_rows: object
    columns: object


_SOFTMAX = _Kernels(softmax_backward_rows, softmax_backward_short_rows, softmax_backward_columns)
_LOG_SOFTMAX = _Kernels(log_softmax_backward_rows, log_softmax_backward_short_rows, log_softmax_backward_columns)


def softmax_backward(probabilities, upstream, beta, out):
    """Write beta p (g - sum p g) to `out`; all (outer, K, inner), C-contiguous, of one float dtype."""
    _run(_SOFTMAX, probabilities, upstream, beta, out)


def log_softmax_backward(log_probabilities, upstream, beta, out):
    """Write beta (g - exp(l) sum g) to `out`; all (outer, K, inner), C-contiguous, of one float dtype."""
    _run(_LOG_SOFTMAX, log_probabilities, upstream, beta, out)


def _run(kernels, result, upstream, beta, out):
    outer, num_classes, inner = result.shape
    beta = result.dtype.type(beta)

    def columns(first, last):
        kernels.columns(result, upstream, beta, out, *_lanes(result), first, last)

    def rows(first, last):
        parts = [array[first:last].reshape(-1, num_classes) for array in (result, upstream, out)]
        if num_classes < SHORT:
            tiles = np.empty((2, 1, num_classes, LANES), result.dtype)
            kernels.short_rows(parts[0], parts[1], beta, parts[2], tiles, *_lanes(result))
        else:
            kernels.rows(parts[0], parts[1], beta, parts[2])

    if inner == 1:
        run_blocks(rows, outer, items_per_block=-(-GRAIN // num_classes), blocks_per_thread=BLOCKS_PER_THREAD)
    elif inner:
        items, logits_per_item = outer * -(-inner // LANES), num_classes * min(inner, LANES)
        run_blocks(columns, items, items_per_block=-(-GRAIN // logits_per_item), blocks_per_thread=BLOCKS_PER_THREAD)


def _lanes(result):
    return np.empty(LANES), np.empty(LANES, result.dtype)

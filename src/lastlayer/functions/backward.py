"""Gradients of softmax and log_softmax from their results, as automatic differentiation asks for them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.functions._along_axis import SHORT, Kernels, lanes_of, spread, staging
from lastlayer.kernels.softmax_backward import (
    log_softmax_backward_columns,
    log_softmax_backward_rows,
    log_softmax_backward_short_rows,
    softmax_backward_columns,
    softmax_backward_rows,
    softmax_backward_short_rows,
)
from lastlayer.kernels.storage import computed_dtype

_SOFTMAX = Kernels(softmax_backward_rows, softmax_backward_short_rows, softmax_backward_columns)
_LOG_SOFTMAX = Kernels(log_softmax_backward_rows, log_softmax_backward_short_rows, log_softmax_backward_columns)


def softmax_backward(probabilities: NDArray[Any], upstream: NDArray[Any], beta: float, out: NDArray[Any]) -> None:
    """Write beta p (g - sum p g) to `out`; all (outer, K, inner), C-contiguous, of one dtype of kernels.storage."""
    _run(_SOFTMAX, probabilities, upstream, beta, out)


def log_softmax_backward(
    log_probabilities: NDArray[Any], upstream: NDArray[Any], beta: float, out: NDArray[Any]
) -> None:
    """Write beta (g - exp(l) sum g) to `out`; all (outer, K, inner), C-contiguous, of one dtype of kernels.storage."""
    _run(_LOG_SOFTMAX, log_probabilities, upstream, beta, out)


def _run(kernels: Kernels, result: NDArray[Any], upstream: NDArray[Any], beta: float, out: NDArray[Any]) -> None:
    num_classes, computed = result.shape[1], computed_dtype(result.dtype)
    scale = computed.type(beta)

    def sums():
        lanes = lanes_of(num_classes)
        return np.empty(lanes), np.empty(lanes, computed)

    def columns(first, last):
        kernels.columns(result, upstream, scale, out, *sums(), first, last)

    def rows(first, last):
        parts = [array[first:last].reshape(-1, num_classes) for array in (result, upstream, out)]
        if num_classes < SHORT:
            tiles = np.empty((3, 1, num_classes, lanes_of(num_classes)), computed)
            kernels.short_rows(*parts[:2], scale, parts[2], tiles, *sums(), staging(num_classes, result.dtype))
        else:
            kernels.rows(*parts[:2], scale, parts[2])

    spread(result.shape, rows, columns)

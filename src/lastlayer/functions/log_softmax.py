"""log_softmax: scores to log-probabilities."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Axes, Float, Number
from lastlayer.functions._along_axis import transform
from lastlayer.kernels.softmax import LogSoftmax


@overload
def log_softmax(
    logits: NDArray[Float], *, axis: Axes = -1, beta: Number = 1.0, out: NDArray[Float] | None = None
) -> NDArray[Float]: ...
@overload
def log_softmax(
    logits: ArrayLike, *, axis: Axes = -1, beta: Number = 1.0, out: NDArray[np.floating[Any]] | None = None
) -> NDArray[np.floating[Any]]: ...
def log_softmax(
    logits: ArrayLike, *, axis: Axes = -1, beta: Number = 1.0, out: NDArray[np.floating[Any]] | None = None
) -> NDArray[np.floating[Any]]:
    """Log-probabilities beta z - log sum exp(beta z) of `logits` along `axis`, in nats.

    A winner's log-probability l near 0 keeps its relative accuracy: it is -log1p of the sum of the others, never the
    logarithm of a number rounded to 1. The relative error is at most 4e-7 in float32 and 1e-15 in float64, times
    1 + |ln |l|| where l is above -1.

    Args:
      logits: (..., K, ...) scores; -inf marks a class as impossible, its log-probability is -inf.
      axis: the axis of the classes, a tuple of axes whose entries are all classes together, or None for all axes.
      beta: inverse temperature, > 0.
      out: (..., K, ...) array for the result, in the result's dtype; it may be `logits` itself.
    Returns: (..., K, ...) numbers <= 0, in the dtype of `logits` (float64 for integers, float16 computed in float32).
      A row that holds NaN or +inf, or nothing but -inf, is NaN.

    Raises:
      ValueError: if `axis` has no classes, beta is not above 0, or `out` does not fit.
      TypeError: if `logits` are not a dense array of real numbers.

    >>> import numpy as np
    >>> [float(f"{l:.6g}") for l in log_softmax(np.array([0.0, -40.0]))]
    [-4.24835e-18, -40.0]
    """
    return transform(LogSoftmax, logits, axis, beta, out)

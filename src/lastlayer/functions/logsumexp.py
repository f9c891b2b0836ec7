"""logsumexp and smooth_max: the logarithm of a sum of exponentials, and the maximum it smooths."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import ArrayOrScalar, Axes, Float, Number
from lastlayer.functions._along_axis import reduce
from lastlayer.kernels.softmax import LogSumExp


@overload
def logsumexp(logits: NDArray[Float], *, axis: Axes = -1, keepdims: bool = False) -> ArrayOrScalar[Float]: ...
@overload
def logsumexp(logits: ArrayLike, *, axis: Axes = -1, keepdims: bool = False) -> ArrayOrScalar[np.floating[Any]]: ...
def logsumexp(logits: ArrayLike, *, axis: Axes = -1, keepdims: bool = False) -> ArrayOrScalar[np.floating[Any]]:
    """Logarithm of the sum of exponentials of `logits` along `axis`, in nats; it never overflows.

    Args:
      logits: (..., K, ...) scores; -inf adds nothing.
      axis: the axis of the classes, a tuple of axes whose entries are all classes together, or None for all axes.
      keepdims: leave the axes in the result, with length 1.
    Returns: (..., ...) with `axis` removed, in the dtype of `logits` (float64 for integers, float16 computed in
      float32); sums are accumulated in float64. A row that holds NaN is NaN, one with +inf is +inf and one of
      nothing but -inf is -inf, as is the sum over no classes at all.

    Raises:
      ValueError: if there is no such axis.
      TypeError: if `logits` are not a dense array of real numbers.

    >>> import numpy as np
    >>> float(logsumexp(np.array([1000.0, 1000.0])))
    1000.6931471805599
    """
    return reduce(LogSumExp, logits, axis, 1.0, keepdims, empty_value=-np.inf)


@overload
def smooth_max(logits: NDArray[Float], *, axis: Axes = -1, beta: Number = 1.0) -> ArrayOrScalar[Float]: ...
@overload
def smooth_max(logits: ArrayLike, *, axis: Axes = -1, beta: Number = 1.0) -> ArrayOrScalar[np.floating[Any]]: ...
def smooth_max(logits: ArrayLike, *, axis: Axes = -1, beta: Number = 1.0) -> ArrayOrScalar[np.floating[Any]]:
    """Smooth maximum of `logits` along `axis`, in the logits' own unit.

    max(z) <= smooth_max(z) <= max(z) + log(K) / beta, so it sharpens to the maximum as beta grows.

    Args:
      logits: (..., K, ...) scores; -inf marks a class as impossible.
      axis: the axis of the classes, a tuple of axes whose entries are all classes together, or None for all axes.
      beta: inverse temperature, > 0.
    Returns: (..., ...) with `axis` removed, in the dtype of `logits` (float64 for integers, float16 computed in
      float32). A row that holds NaN is NaN, one with +inf is +inf and one of nothing but -inf is -inf.

    Raises:
      ValueError: if `axis` has no classes or beta is not above 0.
      TypeError: if `logits` are not a dense array of real numbers.

    >>> import numpy as np
    >>> float(smooth_max(np.array([0.0, 0.0]), beta=2.0))
    0.34657359027997264
    """
    return reduce(LogSumExp, logits, axis, beta)

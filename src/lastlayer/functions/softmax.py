"""softmax: scores to probabilities."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Axes, Float, Number
from lastlayer.functions._along_axis import transform
from lastlayer.kernels.softmax import Softmax


@overload
def softmax(
    logits: NDArray[Float], *, axis: Axes = -1, beta: Number = 1.0, out: NDArray[Float] | None = None
) -> NDArray[Float]: ...
@overload
def softmax(
    logits: ArrayLike, *, axis: Axes = -1, beta: Number = 1.0, out: NDArray[np.floating[Any]] | None = None
) -> NDArray[np.floating[Any]]: ...
def softmax(
    logits: ArrayLike, *, axis: Axes = -1, beta: Number = 1.0, out: NDArray[np.floating[Any]] | None = None
) -> NDArray[np.floating[Any]]:
    """Probabilities exp(beta z) / sum exp(beta z) of `logits` along `axis`.

    The maximum is subtracted first and the difference then scaled, so that nothing overflows at any beta. Sums are
    compensated: the relative error of a probability p is at most 4e-7 (1 + |ln p|) in float32 and
    1e-15 (1 + |ln p|) in float64, up to millions of classes.

    Args:
      logits: (..., K, ...) scores; -inf marks a class as impossible, its probability is exactly 0.
      axis: the axis of the classes, a tuple of axes whose entries are all classes together, or None for all axes.
      beta: inverse temperature, > 0; 1 is the softmax of textbooks, larger is sharper.
      out: (..., K, ...) array for the result, in the result's dtype; it may be `logits` itself.
    Returns: (..., K, ...) probabilities that sum to 1 along `axis`, in the dtype of `logits` (float64 for integers,
      float16 computed in float32). A row that holds NaN or +inf, or nothing but -inf, is NaN.

    Raises:
      ValueError: if `axis` has no classes, beta is not above 0, or `out` does not fit.
      TypeError: if `logits` are not a dense array of real numbers.

    >>> import numpy as np
    >>> softmax(np.array([2.0, 1.0, 0.1])).round(3).tolist()
    [0.659, 0.242, 0.099]
    """
    return transform(Softmax, logits, axis, beta, out)

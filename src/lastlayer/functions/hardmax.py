"""hardmax: the limit of softmax as beta grows."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Float, Integer, as_float_array, result_dtype
from lastlayer.functions._along_axis import class_axis


@overload
def hardmax(logits: NDArray[Float], *, axis: Integer = -1) -> NDArray[Float]: ...
@overload
def hardmax(logits: ArrayLike, *, axis: Integer = -1) -> NDArray[np.floating[Any]]: ...
def hardmax(logits: ArrayLike, *, axis: Integer = -1) -> NDArray[np.floating[Any]]:
    """One-hot argmax of `logits` along `axis`: 1 at the largest score, 0 elsewhere; the first of equals wins.

    Args:
      logits: (..., K, ...) scores; -inf marks a class as impossible.
      axis: the axis of the classes.
    Returns: (..., K, ...) zeros and ones, in the dtype of `logits` (float64 for integers). A row that holds NaN or
      +inf, or nothing but -inf, is NaN, as in softmax.

    Raises:
      ValueError: if `axis` has no classes.
      TypeError: if `logits` are not a dense array of real numbers.

    >>> import numpy as np
    >>> hardmax(np.array([0.95, 0.99, 0.98])).tolist()
    [0.0, 1.0, 0.0]
    """
    array = as_float_array(logits, "logits")
    axis = class_axis(array, axis)
    if not array.ndim:
        return np.where(np.isfinite(array), 1.0, np.nan).astype(result_dtype(logits))
    result = np.zeros(array.shape, result_dtype(logits))
    if not array.size:
        return result
    winner = np.expand_dims(array.argmax(axis), axis)
    np.put_along_axis(result, winner, 1, axis)
    top = np.take_along_axis(array, winner, axis)
    if not np.isfinite(top).all():
        result[np.broadcast_to(~np.isfinite(top), result.shape)] = np.nan
    return result

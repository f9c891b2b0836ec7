"""hardmax: the limit of softmax as beta grows."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Axes, Float, as_float_array, class_axes, result_dtype
from lastlayer.functions.merged_axes import merged_axes


@overload
def hardmax(logits: NDArray[Float], *, axis: Axes = -1) -> NDArray[Float]: ...
@overload
def hardmax(logits: ArrayLike, *, axis: Axes = -1) -> NDArray[np.floating[Any]]: ...
def hardmax(logits: ArrayLike, *, axis: Axes = -1) -> NDArray[np.floating[Any]]:
    """One-hot argmax of `logits` along `axis`: 1 at the largest score, 0 elsewhere; the first of equals wins.

    Args:
      logits: (..., K, ...) scores; -inf marks a class as impossible.
      axis: the axis of the classes, a tuple of axes whose entries are all classes together, or None for all axes.
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
    axes = class_axes(array, axis)
    dtype = result_dtype(logits)
    if not array.ndim:
        return np.where(np.isfinite(array), 1.0, np.nan).astype(dtype)[()]
    merged = merged_axes(array, axes, in_index_order=True)
    result = np.zeros(merged.array.shape, dtype)
    if array.size:
        winner = np.expand_dims(merged.array.argmax(merged.axis), merged.axis)
        np.put_along_axis(result, winner, 1, merged.axis)
        top = np.take_along_axis(merged.array, winner, merged.axis)
        if not np.isfinite(top).all():
            result[np.broadcast_to(~np.isfinite(top), result.shape)] = np.nan
    return merged.restore(result)

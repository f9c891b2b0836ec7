"""sigmoid and log_sigmoid: one score to the probability of yes, and its logarithm."""

from collections.abc import Callable
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import ArrayOrScalar, Float, as_float_array, result_dtype
from lastlayer._blocks import without_read_only_flag
from lastlayer.functions._entries import in_periods
from lastlayer.kernels.sigmoid import log_sigmoid_entries, sigmoid_entries


@overload
def sigmoid(logits: NDArray[Float]) -> ArrayOrScalar[Float]: ...
@overload
def sigmoid(logits: ArrayLike) -> ArrayOrScalar[np.floating[Any]]: ...
def sigmoid(logits: ArrayLike) -> ArrayOrScalar[np.floating[Any]]:
    """Probabilities 1 / (1 + exp(-z)) of `logits`, entry by entry: softmax of [z, 0].

    Accurate to a few units in the last place at both ends: near 0 relative to the probability itself.

    Args:
      logits: (...) scores.
    Returns: (...) probabilities in the dtype of `logits` (float64 for integers, float16 computed in float32); -inf
      gives 0, +inf gives 1, NaN gives NaN.

    Raises:
      TypeError: if `logits` are not a dense array of real numbers.

    >>> import numpy as np
    >>> sigmoid(np.array([-0.401, 1.0899])).round(4).tolist()
    [0.4011, 0.7484]
    """
    return _each_entry(sigmoid_entries, logits)


@overload
def log_sigmoid(logits: NDArray[Float]) -> ArrayOrScalar[Float]: ...
@overload
def log_sigmoid(logits: ArrayLike) -> ArrayOrScalar[np.floating[Any]]: ...
def log_sigmoid(logits: ArrayLike) -> ArrayOrScalar[np.floating[Any]]:
    """Log-probabilities -log(1 + exp(-z)) of `logits`, entry by entry, in nats.

    Args:
      logits: (...) scores.
    Returns: (...) numbers <= 0 in the dtype of `logits` (float64 for integers, float16 computed in float32), accurate
      relative to themselves also where they are near 0; -inf gives -inf, +inf gives 0, NaN gives NaN.

    Raises:
      TypeError: if `logits` are not a dense array of real numbers.

    >>> import numpy as np
    >>> log_sigmoid(np.array([0.0, -1000.0])).round(4).tolist()
    [-0.6931, -1000.0]
    """
    return _each_entry(log_sigmoid_entries, logits)


def _each_entry(kernel: Callable[..., None], logits: ArrayLike) -> ArrayOrScalar[Any]:
    array = as_float_array(logits, "logits")
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    source = np.require(array, requirements=[order, "A"])
    result = np.empty(array.shape, array.dtype, order)
    in_periods(kernel, 1, without_read_only_flag(source).ravel("K"), result.ravel("K"))
    return result.astype(result_dtype(logits), copy=False)[()]

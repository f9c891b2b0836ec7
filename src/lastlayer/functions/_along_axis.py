"""How a function of scores runs along one axis of an array of any rank and stride, on every core.

An array whose memory is dense is seen as (outer, K, inner) without a copy: lanes run along the classes when they are
the last axis and many, across examples otherwise. Any other array is copied into the result, or a block at a time
where the result is smaller than the array.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import (
    ArrayOrScalar,
    Axes,
    as_float_array,
    check_out,
    checked_beta,
    class_axes,
    result_dtype,
    rounded,
    without_overlap,
)
from lastlayer._blocks import dense, without_read_only_flag
from lastlayer._layouts import run, three_axes
from lastlayer.functions.merged_axes import merged_axes
from lastlayer.kernels.exponential import scale_of

# Outside these bounds float32 could not hold the products of beta; such a beta is computed with in float64.
_SMALLEST_BETA_32, _LARGEST_BETA_32 = 1e-30, 1e30


def transform(
    operation: Callable[..., Any], logits: ArrayLike, axis: Axes, beta: object, out: NDArray[Any] | None
) -> NDArray[Any]:
    """Apply a function that keeps the shape; `operation` takes a scale and gives a record of kernels.softmax.

    Returns: an array in the shape of `logits` and its result dtype, `out` if that is given; else a NumPy scalar for a
      scalar.
    Raises: ValueError on zero classes, a bad axis, beta <= 0 or an `out` of another shape or dtype.
    """
    beta = checked_beta(beta)
    array = as_float_array(logits, "logits")
    dtype = result_dtype(logits)
    axes = class_axes(array, axis)
    if out is not None:
        check_out(out, array.shape, dtype)
        array = without_overlap(array, out)
    array = _in_working_dtype(array, beta)
    if len(axes) == 1:
        into = out if out is not None and out.dtype == array.dtype else None
        result = _transformed(operation, array, axes[0], beta, into)
    else:
        merged = merged_axes(array, axes)
        result = merged.restore(_transformed(operation, merged.array, merged.axis, beta, None))
    if out is None:
        result = rounded(result, dtype)
        return result if result.ndim else result[()]
    if result is not out:
        out[...] = rounded(result, dtype)
    return out


def _transformed(
    operation: Callable[..., Any], array: NDArray[Any], axis: int, beta: float, out: NDArray[Any] | None
) -> NDArray[Any]:
    """The function of `array` in its dtype and shape: `out` or a new array in the memory order of `array`."""
    if out is not None:
        _fill(operation, array, axis, beta, out)
        return out
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        result = np.empty(array.shape[::-1], array.dtype).T
    else:
        result = np.empty(array.shape, array.dtype)
    _fill(operation, array, axis, beta, result)
    return result


def reduce(
    operation: Callable[..., Any],
    logits: ArrayLike,
    axis: Axes,
    beta: object,
    keepdims: bool = False,
    empty_value: float | None = None,
) -> ArrayOrScalar[Any]:
    """Apply a function that takes the axes away, or leaves them at length 1 with `keepdims`.

    The `operation` takes a scale and the array of its results and gives a record of kernels.softmax.

    Returns: an array in the result dtype of `logits`, a scalar of it if no axis is left; `empty_value` over no classes.
    Raises: ValueError on a bad axis, beta <= 0, and zero classes where `empty_value` is None.
    """
    beta = checked_beta(beta)
    array = as_float_array(logits, "logits")
    axes = class_axes(array, axis, may_be_empty=empty_value is not None)
    merged = merged_axes(_in_working_dtype(array, beta), axes)
    shape = merged.array.shape
    if shape and not shape[merged.axis]:
        sums = np.full(shape[: merged.axis] + shape[merged.axis + 1 :], empty_value, np.float64)
    else:
        sums = _reduced(operation, merged.array, merged.axis, beta)
    if array.ndim and keepdims:
        sums = np.expand_dims(sums, axes)
    return rounded(sums, result_dtype(logits))[()]


def fits_float32(beta: float) -> bool:
    """Whether float32 holds the products of this beta."""
    return _SMALLEST_BETA_32 <= beta <= _LARGEST_BETA_32


def _in_working_dtype(array: NDArray[Any], beta: float) -> NDArray[Any]:
    if array.dtype == np.float32 and not fits_float32(beta):
        return array.astype(np.float64)
    return array


def _fill(operation: Callable[..., Any], array: NDArray[Any], axis: int, beta: float, result: NDArray[Any]) -> None:
    """Write the function of `array` to `result`, in place where their layouts differ."""
    if not array.size:
        return
    if dense(result):
        if not dense(array):
            result[...] = array
            array = result
        source = three_axes(without_read_only_flag(array), axis)
        run(operation(scale_of(beta, array.dtype)), source, three_axes(result, axis))
    elif dense(result.T):
        _fill(operation, array.T, array.ndim - 1 - axis, beta, result.T)
    else:
        copy = np.array(array, order="C")
        run(operation(scale_of(beta, copy.dtype)), three_axes(copy, axis), three_axes(copy, axis))
        result[...] = copy


def _reduced(operation: Callable[..., Any], array: NDArray[Any], axis: int, beta: float) -> NDArray[np.float64]:
    """The float64 result of a reduction, the axis taken away."""
    shape = array.shape[:axis] + array.shape[axis + 1 :]
    if not math.prod(shape):
        return np.empty(shape)
    if array.ndim > 1 and not dense(array) and dense(array.T):
        return _reduced(operation, array.T, array.ndim - 1 - axis, beta).T
    if dense(array):
        source = three_axes(without_read_only_flag(array), axis)
    else:
        source = np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis], 1)
    sums = np.empty(math.prod(shape))
    run(operation(scale_of(beta, array.dtype), sums), source, None)
    return sums.reshape(shape)

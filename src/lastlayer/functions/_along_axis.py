"""How a function of scores runs along one axis of an array of any rank and stride, on every core.

An array whose memory is dense is seen as (outer, K, inner) without a copy: lanes run along the classes when they are
the last axis and many, across examples otherwise. Any other array is copied into the result, or a block at a time
where the result is smaller than the array.
"""

import math
from typing import NamedTuple

import numpy as np

from lastlayer._arrays import as_float_array, positive_number, result_dtype
from lastlayer._blocks import dense, dense_blocks, without_read_only_flag
from lastlayer._threads import run_blocks
from lastlayer.kernels.exponential import scale_of
from lastlayer.kernels.lanes import STATES

# Below this many classes a row does not fill the vectors well, and a tile of rows is turned instead.
SHORT = 96
# The fewest logits worth a dispatch to another thread: about 100 microseconds of work.
GRAIN = 1 << 17
# Blocks that a thread may leave to another that is free sooner.
BLOCKS_PER_THREAD = 8
# Examples that are computed side by side: whole vectors, but no power of two, which would put every class of a tile
# into the same few sets of the first cache.
LANES = 144
# Outside these bounds float32 could not hold the products of beta; such a beta is computed with in float64.
_SMALLEST_BETA_32, _LARGEST_BETA_32 = 1e-30, 1e30
# Nor could float64 outside these.
_SMALLEST_BETA, _LARGEST_BETA = 1e-300, 1e300


class Kernels(NamedTuple):
    """One function in its three forms; see kernels.rows, kernels.short_rows and kernels.columns."""

    rows: object
    short_rows: object
    columns: object


def transform(kernels, logits, axis, beta, out):
    """Apply a function that keeps the shape.

    Returns: an array in the shape of `logits` and its result dtype, `out` if that is given.
    Raises: ValueError on zero classes, a bad axis, beta <= 0 or an `out` of another shape or dtype.
    """
    beta = _checked_beta(beta)
    array = as_float_array(logits, "logits")
    dtype = result_dtype(logits)
    axis = class_axis(array, axis)
    if out is not None:
        check_out(out, array.shape, dtype)
        if np.may_share_memory(array, out) and not _same_memory(array, out):
            array = array.copy()
    array = _in_working_dtype(array, beta)
    if out is not None and out.dtype == array.dtype:
        _fill(kernels, array, axis, beta, out)
        return out
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    result = np.empty(array.shape, array.dtype, order)
    _fill(kernels, array, axis, beta, result)
    if out is None:
        return result.astype(dtype, copy=False)
    out[...] = result
    return out


def reduce(kernels, logits, axis, beta, keepdims=False):
    """Apply a function that takes the axis away, or leaves it at length 1 with `keepdims`.

    Returns: an array in the result dtype of `logits`, a scalar of it if no axis is left.
    Raises: ValueError on zero classes, a bad axis or beta <= 0.
    """
    beta = _checked_beta(beta)
    array = as_float_array(logits, "logits")
    axis = class_axis(array, axis)
    sums = _reduced(kernels, _in_working_dtype(array, beta), axis, beta)
    if array.ndim and keepdims:
        sums = np.expand_dims(sums, axis)
    return sums.astype(result_dtype(logits), copy=False)[()]


def class_axis(array, axis, name="logits"):
    """The axis as a number from 0; a scalar counts as one class.

    Raises: TypeError unless it is an integer; ValueError where there is no such axis, or no classes on it.
    """
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)):
        raise TypeError(f"axis: received {axis!r}, expected one integer.")
    rank = max(1, array.ndim)
    if not -rank <= axis < rank:
        raise ValueError(f"axis: received {axis}, but {name} have {array.ndim} axes ({-rank} to {rank - 1}).")
    axis = int(axis) % rank
    if array.ndim and array.shape[axis] == 0:
        raise ValueError(f"{name}: shape is {array.shape}, expected at least one class along axis {axis}.")
    return axis


def scratch(num_classes, dtype):
    """A tile (1, K, lanes) and the state of its lanes, for the kernels that work across examples."""
    return np.empty((1, num_classes, LANES), dtype), np.empty((STATES, LANES), dtype)


def _checked_beta(beta):
    number = positive_number(beta, "beta")
    if not _SMALLEST_BETA <= number <= _LARGEST_BETA:
        raise ValueError(f"beta: received {beta!r}, expected a number from {_SMALLEST_BETA} to {_LARGEST_BETA}.")
    return number


def fits_float32(beta):
    """Whether float32 holds the products of this beta."""
    return _SMALLEST_BETA_32 <= beta <= _LARGEST_BETA_32


def _in_working_dtype(array, beta):
    if array.dtype == np.float32 and not fits_float32(beta):
        return array.astype(np.float64)
    return array


def check_out(out, shape, dtype):
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: received {type(out).__name__}, expected a NumPy array of shape {shape}.")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"out: is {out.dtype} of shape {out.shape}, expected {dtype} of shape {shape}, like logits.")
    if not out.flags.writeable:
        raise ValueError("out: is read-only, expected an array that can be written to.")


def _same_memory(a, b):
    return a.ctypes.data == b.ctypes.data and a.strides == b.strides and a.dtype == b.dtype


def _fill(kernels, array, axis, beta, result):
    """Write the function of `array` to `result`, in place where their layouts differ."""
    if not array.size:
        return
    if dense(result):
        if not dense(array):
            result[...] = array
            array = result
        _fill_dense(kernels, array, axis, beta, result)
    elif dense(result.T):
        _fill(kernels, array.T, array.ndim - 1 - axis, beta, result.T)
    else:
        copy = np.array(array, order="C")
        _fill_dense(kernels, copy, axis, beta, copy)
        result[...] = copy


def _three_axes(array, axis):
    """A dense array as (outer, K, inner)."""
    shape = array.shape or (1,)
    return array.reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))


def _fill_dense(kernels, array, axis, beta, result):
    source, target = _three_axes(without_read_only_flag(array), axis), _three_axes(result, axis)
    outer, num_classes, inner = source.shape
    scale = scale_of(beta, source.dtype)
    if inner > 1:

        def columns(first, last):
            state = np.empty((STATES, LANES), source.dtype)
            kernels.columns(source, scale, target, state, first, last)

        run_blocks(
            columns,
            outer * -(-inner // LANES),
            items_per_block=_grain(num_classes * min(inner, LANES)),
            blocks_per_thread=BLOCKS_PER_THREAD,
        )
        return

    def rows(first, last):
        fill_block(kernels, source[first:last], scale, target[first:last])

    run_blocks(rows, outer, items_per_block=_grain(num_classes), blocks_per_thread=BLOCKS_PER_THREAD)


def fill_block(kernels, source, scale, target):
    """Write the function of a dense block (outer, K, inner) to `target` on this thread; they may be the same."""
    outer, num_classes, inner = source.shape
    if inner > 1:
        kernels.columns(source, scale, target, np.empty((STATES, LANES), source.dtype), 0, outer * -(-inner // LANES))
        return
    rows, written = source.reshape(outer, num_classes), target.reshape(outer, num_classes)
    if num_classes < SHORT:
        kernels.short_rows(rows, scale, written, *scratch(num_classes, source.dtype))
    else:
        kernels.rows(rows, scale, written)


def _reduced(kernels, array, axis, beta):
    """The float64 result of a reduction, the axis taken away."""
    shape = array.shape[:axis] + array.shape[axis + 1 :]
    if not math.prod(shape):
        return np.empty(shape)
    if array.ndim > 1 and not dense(array) and dense(array.T):
        return _reduced(kernels, array.T, array.ndim - 1 - axis, beta).T
    scale = scale_of(beta, array.dtype)
    if dense(array) and math.prod(array.shape[axis + 1 :]) > 1:
        source = _three_axes(without_read_only_flag(array), axis)
        outer, num_classes, inner = source.shape
        sums = np.empty((outer, inner))

        def columns(first, last):
            state = np.empty((STATES, LANES), source.dtype)
            kernels.columns(source, scale, sums, state, first, last)

        run_blocks(
            columns,
            outer * -(-inner // LANES),
            items_per_block=_grain(num_classes * min(inner, LANES)),
            blocks_per_thread=BLOCKS_PER_THREAD,
        )
        return sums.reshape(shape)
    source = np.moveaxis(array, axis, -1) if array.ndim else array
    source = source.reshape(-1, source.shape[-1] if array.ndim else 1)
    num_rows, num_classes = source.shape
    sums = np.empty(num_rows)

    def rows(first, last):
        for part, block in dense_blocks(source, first, last, "logits"):
            if num_classes < SHORT:
                kernels.short_rows(block, scale, sums[part], *scratch(num_classes, source.dtype))
            else:
                kernels.rows(block, scale, sums[part])

    run_blocks(rows, num_rows, items_per_block=_grain(num_classes), blocks_per_thread=BLOCKS_PER_THREAD)
    return sums.reshape(shape)


def _grain(logits_per_item):
    return -(-GRAIN // logits_per_item)

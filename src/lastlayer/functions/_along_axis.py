"""How a function of scores runs along one axis of an array of any rank and stride, on every core.

An array whose memory is dense is seen as (outer, K, inner) without a copy: lanes run along the classes when they are
the last axis and many, across examples otherwise. Any other array is copied into the result, or a block at a time
where the result is smaller than the array.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lastlayer._arrays import (
    ArrayOrScalar,
    Axes,
    as_float_array,
    check_out,
    checked_beta,
    class_axes,
    result_dtype,
    without_overlap,
)
from lastlayer._blocks import dense, dense_blocks, without_read_only_flag
from lastlayer._threads import run_blocks
from lastlayer.functions.merged_axes import merged_axes
from lastlayer.kernels.exponential import scale_of
from lastlayer.kernels.lanes import STATES
from lastlayer.kernels.storage import computed_dtype

# Below this many classes a row does not fill the vectors well, and a tile of rows is turned instead.
SHORT = 96
# The fewest logits worth a dispatch to another thread: about 100 microseconds of work.
GRAIN = 1 << 17
# Blocks that a thread may leave to another that is free sooner.
BLOCKS_PER_THREAD = 8
# The most examples that are computed side by side: whole vectors, but no power of two, which would put every class of a
# tile into the same few sets of the first cache. Where classes are many they are fewer, so that a tile stays near.
_MOST_LANES, _LEAST_LANES, _TILE = 144, 16, 1 << 16
# Outside these bounds float32 could not hold the products of beta; such a beta is computed with in float64.
_SMALLEST_BETA_32, _LARGEST_BETA_32 = 1e-30, 1e30


class Kernels(NamedTuple):
    """One function in its three forms; see kernels.rows, kernels.short_rows and kernels.columns."""

    rows: Callable[..., None]
    short_rows: Callable[..., None]
    columns: Callable[..., None]


def transform(kernels: Kernels, logits: ArrayLike, axis: Axes, beta: object, out: NDArray[Any] | None) -> NDArray[Any]:
    """Apply a function that keeps the shape.

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
        result = _transformed(kernels, array, axes[0], beta, into)
    else:
        merged = merged_axes(array, axes)
        result = merged.restore(_transformed(kernels, merged.array, merged.axis, beta, None))
    if out is None:
        result = result.astype(dtype, copy=False)
        return result if result.ndim else result[()]
    if result is not out:
        out[...] = result
    return out


def _transformed(
    kernels: Kernels, array: NDArray[Any], axis: int, beta: float, out: NDArray[Any] | None
) -> NDArray[Any]:
    """The function of `array` in its dtype and shape: `out` or a new array in the memory order of `array`."""
    if out is not None:
        _fill(kernels, array, axis, beta, out)
        return out
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        result = np.empty(array.shape[::-1], array.dtype).T
    else:
        result = np.empty(array.shape, array.dtype)
    _fill(kernels, array, axis, beta, result)
    return result


def reduce(
    kernels: Kernels,
    logits: ArrayLike,
    axis: Axes,
    beta: object,
    keepdims: bool = False,
    empty_value: float | None = None,
) -> ArrayOrScalar[Any]:
    """Apply a function that takes the axes away, or leaves them at length 1 with `keepdims`.

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
        sums = _reduced(kernels, merged.array, merged.axis, beta)
    if array.ndim and keepdims:
        sums = np.expand_dims(sums, axes)
    return sums.astype(result_dtype(logits), copy=False)[()]


class Scratch(NamedTuple):
    """Memory for the kernels that work across examples: see kernels.short_rows."""

    turned: NDArray[Any]
    tile: NDArray[Any]
    state: NDArray[Any]
    staging: NDArray[Any]


def lanes_of(num_classes: int) -> int:
    """How many examples are computed side by side."""
    whole_vectors = _TILE // num_classes // _LEAST_LANES * _LEAST_LANES
    return max(_LEAST_LANES, min(_MOST_LANES, whole_vectors))


def scratch(num_classes: int, dtype: DTypeLike) -> Scratch:
    """Scratch memory for arrays of `dtype`, one of those in kernels.storage."""
    lanes, computed = lanes_of(num_classes), computed_dtype(dtype)
    tiles, state = np.empty((2, 1, num_classes, lanes), computed), np.empty((STATES, lanes), computed)
    return Scratch(tiles[0], tiles[1], state, staging(num_classes, dtype))


def staging(num_classes: int, dtype: DTypeLike) -> NDArray[Any]:
    """(lanes, K) for the numbers of bits while short rows are turned, of no lanes for other dtypes."""
    computed = computed_dtype(dtype)
    return np.empty((lanes_of(num_classes) if computed != dtype else 0, num_classes), computed)


def row_scratch(num_classes: int, dtype: DTypeLike) -> NDArray[Any] | None:
    """(K,) for the numbers of a row of bits, None for other dtypes."""
    computed = computed_dtype(dtype)
    return np.empty(num_classes, computed) if computed != dtype else None


def spread(shape: Sequence[int], rows: Callable[[int, int], None], columns: Callable[[int, int], None]) -> None:
    """Cover (outer, K, inner) on every core: rows(first, last) of `outer` where inner is 1, else columns(first, last).

    The items of `columns` are counted as in kernels.columns, by lanes_of(K) lanes.
    """
    outer, num_classes, inner = shape
    lanes = lanes_of(num_classes)
    work, items, of_item = (rows, outer, 1) if inner == 1 else (columns, outer * -(-inner // lanes), min(inner, lanes))
    if items:
        grain = -(-GRAIN // (num_classes * of_item))
        run_blocks(work, items, items_per_block=grain, blocks_per_thread=BLOCKS_PER_THREAD)


def fits_float32(beta: float) -> bool:
    """Whether float32 holds the products of this beta."""
    return _SMALLEST_BETA_32 <= beta <= _LARGEST_BETA_32


def _in_working_dtype(array: NDArray[Any], beta: float) -> NDArray[Any]:
    if array.dtype == np.float32 and not fits_float32(beta):
        return array.astype(np.float64)
    return array


def _fill(kernels: Kernels, array: NDArray[Any], axis: int, beta: float, result: NDArray[Any]) -> None:
    """Write the function of `array` to `result`, in place where their layouts differ."""
    if not array.size:
        return
    if dense(result):
        if not dense(array):
            result[...] = array
            array = result
        fill(kernels, three_axes(without_read_only_flag(array), axis), beta, three_axes(result, axis))
    elif dense(result.T):
        _fill(kernels, array.T, array.ndim - 1 - axis, beta, result.T)
    else:
        copy = np.array(array, order="C")
        fill(kernels, three_axes(copy, axis), beta, three_axes(copy, axis))
        result[...] = copy


def three_axes(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """A dense array as (outer, K, inner)."""
    shape = array.shape or (1,)
    return array.reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))


def fill(kernels: Kernels, source: NDArray[Any], beta: float, target: NDArray[Any]) -> None:
    """Write a function of `source` to `target`: both (outer, K, inner), dense, of one dtype; they may be the same."""
    num_classes, dtype = source.shape[1], source.dtype
    scale = scale_of(beta, computed_dtype(dtype))

    def columns(first, last):
        _turned, tile, state, _staging = scratch(num_classes, dtype)
        kernels.columns(source, scale, target, tile, state, first, last)

    def rows(first, last):
        logits, written = (array[first:last].reshape(-1, num_classes) for array in (source, target))
        if num_classes < SHORT:
            kernels.short_rows(logits, scale, written, *scratch(num_classes, dtype))
        else:
            kernels.rows(logits, scale, written, row_scratch(num_classes, dtype))

    spread(source.shape, rows, columns)


def _reduced(kernels: Kernels, array: NDArray[Any], axis: int, beta: float) -> NDArray[np.float64]:
    """The float64 result of a reduction, the axis taken away."""
    shape = array.shape[:axis] + array.shape[axis + 1 :]
    if not math.prod(shape):
        return np.empty(shape)
    if array.ndim > 1 and not dense(array) and dense(array.T):
        return _reduced(kernels, array.T, array.ndim - 1 - axis, beta).T
    if dense(array):
        source = three_axes(without_read_only_flag(array), axis)
    else:
        source = np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis], 1)
    sums = np.empty((source.shape[0], source.shape[2]))
    fill_reduced(kernels, source, beta, sums)
    return sums.reshape(shape)


def fill_reduced(kernels: Kernels, source: NDArray[Any], beta: float, sums: NDArray[np.float64]) -> None:
    """Write a function of `source` (outer, K, inner), dense unless inner is 1, to the float64 `sums` (outer, inner)."""
    num_classes, dtype = source.shape[1], source.dtype
    scale = scale_of(beta, computed_dtype(dtype))

    def columns(first, last):
        _turned, tile, state, _staging = scratch(num_classes, dtype)
        kernels.columns(source, scale, sums, tile, state, first, last)

    def rows(first, last):
        for part, block in dense_blocks(source[:, :, 0], first, last, "logits", dtype):
            if num_classes < SHORT:
                kernels.short_rows(block, scale, sums[part, 0], *scratch(num_classes, dtype))
            else:
                kernels.rows(block, scale, sums[part, 0])

    spread(source.shape, rows, columns)

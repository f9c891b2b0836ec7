"""The one place that knows rows, short rows and columns: how an operation runs over the classes of dense arrays.

An array is seen as (outer, K, inner). Where the classes are last (inner is 1) and many, kernels go through one row
after the other, vectors along its classes. Where they are few, rows are transposed a tile at a time, and vectors run
across examples, as they do where the classes are not last. decisions/0009-layouts.md has what was measured.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lastlayer._blocks import dense_blocks
from lastlayer._threads import run_blocks
from lastlayer.kernels.layouts import SHORT, columns, crowded_columns, rows, short_rows
from lastlayer.kernels.vectors import VECTOR_BYTES

# The fewest logits worth a dispatch to another thread: some 40 microseconds of work or more.
GRAIN = 1 << 17
# Blocks that a thread may leave to another that is free sooner.
BLOCKS_PER_THREAD = 8
# Of the first cache of most processors: bytes of a line, sets, and lines that a set holds.
_CACHE_LINE, _SETS, _WAYS = 64, 64, 8
# Vectors of examples that are copied together.
_PANEL = 8


def three_axes(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """A dense array as (outer, K, inner)."""
    shape = array.shape or (1,)
    return array.reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))


def run(operation: Any, logits: NDArray[Any], result: NDArray[Any] | None) -> None:
    """Run an operation of kernels.layouts over all examples, on every core.

    Args:
      operation: its record, of which arrays of one number an example are flat.
      logits: (outer, K, inner) of any real dtype and strides if inner is 1; else dense, float32 or float64.
      result: a dense array in the shape and dtype of `logits`, possibly `logits` itself; or None.
    """
    outer, num_classes, inner = logits.shape
    if inner == 1:

        def of_rows(first, last):
            for part, block in dense_blocks(logits[:, :, 0], first, last, "logits"):
                run_rows(operation, part.start, block, None if result is None else result[part, :, 0])

        run_over(outer, num_classes, of_rows)
    else:
        lanes = VECTOR_BYTES // logits.itemsize
        crowded = _is_crowded(num_classes, inner * logits.itemsize)
        width = _PANEL * lanes if crowded else lanes

        def of_columns(first, last):
            memory = tiles(num_classes, logits.dtype)
            if crowded:
                panel = _aligned((_PANEL, num_classes, lanes), logits.dtype)
                crowded_columns(operation, first, last, logits, result, memory, panel)
            else:
                columns(operation, first, last, logits, result, memory)

        run_over(outer * -(-inner // width), num_classes * min(inner, width), of_columns)


def run_rows(operation: Any, first: int, logits: NDArray[Any], result: NDArray[Any] | None) -> None:
    """Run an operation over dense (n, K) rows, of which row 0 is example `first`, on this thread."""
    if logits.shape[1] * logits.itemsize < SHORT[type(operation)] * VECTOR_BYTES:
        short_rows(operation, first, logits, result, tiles(logits.shape[1], logits.dtype))
    else:
        rows(operation, first, logits, result)


def run_over(num_items: int, logits_per_item: int, work: Any) -> None:
    """Call work(first, last) on ranges of items that are worth a dispatch, on every core."""
    if num_items:
        grain = -(-GRAIN // max(1, logits_per_item))
        run_blocks(work, num_items, items_per_block=grain, blocks_per_thread=BLOCKS_PER_THREAD)


def tiles(num_classes: int, dtype: DTypeLike) -> NDArray[Any]:
    """Scratch memory of one thread for a vector of examples, (3, 1, K, lanes)."""
    return _aligned((3, 1, num_classes, VECTOR_BYTES // np.dtype(dtype).itemsize), dtype)


def _is_crowded(num_classes: int, stride: int) -> bool:
    """Whether classes so many bytes apart do not fit into the sets of a cache that they share.

    Such a stride is a multiple of a panel's width.
    With images that is the rule: 21 classes 16,384 bytes apart share one set of the first cache.
    """
    common = math.gcd(stride, _SETS * _CACHE_LINE)
    return common >= _PANEL * VECTOR_BYTES and num_classes * common > _WAYS * _SETS * _CACHE_LINE


def _aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Fresh memory that begins with a cache line: a vector across two of them takes twice as long."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + _CACHE_LINE, np.uint8)
    first = -room.__array_interface__["data"][0] % _CACHE_LINE
    return room[first : first + size].view(dtype).reshape(shape)

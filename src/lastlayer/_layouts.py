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
from lastlayer.kernels.layouts import SHORT, Workspace, columns, rows, short_rows
from lastlayer.kernels.vectors import VECTOR_BYTES

# The fewest logits worth a dispatch to another thread: about 100 microseconds of work.
GRAIN = 1 << 17
# Blocks that a thread may leave to another that is free sooner.
BLOCKS_PER_THREAD = 8
_CACHE_LINE = 64


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

        def of_columns(first, last):
            columns(operation, first, last, logits, result, workspace(num_classes, logits.dtype))

        run_over(outer * -(-inner // lanes), num_classes * min(inner, lanes), of_columns)


def run_rows(operation: Any, first: int, logits: NDArray[Any], result: NDArray[Any] | None) -> None:
    """Run an operation over dense (n, K) rows, of which row 0 is example `first`, on this thread."""
    if logits.shape[1] * logits.itemsize < SHORT[type(operation)] * VECTOR_BYTES:
        short_rows(operation, first, logits, result, workspace(logits.shape[1], logits.dtype))
    else:
        rows(operation, first, logits, result)


def run_over(num_items: int, logits_per_item: int, work: Any) -> None:
    """Call work(first, last) on ranges of items that are worth a dispatch, on every core."""
    if num_items:
        grain = -(-GRAIN // max(1, logits_per_item))
        run_blocks(work, num_items, items_per_block=grain, blocks_per_thread=BLOCKS_PER_THREAD)


def workspace(num_classes: int, dtype: DTypeLike) -> Workspace:
    """Scratch memory of one thread."""
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    logits, exponentials, weights = (_aligned((1, num_classes, lanes), dtype) for _ in range(3))
    return Workspace(logits, exponentials, weights, _aligned((2, lanes), dtype))


def _aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Fresh memory that begins with a cache line: a vector across two of them takes twice as long."""
    kind, count = np.dtype(dtype), math.prod(shape)
    room = np.empty(count * kind.itemsize + _CACHE_LINE, np.uint8)
    first = -room.ctypes.data % _CACHE_LINE
    return room[first : first + count * kind.itemsize].view(kind).reshape(shape)

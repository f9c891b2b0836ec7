"""Rows of any array as dense blocks that compiled code may walk."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lastlayer._arrays import as_float_array

# Entries of a copy: a megabyte or so, which stays in the second cache.
_COPIED = 1 << 17


def dense_blocks(
    rows: NDArray[Any], start: int, stop: int, name: str, dtype: DTypeLike | None = None
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield (part, block) that cover rows[start:stop]: one block as it stands in memory, or copies of a cache's size.

    Args:
      rows: (n, K) array of numbers of any dtype and strides.
      start: the first row.
      stop: the one after the last.
      name: what the caller calls the array, the subject of any error.
      dtype: what to convert to; None leaves it to as_float_array.
    Returns: pairs of a slice of the rows and their C-contiguous block in float32 or float64, or in `dtype`, to read
      from only.
    """
    if dense(rows) and rows.dtype in ((np.float32, np.float64) if dtype is None else (dtype,)):
        yield slice(start, stop), without_read_only_flag(rows)[start:stop]
        return
    step = max(1, _COPIED // rows.shape[1])
    for first in range(start, stop, step):
        part = slice(first, min(first + step, stop))
        yield part, np.require(as_float_array(rows[part], name), dtype, ["C", "A", "W"])


def dense(array: NDArray[Any]) -> bool:
    """Whether kernels may walk the memory of `array` as it stands."""
    return array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative


def without_read_only_flag(array: NDArray[Any]) -> NDArray[Any]:
    """The same memory, not marked read-only: Numba would compile every kernel a second time for that mark.

    Only for what a kernel reads.
    """
    if array.flags.writeable:
        return array
    return np.asarray(_Memory(array))


class _Memory:
    def __init__(self, array: NDArray[Any]):
        self._owner = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}

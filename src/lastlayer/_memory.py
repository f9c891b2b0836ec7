"""Memory for large results: the pages that earlier results have left, where there are any.

The system clears every page that it hands out, which for a softmax of short rows takes as long as the softmax. So pages
of a large result that nobody refers to any more are kept for the next one of its size. Meanwhile they are offered to
the system (MADV_FREE), which takes them when it runs short; decisions/0006-memory.md has what was measured.
"""

import contextlib
import math
import mmap

import numpy as np

# Smaller results the C library recycles by itself.
_LEAST_BYTES = 1 << 23
_MOST_BYTES_KEPT = 1 << 28
_HUGE_PAGE = 1 << 21
_CAN_OFFER = all(hasattr(mmap, name) for name in ("MAP_PRIVATE", "MAP_ANONYMOUS", "MADV_FREE"))
# Oldest first. Only single operations that no other thread can split: a lock would meet itself in __del__.
_kept = []


def empty(shape, dtype):
    """A C-contiguous array like numpy.empty, which may refer to memory that an earlier result has left."""
    num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if num_bytes < _LEAST_BYTES or not _CAN_OFFER:
        return np.empty(shape, dtype)
    try:
        return np.asarray(_Lease(num_bytes))[:num_bytes].view(dtype).reshape(shape)
    except OSError:  # too large: let NumPy try, and say so in its own words
        return np.empty(shape, dtype)


class _Lease:
    """What an array's memory belongs to: the pages are left to others when the last such array is gone."""

    def __init__(self, num_bytes):
        self._pages = _taken(-(-num_bytes // _HUGE_PAGE) * _HUGE_PAGE)
        self._memory = np.frombuffer(self._pages, np.uint8)
        self.__array_interface__ = self._memory.__array_interface__

    def __del__(self):
        if hasattr(self, "_memory"):
            _leave(self._pages)


def _taken(size):
    for pages in reversed(tuple(_kept)):
        if len(pages) == size:
            try:
                _kept.remove(pages)
            except ValueError:  # another thread was quicker
                continue
            return pages
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without them
            pages.madvise(mmap.MADV_HUGEPAGE)
    return pages


def _leave(pages):
    if len(pages) > _MOST_BYTES_KEPT:
        return
    try:
        pages.madvise(mmap.MADV_FREE)
    except OSError:  # the process has locked its memory: then it is given back at once
        return
    _kept.append(pages)
    while sum(map(len, tuple(_kept))) > _MOST_BYTES_KEPT:
        with contextlib.suppress(IndexError):  # another thread was quicker
            _kept.pop(0)

"""The same numbers in every memory layout that a caller may hold them in."""

import numpy as np

NAMES = ("C", "Fortran", "reversed", "strided", "read-only", "transposed", "unaligned", "broadcast")


def in_layout(array, name):
    """An array equal to `array` whose memory is laid out as the name says."""
    if name == "Fortran":
        return np.asfortranarray(array)
    if name == "reversed":
        return np.ascontiguousarray(np.flip(array))[tuple(slice(None, None, -1) for _ in array.shape)]
    if name == "strided":
        wide = np.repeat(array, 2, axis=-1) if array.ndim else array
        return wide[..., ::2] if array.ndim else wide
    if name == "read-only":
        copy = array.copy()
        copy.flags.writeable = False
        return copy
    if name == "transposed":
        return np.ascontiguousarray(np.moveaxis(array, 0, -1)).transpose(-1, *range(array.ndim - 1))
    if name == "unaligned":
        memory = np.empty(array.nbytes + 1, np.uint8)[1:]
        copy = memory.view(array.dtype).reshape(array.shape)
        copy[...] = array
        return copy
    if name == "broadcast":
        return np.broadcast_to(array, (1, *array.shape))[0]
    return np.ascontiguousarray(array)

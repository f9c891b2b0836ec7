"""Several axes of an array seen as one, so that a function along one axis serves them."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class MergedAxes(NamedTuple):
    """An array whose merged axes are its axis `axis`, and how to get back to where they stood."""

    array: NDArray[Any]
    axis: int
    split: tuple[int, ...]
    order: tuple[int, ...]

    def restore(self, result: NDArray[Any]) -> NDArray[Any]:
        """A result in the shape of `array` in the shape that the array had before; no copy."""
        if self.split == self.array.shape:
            return result
        return result.reshape(self.split).transpose(np.argsort(self.order))


def merged_axes(array: NDArray[Any], axes: tuple[int, ...], *, in_index_order: bool = False) -> MergedAxes:
    """Merge axes into one, which takes the place of the first of them.

    Args:
      array: of any rank; a copy is made only where no strides describe the merged axis.
      axes: from 0, increasing; none of them gives one entry to each merged axis.
      in_index_order: whether entries along the merged axis stand as in C order. Else they stand in the order of memory,
        which serves sums and saves copies.
    """
    if not array.ndim or len(axes) == 1:
        axis = axes[0] if axes else 0
        return MergedAxes(array, axis, array.shape, tuple(range(array.ndim)))
    others = [axis for axis in range(array.ndim) if axis not in axes]
    place = axes[0] if axes else array.ndim
    merged = axes if in_index_order else sorted(axes, key=lambda axis: -abs(array.strides[axis]))
    order = (*others[:place], *merged, *others[place:])
    moved = array.transpose(order)
    shape = *moved.shape[:place], math.prod(array.shape[axis] for axis in axes), *moved.shape[place + len(axes) :]
    return MergedAxes(moved.reshape(shape), place, moved.shape, order)

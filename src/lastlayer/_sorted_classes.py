"""Labels of any kind as sorted classes and the index of each row's class among them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sorted_classes(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(classes, indices) of labels, as numpy.unique gives them, without sorting rows of names.

    Args:
      labels: (N,) array of numbers, booleans or names.
    Returns: (K,) classes in sorted order and in the labels' dtype, and (N,) int64 with labels == classes[indices].
    Raises: TypeError if the labels are of kinds that have no common order; ValueError if one is None.
    """
    if labels.dtype.kind not in "UO":
        classes, indices = np.unique(labels, return_inverse=True)
        return classes, indices.astype(np.int64, copy=False)
    names = labels.tolist()
    try:
        ordered = sorted(set(names))
    except TypeError as failure:
        if None in names:
            raise ValueError(f"y: row {names.index(None)} is null, expected a label; leave such rows out.") from None
        kinds = sorted({type(name).__name__ for name in names})
        raise TypeError(
            f"y: labels are of the types {' and '.join(kinds)}, expected one type; convert them with y.astype(str)."
        ) from failure
    index = {name: k for k, name in enumerate(ordered)}
    return np.array(ordered, labels.dtype), np.fromiter(map(index.__getitem__, names), np.int64, len(names))

"""What samplers check of their arguments."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_labels, refuse_foreign


def number_of_classes(num_classes: object) -> int:
    """`num_classes` as an int. Raises TypeError or ValueError unless it is a whole number from 1 on."""
    return _whole_number(num_classes, "num_classes")


def count_of(num_candidates: object) -> int:
    """`num_candidates` as an int. Raises TypeError or ValueError unless it is a whole number from 1 on."""
    return _whole_number(num_candidates, "num_candidates")


def as_classes(labels: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """Labels of any shape as int64. Raises ValueError or TypeError unless they are integers in 0..num_classes-1."""
    refuse_foreign(labels, "labels")
    array: NDArray[Any] = np.asarray(labels)
    return as_labels(array, num_classes, array.shape, scores="the sampler's candidates")


def _whole_number(value, name):
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: received {value!r}, expected a whole number from 1 on.")
    if value < 1:
        raise ValueError(f"{name}: received {value}, expected a whole number from 1 on.")
    return int(value)

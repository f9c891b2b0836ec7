"""The label of rows that belong to no class, and which rows have it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import refuse_foreign
from lastlayer.metrics.class_index import ClassIndex


def check_unknown_label(label: object, classes: ClassIndex | int) -> None:
    """Raise unless `label` could stand among labels of `classes`, a ClassIndex or K of 0..K-1, and is none of them."""
    names = isinstance(classes, ClassIndex) and classes.classes.dtype.kind in "OUT"
    number = isinstance(label, (int, float, np.number, np.bool_)) and np.isfinite(label)
    if not (isinstance(label, str) if names else number):
        kind = "a name, as the classes are" if names else "a number, as the classes are"
        raise TypeError(f"unknown_label: received {label!r}, expected {kind}.")
    if isinstance(classes, ClassIndex):
        count, is_class = len(classes.classes), bool(classes.knows(np.array([label]))[0])
    else:
        count, is_class = classes, 0 <= label < classes  # pyright: ignore[reportOperatorIssue]
    if is_class:
        raise ValueError(
            f"unknown_label: received {label!r}, which is one of the {count} classes, expected the label of rows that "
            "belong to none."
        )


def rows_of_no_class(
    labels: ArrayLike, label: object, num_rows: int, weight: NDArray[np.float64] | None
) -> NDArray[np.int64]:
    """Indices of the rows that have the unknown `label` and, where there are weights, one above 0.

    No row where `labels` are not N of them, which others refuse.
    """
    has_it = _rows_labelled(labels, label, num_rows)
    if has_it is None:
        return np.empty(0, np.int64)
    return np.flatnonzero(has_it if weight is None else has_it & (weight > 0))


def _rows_labelled(labels, label, num_rows):
    """(N,) whether each row has `label`; None where `labels` are not N of them, which others refuse."""
    refuse_foreign(labels, "labels")
    if isinstance(labels, list | tuple):
        if len(labels) != num_rows:
            return None
        values: Any = np.empty(num_rows, object)
        values[:] = labels
    else:
        values = np.asarray(labels)
    if values.shape != (num_rows,):
        return None
    if isinstance(label, str) and values.dtype.kind not in "OUT":
        return np.zeros(num_rows, bool)
    return np.asarray(values == label, bool)

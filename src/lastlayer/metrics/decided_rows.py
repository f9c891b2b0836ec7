"""Labels and weights of rows that a rule has decided: which rows count, and which of them belong to no class."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_sample_weight
from lastlayer.metrics.class_index import ClassIndex
from lastlayer.metrics.row_labels import label_indices
from lastlayer.metrics.unknown_label import check_unknown_label, rows_of_no_class


class DecidedRows(NamedTuple):
    """Which rows are `known`, of a class, and which are `unknown`, of none; rows of weight 0 are neither.

    `labels` (N,) are class indices, -1 where a row is not known; `weight` (N,).
    """

    labels: NDArray[np.int64]
    weight: NDArray[np.float64]
    known: NDArray[np.int64]
    unknown: NDArray[np.int64]


def decided_rows(
    labels: ArrayLike,
    num_rows: int,
    classes: ArrayLike | None,
    num_classes: int | None,
    unknown_label: object,
    sample_weight: ArrayLike | None,
    subject: str,
) -> DecidedRows:
    """The DecidedRows of N rows of `subject`.

    Args:
      labels: (N,) integers 0..K-1, or members of `classes`, or the unknown label.
      num_rows: N.
      classes: (K,) names; None for just numbers.
      num_classes: K, where something says it; else None.
      unknown_label: the label of rows of no class; None where there are none.
      sample_weight: (N,) weights >= 0, or None.
      subject: the name of the argument with the rows.
    Raises: ValueError for another number of labels or classes, a label that is no class, naming the row, or no row of a
      class with a weight above 0; TypeError for labels of the wrong kind.
    """
    if not num_rows:
        raise ValueError(f"{subject}: no rows, expected at least one row to evaluate.")
    index = None if classes is None else ClassIndex(classes)
    if index is not None and num_classes not in (None, len(index.classes)):
        raise ValueError(f"classes: {len(index.classes)} of them, expected {num_classes}, one for each index.")
    weight = as_sample_weight(sample_weight, num_rows)
    present = slice(None) if weight is None else np.flatnonzero(weight)
    unknown = np.empty(0, np.int64)
    if unknown_label is not None:
        check_unknown_label(unknown_label, (num_classes or 0) if index is None else index)
        unknown = rows_of_no_class(labels, unknown_label, num_rows, weight)
        present = np.setdiff1d(np.arange(num_rows)[present], unknown)
    if not isinstance(present, slice) and not len(present):
        raise ValueError("labels: no row of a class, expected at least one.")
    if num_classes is None:
        num_classes = _largest(labels) + 1 if index is None else len(index.classes)
    found = label_indices(labels, index, num_classes, num_rows, present, subject)
    weight = np.ones(num_rows) if weight is None else weight
    return DecidedRows(found, weight, np.arange(num_rows)[present], unknown)


def _largest(labels):
    values = np.asarray(labels)
    return max(0, int(values.max())) if values.dtype.kind in "biu" and values.size else 0

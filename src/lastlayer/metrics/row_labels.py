"""The labels of rows as class indices, whatever stands in rows that do not count."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_labels, refuse_foreign
from lastlayer.metrics.class_index import ClassIndex


def label_indices(
    labels: ArrayLike,
    index: ClassIndex | None,
    num_classes: int,
    num_rows: int,
    present: NDArray[np.int64] | slice,
    rows: str,
) -> NDArray[np.int64]:
    """The (N,) class indices of N labels; the caller's own array where it can be.

    Args:
      labels: (N,) members of `index`, or integers 0..K-1 without one.
      index: the ClassIndex of names; None for just numbers.
      num_classes: K.
      num_rows: N.
      present: the rows that count; the others get -1, whatever their label. A slice is all of them.
      rows: what the labels belong to, in errors.
    Raises: ValueError for another number of labels, or one that is no class, naming the first such row; TypeError for
      labels of the wrong kind.
    """
    if not isinstance(present, slice):
        indices = np.full(num_rows, -1)
        if len(present):
            others: Any = _with_stand_ins(labels, num_rows, present)
            indices[present] = label_indices(others, index, num_classes, num_rows, slice(None), rows)[present]
        return indices
    if index is None:
        return as_labels(labels, num_classes, (num_rows,), scores=rows)
    indices = index.find(labels)
    if len(indices) != num_rows:
        raise ValueError(f"labels: {len(indices)} of them, expected {num_rows}, one for each row of {rows}.")
    return indices


def _with_stand_ins(labels, num_rows, present):
    """`labels` with one of those that are `present` in the place of each that is not, whatever it is."""
    refuse_foreign(labels, "labels")
    if isinstance(labels, list | tuple):
        kept = set(present.tolist())
        return (
            [labels[row if row in kept else present[0]] for row in range(num_rows)]
            if len(labels) == num_rows
            else labels
        )
    values = np.array(labels)
    if values.shape == (num_rows,):
        absent = np.ones(num_rows, bool)
        absent[present] = False
        values[absent] = values[present[0]]
    return values

"""The rows of a table of any length for a fit: features spooled to a disk batch by batch, labels and weights held."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer._progress_line import ProgressLine
from lastlayer.tables.feature_columns import FeatureColumns
from lastlayer.tables.feature_matrix import feature_matrix
from lastlayer.tables.input_error import InputError
from lastlayer.tables.label_lists import label_lists
from lastlayer.tables.labels import cast_labels, label_array
from lastlayer.tables.model_rows import placed_batches
from lastlayer.tables.spool_choice import SpoolChoice
from lastlayer.tables.table import Table
from lastlayer.tables.weights import nothing_weighs, weight_array

# Features of a batch: 16 MB of float32.
_ENTRIES = 1 << 22


def spooled_rows(
    table: Table,
    columns: FeatureColumns,
    label: str,
    weight: str | None,
    classes: NDArray[Any] | None,
    choice: SpoolChoice,
    *,
    many: bool,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]:
    """Features (mapped), labels and weights (X, y, weights) of the rows whose weight is not 0; as `rows_of` otherwise.

    Args:
      table: Table.
      columns: its features.
      label: the column of labels.
      weight: the column of weights, or None.
      classes: of whose kind labels are, or None.
      choice: SpoolChoice.
      many: whether labels are lists.
    Raises: InputError, among others for lists that are not as long as the first row's, and for a disk that is full.
    """
    with choice.spool() as spool:
        line = None if choice.storage.quiet else ProgressLine()
        if line is not None:
            line.end(choice.in_words(spool.num_bytes))
        y, weights = _read(table, columns, label, weight, classes, choice, spool, line, many)
        return spool.features(), y, weights


def _read(table, columns, label, weight, classes, choice, spool, line, many):
    """Labels and weights of the rows whose weight is not 0; their features go to the spool."""
    parts, weights, read = [], [], 0
    others = [label, *([] if weight is None else [weight])]
    for frame, place in placed_batches(table, [*columns.names, *others], max(1, _ENTRIES // choice.width)):
        X = feature_matrix(frame, columns, place, dtype=choice.dtype)
        if X.shape[1] != choice.width:
            raise InputError(
                f"{place(0)}: column {columns} holds {X.shape[1]} numbers, but the first row holds {choice.width}, "
                "expected lists of one length; correct the row."
            )
        labels: Any = label_lists(frame[label], place) if many else frame[label]
        if not many:
            label_array(labels, place)  # a row that has none is told now, not when all are read
        if weight is not None:
            own = weight_array(frame[weight], place)
            weighs = own > 0
            weights.append(own[weighs])
            X = X[weighs]
            labels = labels[weighs] if many else labels.filter(weighs)
        parts.append(labels)
        spool.add(X)
        read += frame.height
        if line is not None:
            line.show(f"read {read:,} of {choice.num_rows:,} rows")
    if line is not None:
        line.end(f"read {read:,} rows")
    if not any(map(len, parts)):
        raise nothing_weighs(table.name, weight)
    if many:
        y = np.concatenate(parts)
    else:
        series = pl.concat(parts)
        y = label_array(series if classes is None else cast_labels(series, classes), table.place)
    return y, None if weight is None else np.concatenate(weights)

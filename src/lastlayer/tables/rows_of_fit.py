"""The rows of a table that a fit learns from, as arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.tables.feature_columns import FeatureColumns
from lastlayer.tables.feature_matrix import feature_matrix
from lastlayer.tables.label_lists import label_lists
from lastlayer.tables.labels import cast_labels, label_array
from lastlayer.tables.spool_choice import SpoolChoice
from lastlayer.tables.spooled_rows import spooled_rows
from lastlayer.tables.table import Table
from lastlayer.tables.weights import nothing_weighs, weight_array


def rows_of(
    table: Table,
    columns: FeatureColumns,
    label: str,
    weight: str | None,
    classes: NDArray[Any] | None = None,
    *,
    many: bool = False,
    choice: SpoolChoice | None = None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]:
    """Features, labels and weights (X, y, weights) of `table`; weights is None where `weight` is.

    Where `classes` is given, labels are of its kind; `many` of them a row are lists. With a `choice` features are in a
    spool, a memmap, without the rows of weight 0.
    """
    if choice is not None:
        return spooled_rows(table, columns, label, weight, classes, choice, many=many)
    frame = table.collect(dict.fromkeys([*columns.names, label, *([] if weight is None else [weight])]))
    X = feature_matrix(frame, columns, table.place)
    if many:
        y = label_lists(frame[label], table.place)
    else:
        labels = frame[label] if classes is None else cast_labels(frame[label], classes)
        y = label_array(labels, table.place)
    return X, y, None if weight is None else weight_array(frame[weight], table.place)


def weighing(
    X: NDArray[Any], y: NDArray[Any], weights: NDArray[np.float64] | None, where: str, weight: str | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]:
    """The rows (X, y, weights) of the table `where` whose weight is not 0. Raises: InputError if there are none."""
    if weights is None or weights.all():
        return X, y, weights
    weighs = weights > 0
    if not weighs.any():
        raise nothing_weighs(where, weight)
    return X[weighs], y[weighs], weights[weighs]

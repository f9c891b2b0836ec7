"""The rows of a table that `lastlayer fit` learns from, and those that it calibrates on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.cli.arguments import standard_input
from lastlayer.estimators import sorted_classes
from lastlayer.metrics import ClassIndex
from lastlayer.tables import (
    FeatureColumns,
    InputError,
    Table,
    cast_labels,
    feature_matrix,
    label_array,
    label_lists,
    match_features,
    nothing_weighs,
    open_table,
    weight_array,
    wrong_width,
)


def rows_of(
    table: Table,
    columns: FeatureColumns,
    label: str,
    weight: str | None,
    classes: NDArray[Any] | None = None,
    *,
    many: bool = False,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]:
    """Features, labels and weights (X, y, weights) of `table`; weights is None where `weight` is.

    Where `classes` is given, labels are of its kind; `many` of them a row are lists.
    """
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


def validation_rows(
    table: Table,
    validation: Sequence[str],
    where: str | None,
    format_: str | None,
    columns: FeatureColumns,
    width: int,
    label: str,
    weight: str | None,
    y: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]:
    """Features, labels and weights (X, y, weights) of the rows to calibrate on, which must not be rows of the fit.

    Args:
      table: the rows of the fit.
      validation: files; empty for rows of the files of `table`.
      where: SQL that chooses among them; None for all.
      format_: as in `open_table`.
      columns: the features of the fit.
      width: how many features there are.
      label: the column of labels.
      weight: the column of weights; None for none.
      y: the labels of the fit, lists where a row has many.
    Raises: InputError.
    """
    if validation:
        held = open_table(validation, wanted=[*columns.names, label], stdin=standard_input(), format=format_)
        held = held.as_written([] if isinstance(y[0], list) else [label]).filtered(where)
        columns = match_features(held, columns.names, is_list=columns.is_list, width=width, label=label, weight=weight)
    else:
        held = table.filtered(where)
        shared = table.count(where)
        if shared:
            raise InputError(
                f"--validation-where {where!r}: {shared} of its rows are rows of the fit too, expected rows that the "
                "fit has not seen; exclude them with --where."
            )
    many = isinstance(y[0], list)
    classes = np.array(sorted({name for row in y for name in row})) if many else sorted_classes(y)[0]
    X, labels, weights = rows_of(held, columns, label, weight, classes, many=many)
    if X.shape[1] != width:
        raise wrong_width(held.name, columns, X.shape[1], width)
    known = set(classes.tolist())
    unknown = np.array([not known.issuperset(row) for row in labels]) if many else ~ClassIndex(classes).knows(labels)
    if weights is not None:
        unknown &= weights > 0
    if unknown.any():
        row = int(unknown.argmax())
        raise InputError(
            f"{held.place(row)}: column {label} is {labels.tolist()[row]!r}, which no row of the fit has "
            f"({unknown.sum()} such rows), expected the classes of the fit; leave them out with --validation-where."
        )
    return weighing(X, labels, weights, held.name, weight)

"""The rows of a table that `lastlayer fit` calibrates on."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer._sorted_classes import sorted_classes
from lastlayer.cli.arguments import standard_input
from lastlayer.cli.hold_out import Rows
from lastlayer.metrics import ClassIndex
from lastlayer.tables import (
    FeatureColumns,
    InputError,
    Storage,
    Table,
    choose_spool,
    match_features,
    open_table,
    rows_of,
    weighing,
    weight_array,
    wrong_width,
)


class FitTable(NamedTuple):
    """What `lastlayer fit` was asked to learn from.

    table: the rows of the fit. columns: their features. label: the column of labels, of lists if `many`. weight: the
    column of weights, or None. validation: files of rows to calibrate on; empty for those of `table`. validation_where:
    SQL that chooses among them, or None. format: of all files, as in `open_table`.
    """

    table: Table
    columns: FeatureColumns
    label: str
    weight: str | None
    many: bool
    validation: tuple[str, ...]
    validation_where: str | None
    format: str | None

    @property
    def has_validation(self) -> bool:
        """Whether there are rows to calibrate on besides."""
        return bool(self.validation or self.validation_where)


def classes_of(y: NDArray[Any]) -> NDArray[Any]:
    """The sorted classes of labels (N,), or of lists of labels."""
    if len(y) and isinstance(y[0], list):
        return np.array(sorted({name for row in y for name in row}))
    return sorted_classes(y)[0]


def validation_rows(rows: FitTable, width: int, classes: NDArray[Any], storage: Storage) -> Rows:
    """Features, labels and weights (X, y, weights) of the rows to calibrate on, which must not be rows of the fit.

    Args:
      rows: what was asked for.
      width: how many features the fit has.
      classes: (K,) its classes.
      storage: where features of these rows may be.
    Raises: InputError.
    """
    table, columns, label, weight, many = rows.table, rows.columns, rows.label, rows.weight, rows.many
    where = rows.validation_where
    if rows.validation:
        held = open_table(rows.validation, wanted=[*columns.names, label], stdin=standard_input(), format=rows.format)
        held = held.as_written([] if many else [label]).filtered(where)
        columns = match_features(held, columns.names, is_list=columns.is_list, width=width, label=label, weight=weight)
    else:
        held = table.filtered(where)
        shared = table.count(where)
        if shared:
            raise InputError(
                f"--validation-where {where!r}: {shared} of its rows are rows of the fit too, expected rows that the "
                "fit has not seen; exclude them with --where."
            )
    choice = choose_spool(held, columns, storage, splits=False)
    X, labels, weights = rows_of(held, columns, label, weight, classes, many=many, choice=choice)
    if X.shape[1] != width:
        raise wrong_width(held.name, columns, X.shape[1], width)
    known = set(classes.tolist())
    unknown = np.array([not known.issuperset(row) for row in labels]) if many else ~ClassIndex(classes).knows(labels)
    if weights is not None:
        unknown &= weights > 0
    if unknown.any():
        row = int(unknown.argmax())
        name = next(label for label in labels[row] if label not in known) if many else labels.tolist()[row]
        if choice is not None and weight is not None:  # without the rows of weight 0
            row = int(np.flatnonzero(weight_array(held.collect([weight])[weight], held.place))[row])
        raise InputError(
            f"{held.place(row)}: column {label} {'has' if many else 'is'} {name!r}, which no row of the fit has "
            f"({unknown.sum()} such rows), expected the classes of the fit; leave them out with --validation-where."
        )
    return weighing(X, labels, weights, held.name, weight)

"""The fit of `lastlayer fit` in this process: rows read, some of them held out, and a head fitted."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

import lastlayer as ll
from lastlayer._available_memory import readable
from lastlayer._memory import memory_allowance
from lastlayer.cli.fit_rows import FitTable, classes_of, validation_rows
from lastlayer.cli.hold_out import Rows, hold_out, hold_out_in_place
from lastlayer.cli.label_warning import warn_of_labels_of_their_own
from lastlayer.cli.refusals import about_the_input
from lastlayer.tables import (
    FeatureColumns,
    InputError,
    Storage,
    choose_spool,
    left_to_the_solver,
    rows_of,
    weighing,
)


class FittedRows(NamedTuple):
    """A fitted model and the rows that it came from.

    model: fitted, not calibrated. held: features, labels and weights to calibrate on, or None. num_rows, width,
    labels_per_row: of the rows of the fit, and spooled_bytes: of features on a disk; None where workers do not tell.
    allowance: bytes that calibration may keep.
    """

    model: Any
    held: Rows | None
    num_rows: int
    width: int
    labels_per_row: float | None
    spooled_bytes: int | None
    allowance: float


def fit_here(
    rows: FitTable,
    C: float | None,
    holdout: float,
    storage: Storage,
    options: dict[str, Any],
    sampled: dict[str, Any],
) -> FittedRows:
    """Fit in this process.

    Args:
      rows: the table of the fit.
      C: None chooses it.
      holdout: share of the rows to calibrate on, where there are no validation rows.
      storage: where features may be.
      options: of every estimator.
      sampled: of SoftmaxClassifier alone.
    """
    table, many, judged = rows.table, rows.many, rows.has_validation
    choice = choose_spool(table, rows.columns, storage, splits=not judged and holdout > 0)
    if choice is not None and C is None and not judged:
        raise InputError(
            f"--C auto: {table.name} takes up to {readable(choice.needed)} in memory, more than --memory allows, and "
            "folds are copies of rows; name --validation rows to choose C on, a C, or more --memory."
        )
    read = rows_of(table, rows.columns, rows.label, rows.weight, many=many, choice=choice)
    X, y, weights = weighing(*read, table.name, rows.weight)
    del read  # or rows of weight 0 would stay
    if not many:
        warn_of_labels_of_their_own(y, rows.label)
    if judged:
        held = validation_rows(rows, X.shape[1], classes_of(y), storage)
    else:
        (X, y, weights), held = (hold_out if choice is None else hold_out_in_place)(X, y, holdout, weights)
    allowance = left_to_the_solver(storage.memory, len(y))
    with about_the_input(), warnings_of_a_command(rows.columns), memory_allowance(allowance):
        if C is None:
            model = (ll.SigmoidClassifierCV if many else ll.SoftmaxClassifierCV)(**options)
            model.fit(X, y, weights, validation=held if judged else None)
        elif many:
            model = ll.SigmoidClassifier(C=C, **options).fit(X, y, weights)
        else:
            model = ll.SoftmaxClassifier(C=C, **sampled, **options).fit(X, y, weights)
            model.set_params(checkpoint=None)
    parts = [X] if held is None else [X, held[0]]
    spooled = sum(part.nbytes for part in parts if isinstance(part, np.memmap))
    return FittedRows(model, held, len(y), X.shape[1], sum(map(len, y)) / len(y) if many else 1.0, spooled, allowance)


@contextmanager
def warnings_of_a_command(columns: FeatureColumns) -> Iterator[None]:
    """Within: warnings wait for the end. One about a feature names it; an interrupt is told by the command itself."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    for warning in caught:
        message: Any = warning.message
        if isinstance(message, ll.ScalingWarning) and not columns.is_list:
            text = str(message).replace(f"feature {message.column} ", f"feature {columns.names[message.column]!r} ", 1)
            message = ll.ScalingWarning(text, message.column)
        if not isinstance(message, ll.FitInterrupted):
            warnings.warn(message, stacklevel=2)

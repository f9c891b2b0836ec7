"""The fit of `lastlayer fit --ray`: rows to calibrate on read here, and a head fitted by workers."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from numpy.typing import NDArray

from lastlayer._memory import memory_allowance
from lastlayer.cli.fit_here import FittedRows, warnings_of_a_command
from lastlayer.cli.fit_rows import FitTable, classes_of, validation_rows
from lastlayer.cli.on_ray import on_ray
from lastlayer.cli.refusals import about_the_input
from lastlayer.tables import Storage, label_array, left_to_the_solver
from lastlayer.tables.bytes_in_memory import feature_types


def fit_on_ray(
    rows: FitTable, data: Sequence[str], where: str | None, storage: Storage, options: dict[str, Any]
) -> FittedRows:
    """Fit on workers of Ray, which read the files `data` by themselves.

    Rows to calibrate on are read, and compared with the classes of the fit, before it begins: what is wrong with them
    must not end hours of it.

    Args:
      rows: the table of the fit.
      data: its files.
      where: SQL that has chosen its rows, or None.
      storage: where features may be.
      options: further ones of `lastlayer.ray.fit`.
    """
    with about_the_input(), warnings_of_a_command(rows.columns), on_ray() as lastlayer_ray:
        held = _validation(rows, storage) if rows.has_validation else None
        with memory_allowance(left_to_the_solver(storage.memory, 0)):
            fit = lastlayer_ray.fit_labels if rows.many else lastlayer_ray.fit
            model = fit(
                data,
                **{"labels" if rows.many else "label": rows.label},
                features=rows.columns.names,
                weight=rows.weight,
                where=where,
                format=rows.format,
                spool=storage.folder,
                **options,
            )
    allowance = left_to_the_solver(storage.memory, 0)
    a_row = None if rows.many else 1.0
    return FittedRows(model, held, model.training_.rows, model.n_features_in_, a_row, None, allowance)


def _validation(rows, storage):
    """The rows to calibrate on; None where the fit has no rows, which it says itself."""
    _, width = feature_types(rows.table, rows.columns)
    classes = _classes_before(rows)
    return validation_rows(rows, width, classes, storage) if width and len(classes) else None


def _classes_before(rows: FitTable) -> NDArray[Any]:
    """The sorted classes of the rows that weigh, by a pass over their labels; what is no label the fit names by row."""

    def of_rows(frame):
        if rows.weight is not None:
            frame = frame.filter(pl.col(rows.weight).cast(pl.Float64, strict=False) > 0)
        labels = frame.select(rows.label)
        if rows.many and isinstance(labels.collect_schema()[rows.label], pl.List | pl.Array):
            labels = labels.explode(rows.label)
        return labels.drop_nulls().unique()

    names = [rows.label] if rows.weight is None else [rows.label, rows.weight]
    labels = rows.table.summary(names, of_rows)[rows.label]
    return classes_of(label_array(labels, lambda row: rows.table.name))

"""The column of weights: how much each row counts."""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer.tables.feature_matrix import require_numbers
from lastlayer.tables.input_error import InputError, NothingWeighs
from lastlayer.tables.table import Table


def require_weight(table: Table, name: str | None, label: str) -> None:
    """Raise InputError if the column of weights `name`, where there is one, is missing or is that of the labels."""
    if name is None:
        return
    table.require_columns([name])
    if name == label:
        raise InputError(f"--weight {name}: is the label column too, expected another column.")


def weight_array(series: pl.Series, place: Callable[[int], str]) -> NDArray[np.float64]:
    """Weights (n,) float64, finite and not negative; whether any is above 0 is the caller's to ask.

    Args:
      series: the column.
      place: function of a row number to where it stands, for errors; see `Table.place`.
    Raises: InputError naming the first row that holds no such number.
    """
    if series.dtype == pl.String:
        # A csv file's column of numbers, or one with a stray text in it, which is named.
        numbers = series.cast(pl.Float64, strict=False)
        wrong = numbers.is_null()
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            raise _no_weight(place(row), series.name, "null" if series[row] is None else repr(series[row]))
        series = numbers
    if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        raise InputError(
            f"{place(0)}: column {series.name} holds {series.dtype}, expected weights: numbers of at least 0."
        )
    require_numbers(series, place)
    weights = series.cast(pl.Float64).to_numpy()
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise _no_weight(place(row), series.name, series[row])
    return weights


def nothing_weighs(where: str, name: str | None) -> NothingWeighs:
    """The InputError for rows at `where` whose weights in the column `name` are all 0."""
    return NothingWeighs(f"{where}: column {name} is 0 in every row, expected at least one weight above it.")


def _no_weight(where, name, found):
    return InputError(
        f"{where}: column {name} is {found}, expected a weight: a finite number of at least 0; correct it, or choose "
        "another column with --weight."
    )

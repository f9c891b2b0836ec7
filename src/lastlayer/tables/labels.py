"""The column of labels: which one it is, and its values as an array."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer.tables.input_error import InputError
from lastlayer.tables.table import Table

_USUAL = ("label", "labels", "y")


def label_column(table: Table, name: str | None = None) -> str:
    """The name of the label column: `name`, else the column called label, labels or y.

    Raises: InputError if there is none.
    """
    if name is not None:
        table.require_columns([name])
        return name
    usual = [column for column in _USUAL if column in table.schema or column in table.sources[0].left_out]
    if not usual:
        raise InputError(
            f"{table.name}: no column called label, labels or y, expected the name of the label column; "
            f"pass --label, one of {', '.join(list(table.schema)[:8])}."
        )
    table.require_columns(usual[:1])
    return usual[0]


def label_array(series: pl.Series, place: Callable[[int], str]) -> NDArray[Any]:
    """Labels (n,) as integers, booleans or floats, or as str in an array of objects.

    Args:
      series: the column.
      place: function of a row number to where it stands, for errors; see `Table.place`.
    Raises: InputError if a label is missing, naming the first row, or if the column is neither text, nor whole
      numbers, nor booleans.
    """
    name = series.name
    if isinstance(series.dtype, (pl.Categorical, pl.Enum)):
        series = series.cast(pl.String)
    if not (series.dtype in (pl.String, pl.Boolean) or series.dtype.is_integer() or series.dtype.is_float()):
        raise InputError(f"column {name}: labels are {series.dtype}, expected text, whole numbers or booleans.")
    if series.null_count():
        row = int(series.is_null().arg_max() or 0)
        raise InputError(
            f"{place(row)}: column {name} is null, expected a label; drop such rows with --where '{name} IS NOT NULL'."
        )
    if series.dtype.is_float():
        wrong = (series.is_nan() | series.is_infinite() | (series != series.floor())).fill_null(True)
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            raise InputError(
                f"{place(row)}: column {name} is {series[row]}, expected a class label: text, a whole number or a "
                "boolean; a quantity is not a class."
            )
    if series.dtype == pl.String:
        # One str for each name, not one for each row, and no room of the longest for each.
        names = series.unique().sort()
        codes = names.search_sorted(series)
        return np.array(names.to_list(), dtype=object)[codes.to_numpy()]
    return series.to_numpy()


def cast_labels(series: pl.Series, classes: NDArray[Any]) -> pl.Series:
    """`series` in the kind of `classes` where the same label may be written in two ways: 7 and "7".

    A csv file does not know whether 7 is a name; a model fitted on names takes it as one, and the other way round.
    """
    if classes.dtype.kind in "UO" and (series.dtype.is_integer() or series.dtype == pl.Boolean):
        return series.cast(pl.String)
    if classes.dtype.kind in "iu" and series.dtype == pl.String:
        numbers = series.cast(pl.Int64, strict=False)
        return numbers if numbers.cast(pl.String).equals(series, null_equal=True) else series  # 007 is not 7
    return series

"""The column of lists of labels, many a row, as an array of lists."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer.tables.input_error import InputError


def label_lists(series: pl.Series, place: Callable[[int], str]) -> NDArray[Any]:
    """Lists of labels as an (n,) array of objects, each a list of str, int or bool; an empty one has no label.

    Args:
      series: the column.
      place: function of a row number to where it stands, for errors; see `Table.place`.
    Raises: InputError if the column holds no lists of text, whole numbers or booleans, or if a row or one of its labels
      is null or stands twice, naming the first such row.
    """
    name = series.name
    if not isinstance(series.dtype, pl.List | pl.Array):
        raise InputError(
            f"column {name}: labels are {series.dtype}, expected lists of labels, as parquet and jsonl hold them; for "
            "one label a row pass --label."
        )
    inner = series.dtype.inner
    if isinstance(inner, pl.Categorical | pl.Enum):
        series, inner = series.cast(pl.List(pl.String)), pl.String()
    if inner == pl.Null:
        series, inner = series.cast(pl.List(pl.String)), pl.String()
    if not (inner in (pl.String, pl.Boolean) or inner.is_integer()):
        raise InputError(f"column {name}: holds lists of {inner}, expected lists of text, whole numbers or booleans.")
    lists = series.cast(pl.List(inner))
    _refuse(lists.is_null(), name, place, "is null, expected a list of labels; an empty list is a row without any")
    has_null = lists.list.eval(pl.element().is_null()).list.any()
    _refuse(has_null, name, place, "has a label that is null; leave it out of the list")
    twice = lists.list.n_unique() < lists.list.len()
    _refuse(twice, name, place, "has a label twice, expected each once; leave it out of the list")
    rows = np.empty(len(lists), dtype=object)
    rows[:] = [None] * len(lists)
    for row, labels in enumerate(lists.to_list()):
        rows[row] = labels
    return rows


def _refuse(wrong, name, place, complaint):
    if wrong.fill_null(False).any():
        row = int(wrong.fill_null(False).arg_max() or 0)
        raise InputError(f"{place(row)}: column {name} {complaint}.")

"""The column of lists of labels, many a row, as an array of lists."""

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer._arrays import as_names
from lastlayer._indicator import answers_of_codes
from lastlayer._sorted_classes import sorted_classes
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
    # In one chunk: an evaluation of lists that files of several kinds of lists make together has Polars 2.1 panic.
    lists = series.rechunk().cast(pl.List(inner))
    _refuse(lists.is_null(), name, place, "is null, expected a list of labels; an empty list is a row without any")
    has_null = lists.list.eval(pl.element().is_null()).list.any()
    _refuse(has_null, name, place, "has a label that is null; leave it out of the list")
    if inner in (pl.UInt64, pl.Int128, pl.UInt128):
        beyond = (lists.list.max().cast(pl.Int128) >= 1 << 63) | (lists.list.min().cast(pl.Int128) < -(1 << 63))
        _refuse(beyond, name, place, "has a label of more than 64 bits, expected int64; write such labels as text")
    twice = lists.list.n_unique() < lists.list.len()
    _refuse(twice, name, place, "has a label twice, expected each once; leave it out of the list")
    rows = np.empty(len(lists), dtype=object)
    rows[:] = [None] * len(lists)
    for row, labels in enumerate(lists.to_list()):
        rows[row] = labels
    return rows


def require_known_labels(
    lists: NDArray[Any],
    column: str,
    classes: NDArray[Any],
    place: Callable[[int], str],
    weights: NDArray[np.float64] | None,
    *,
    where: str = "where",
) -> NDArray[Any]:
    """Lists of labels (n,) of a model's `classes`, as they are; those of rows of weight 0 are emptied.

    Args:
      lists: (n,) as of `label_lists`.
      column: its name.
      classes: (K,).
      place: function of a row number to where it stands.
      weights: (n,) >= 0, or None.
      where: what chooses rows, in the words of whoever asks.
    Raises: InputError naming the first row that weighs and has a label which is none.
    """
    known = set(classes.tolist())
    for row, labels in enumerate(lists):
        if weights is not None and not weights[row] > 0:
            lists[row] = []
            continue
        for name in labels:
            if name not in known:
                raise InputError(
                    f"{place(row)}: column {column} has {name!r}, which the model never saw, expected labels among its "
                    f"{len(known)}; leave such rows out with {where}."
                )
    return lists


def answers_of_lists(lists: NDArray[Any]) -> tuple[NDArray[Any], Any]:
    """The labels that lists hold and which rows have them.

    Args:
      lists: (n,) as of `label_lists`.
    Returns: (k,) sorted labels, and an (n, k) CSC matrix of booleans, its indices sorted, whose stored entries are the
      labels that a row has.
    """
    lengths, labels = list(map(len, lists)), list(chain.from_iterable(lists))
    names = as_names(labels) if labels and isinstance(labels[0], str) else np.array(labels)
    classes, codes = sorted_classes(names)
    rows = np.repeat(np.arange(len(lists)), lengths)
    return classes, answers_of_codes(rows, codes, (len(lists), len(classes)))


def _refuse(wrong, name, place, complaint):
    if wrong.fill_null(False).any():
        row = int(wrong.fill_null(False).arg_max() or 0)
        raise InputError(f"{place(row)}: column {name} {complaint}.")

"""The labels of a batch, every one of them a class."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer.cli.unknown_label import has_label, unknown_value
from lastlayer.metrics import ClassIndex
from lastlayer.tables import InputError, Table, cast_labels, label_array, label_lists, require_known_labels

_SHOWN = 6


def judged_labels(
    table: Table,
    series: pl.Series,
    index: ClassIndex,
    place: Callable[[int], str],
    weights: NDArray[Any] | None,
    *,
    unknown: str,
    remedy: str = "leave",
    unknown_label: str | None = None,
) -> NDArray[Any]:
    """The labels (n,) of a batch, in the kind of the classes of `index`, a ClassIndex.

    Args:
      table: the Table of the batch.
      series: its labels.
      index: what the labels must be members of.
      place: function of a row of the batch to where it stands.
      weights: (n,) weights; a row of weight 0 may have any label. None for none.
      unknown: what an error says of a label that is no class.
      remedy: the verb of its advice.
      unknown_label: the label of rows that belong to no class, which get its `unknown_value`; None for none.
    Raises: InputError naming the first row whose label is no class, and how to leave such rows out.
    """
    if unknown_label is not None:
        return _with_unknown(table, series, index, place, weights, unknown, remedy, unknown_label)
    labels = label_array(cast_labels(series, index.classes), place)
    _require_known(table, series.name, labels, index, place, weights, unknown, remedy, None)
    return labels


def _with_unknown(table, series, index, place, weights, unknown, remedy, unknown_label):
    apart = has_label(series, unknown_label)
    rows = np.flatnonzero(~apart.to_numpy())
    labels = label_array(cast_labels(series.filter(~apart), index.classes), lambda row: place(int(rows[row])))
    others = None if weights is None else weights[rows]
    names = (table, series.name)
    _require_known(*names, labels, index, lambda row: place(int(rows[row])), others, unknown, remedy, unknown_label)
    value = unknown_value(unknown_label, index.classes)
    every = np.full(len(series), value, dtype=object if isinstance(value, str) else np.int64)
    every[rows] = labels
    return every


def _require_known(table, label, labels, index, place, weights, unknown, remedy, unknown_label):
    known = index.knows(labels)
    if weights is not None:
        known |= weights == 0
    if not known.all():
        row = int(known.argmin())
        found = labels.tolist()[row]
        raise _unknown_label(table, label, index.classes, place(row), found, unknown, remedy, unknown_label)


def judged_lists(
    series: pl.Series, classes: NDArray[Any], place: Callable[[int], str], weights: NDArray[Any] | None
) -> NDArray[Any]:
    """The lists of labels (n,) of a batch, every label among the `classes` of a model; those of weight 0 are empty.

    Raises: InputError naming the first row with a label that is none.
    """
    return require_known_labels(label_lists(series, place), series.name, classes, place, weights, where="--where")


def _unknown_label(table, label, classes, place, found, unknown, remedy, unknown_label):
    series = table.collect([label])[label]
    series = cast_labels(series.filter(~has_label(series, unknown_label)), classes)
    wrong = series.filter(~series.is_in(pl.Series(classes.tolist()).cast(series.dtype).implode()))
    names = wrong.unique(maintain_order=True)
    sql = f"{label} <> '{found}'" if isinstance(found, str) else f"{label} <> {found}"
    where = f'--where "{sql}"' if len(names) == 1 else "--where"
    others = "" if len(names) == 1 else f" of {len(names)} such labels"
    named = ", ".join(map(str, classes[:_SHOWN])) + (", ..." if len(classes) > _SHOWN else "")
    named = f"0 to {len(classes) - 1}" if np.array_equal(classes, np.arange(len(classes))) else named
    return InputError(
        f"{place}: column {label} is {found!r}, {unknown} ({len(wrong)} rows{others}), expected one of the "
        f"{len(classes)} classes ({named}); {remedy} such rows out with {where}."
    )

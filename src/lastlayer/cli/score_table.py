"""Scores that any model has written to files, one number for each class, batch by batch, with labels and weights."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer.cli.judged_labels import judged_labels
from lastlayer.cli.refusals import about_the_input
from lastlayer.metrics import ClassIndex
from lastlayer.tables import FeatureColumns, InputError, Table, choose_scores, feature_matrix, weight_array
from lastlayer.tables.feature_matrix import is_list_of_numbers
from lastlayer.tables.model_rows import placed_batches

_ENTRIES = 1 << 22


@dataclass(frozen=True)
class ScoreBatch:
    """Some rows of a `ScoreTable`.

    Attributes:
      frame: the rows.
      scores: (n, K) numbers, NaN and infinities among them.
      labels: (n,) in the kind of the classes; None where there is no label column.
      weights: (n,) numbers >= 0; None where there is no column of them.
      place: function of a row of the batch to where it stands.
    """

    frame: pl.DataFrame
    scores: NDArray[Any]
    labels: NDArray[Any] | None
    weights: NDArray[Any] | None
    place: Callable[[int], str]


class ScoreTable:
    """A table of which some columns are scores, what its classes are called, and which column is the label.

    Attributes:
      names: what the classes are called; None where they are just 0 to K - 1.
      index: the ClassIndex of the names, or else of 0 to K - 1.
      width: K.
    """

    def __init__(
        self,
        table: Table,
        columns: FeatureColumns,
        names: list[str] | None,
        option: str,
        *,
        label: str | None = None,
        weight: str | None = None,
        unknown_label: str | None = None,
    ):
        """Take a Table and which of its columns are what; `option` named the scores, the subject of errors.

        Rows of `unknown_label` have no class, and the `unknown_value` for their label.
        """
        self.table: Table = table
        self.columns: FeatureColumns = columns
        self.names: list[str] | None = names
        self.label: str | None = label
        self.weight: str | None = weight
        self.unknown_label: str | None = unknown_label
        self.width: int = self._width_of_lists() if columns.is_list else len(columns.names)
        if names is not None and len(names) != self.width:
            raise InputError(
                f"--classes: {len(names)} names, but {option} has {self.width} classes, expected a name for each."
            )
        with about_the_input():
            self.index: ClassIndex = ClassIndex(np.arange(self.width) if names is None else names)

    def batches(self, others: Iterable[str] = ()) -> Iterator[ScoreBatch]:
        """Batches of all rows, whose frames hold the columns `others` too. Raises: InputError."""
        remedy = "name the classes with --classes, or leave" if self.names is None else "leave"
        wanted = [*self.columns.names, *(name for name in (self.label, self.weight) if name is not None), *others]
        for frame, place in placed_batches(self.table, wanted, max(1, _ENTRIES // self.width)):
            weights = None if self.weight is None else weight_array(frame[self.weight], place)
            labels = None
            if self.label is not None:
                series = frame[self.label]
                unknown = "which is no class"
                labels = judged_labels(
                    self.table,
                    series,
                    self.index,
                    place,
                    weights,
                    unknown=unknown,
                    remedy=remedy,
                    unknown_label=self.unknown_label,
                )
            scores = feature_matrix(frame, self.columns, place, finite=False)
            if scores.shape[1] != self.width:
                raise InputError(f"{place(0)}: {scores.shape[1]} classes, expected {self.width}, as in the first row.")
            yield ScoreBatch(frame, scores, labels, weights, place)

    def subject(self) -> str:
        """What a row of scores is called in errors."""
        return f"column {self.columns}" if self.columns.is_list else f"the row of columns {self.columns}"

    def _width_of_lists(self):
        frame = next(iter(self.table.batches(self.columns.names, 1)))
        return feature_matrix(frame, self.columns, self.table.place, finite=False).shape[1]


def only_scores(table: Table, option: str, taken: Iterable[str | None] = ()) -> tuple[FeatureColumns, None]:
    """The only column of lists of numbers, where nobody named the scores. Raises: InputError unless there is one."""
    taken = set(taken)
    lists = [name for name, kind in table.schema.items() if name not in taken and is_list_of_numbers(kind)]
    if len(lists) != 1:
        found = f"columns {' and '.join(lists)} all hold lists of numbers" if lists else "no column of lists of numbers"
        raise InputError(
            f"{table.name}: {found}, expected to know which columns are scores; name them with {option}, for example "
            f"{option} {lists[0] if lists else repr('p_*')}."
        )
    columns, _ = choose_scores(table, lists[0], option)
    return columns, None


def class_names(classes: str) -> list[str]:
    """The names in `classes`: a text file of one name a line where there is such a file, else commas between."""
    path = Path(classes)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # too long for the name of a file, or with a NUL in it
        is_file = False
    if not is_file:
        return [name.strip() for name in classes.split(",")]
    try:
        return path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as failure:
        raise InputError(
            f"--classes {classes}: cannot be read ({failure}), expected a text file of one name a line."
        ) from None

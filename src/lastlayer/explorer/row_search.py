"""Which of the examined rows are asked for, and in which order."""

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer.explorer.examined import Examined
from lastlayer.explorer.fields import Choice, Field, Many, Refused, Text

SORTS = ("", "loss", "confidence", "margin", "entropy", "row")
OUTCOMES = ("", "right", "wrong", "unknown")
FIELDS: dict[str, Field] = {
    "sort": Choice(SORTS, default=""),
    "order": Choice(("", "ascending", "descending"), default=""),
    "label": Many(Text(1000), 100, default=()),
    "prediction": Many(Text(1000), 100, default=()),
    "outcome": Choice(OUTCOMES, default=""),
    "text": Text(1000, default=""),
    "column": Text(1000, default=""),
}
# The order in which the rows to look at come first.
_WORST_FIRST = {
    "loss": "descending",
    "confidence": "ascending",
    "margin": "ascending",
    "entropy": "descending",
    "row": "ascending",
}


class RowSearch:
    """The rows of an Examined, sorted once for each figure and with their text in lower case."""

    def __init__(self, examined: Examined) -> None:
        """Take what is searched."""
        self._examined = examined
        self._orders: dict[str, NDArray[np.int64]] = {}
        self._class_of = {name: k for k, name in enumerate(examined.classes)}
        columns = examined.columns
        self._lower = {
            name: columns[name].cast(pl.String).str.to_lowercase()
            for name in columns.columns
            if is_text(columns.schema[name])
        }

    def sort_of(self, state: dict[str, Any]) -> tuple[str, str]:
        """The figure to sort by and "ascending" or "descending", with what stands for "" filled in. Raises Refused."""
        labelled = self._examined.labels is not None
        sort = state["sort"] or ("loss" if labelled else "confidence")
        if sort == "loss" and not labelled:
            raise Refused("sort", "rows without labels have no loss, expected confidence, margin, entropy or row")
        return sort, state["order"] or _WORST_FIRST[sort]

    def find(self, state: dict[str, Any]) -> NDArray[np.int64]:
        """The rows that `state` asks for, in its order; those without a figure come last. Raises Refused."""
        sort, order = self.sort_of(state)
        rows = self._order(sort, order)
        wanted = self._wanted(state)
        return rows if wanted is None else rows[wanted[rows]]

    def _wanted(self, state):
        examined, masks = self._examined, []
        figures, labels = examined.figures, examined.labels
        if state["label"]:
            masks.append(self._of_labels(state["label"]))
        if state["prediction"]:
            masks.append(np.isin(figures.answer, [self._class(name) for name in state["prediction"]]))
        if state["outcome"] == "unknown":
            masks.append(figures.answer < 0)
        elif state["outcome"]:
            if labels is None:
                raise Refused("outcome", "rows without labels are neither right nor wrong, expected unknown or none")
            right = figures.answer == labels
            masks.append((right if state["outcome"] == "right" else ~right) & (figures.answer >= 0))
        if state["text"]:
            masks.append(self._of_text(state["text"], state["column"]))
        elif state["column"]:
            self._texts_in(state["column"])
        return np.logical_and.reduce(masks) if masks else None

    def _class(self, name):
        if name not in self._class_of:
            raise Refused("prediction", f"received {name!r}, expected one of the {len(self._class_of):,} classes")
        return self._class_of[name]

    def _of_labels(self, names):
        examined = self._examined
        if examined.labels is None or examined.label_column is None:
            raise Refused("label", "the rows have no labels, expected no label")
        found = np.isin(examined.labels, [self._class_of[name] for name in names if name in self._class_of])
        strange = [name for name in names if name not in self._class_of]
        if strange:
            # Labels that are no class are known by what stands in the file.
            others = self._labels_as_text.is_in(strange).fill_null(False).to_numpy()
            if not others.any():
                raise Refused("label", f"received {strange[0]!r}, which is neither a class nor any row's label")
            found |= others & (examined.labels < 0)
        return found

    def _of_text(self, text, column):
        wanted = lower_case(text)
        masks = [
            series.str.contains(wanted, literal=True).fill_null(False).to_numpy() for series in self._texts_in(column)
        ]
        return np.logical_or.reduce(masks) if masks else np.zeros(self._examined.columns.height, bool)

    def _texts_in(self, column):
        if column and column not in self._lower:
            names = ", ".join(list(self._lower)[:8]) or "there are none"
            raise Refused("column", f"received {column!r}, expected a column of text: {names}")
        return [self._lower[column]] if column else list(self._lower.values())

    @cached_property
    def _labels_as_text(self):
        return self._examined.columns[self._examined.label_column or ""].cast(pl.String)

    def _order(self, sort, order):
        key = f"{sort} {order}"
        if key not in self._orders:
            if sort == "row":
                rows = np.arange(len(self._examined.features))
                self._orders[key] = rows if order == "ascending" else rows[::-1]
            else:
                values = getattr(self._examined.figures, sort)
                # NaN is last in both.
                self._orders[key] = np.argsort(values if order == "ascending" else -values, kind="stable")
        return self._orders[key]


def lower_case(text: str) -> str:
    """`text` as Polars has it in lower case, so that it is found in a column of the same."""
    return pl.Series([text]).str.to_lowercase()[0]


def is_text(dtype: pl.DataType) -> bool:
    """Whether a column of this type is searched for text."""
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


@lru_cache(maxsize=2)
def search_of(examined: Examined) -> RowSearch:
    """The RowSearch of `examined`, made once."""
    return RowSearch(examined)

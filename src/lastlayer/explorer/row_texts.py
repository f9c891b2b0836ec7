"""What stands in a row of the data, as text to show."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer.explanation import short
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.row_search import is_text

UNKNOWN = "don't know"
UNDEFINED = "\N{EN DASH}"
FIGURES = ("loss", "confidence", "margin", "entropy")


def numbers_of(examined: Examined, rows: NDArray[np.int64]) -> list[int]:
    """The numbers that people know the rows by; see `Examined.numbers`."""
    return (rows if examined.numbers is None else examined.numbers[rows]).tolist()


def labels_of(examined: Examined, rows: NDArray[np.int64]) -> list[str | None]:
    """The labels as they are called, also those that are no class; None without labels."""
    if examined.labels is None or examined.label_column is None:
        return [None] * len(rows)
    written = examined.columns[examined.label_column][rows].cast(pl.String).to_list()
    return [
        examined.classes[code] if code >= 0 else text
        for code, text in zip(examined.labels[rows].tolist(), written, strict=True)
    ]


def answers_of(examined: Examined, rows: NDArray[np.int64]) -> list[str]:
    """What the model answers, by name."""
    return [examined.classes[code] if code >= 0 else UNKNOWN for code in examined.figures.answer[rows].tolist()]


def outcomes_of(examined: Examined, rows: NDArray[np.int64]) -> list[str]:
    """Of each row: right, wrong, unknown where the rule does not answer, or nothing without labels."""
    answers = examined.figures.answer[rows]
    if examined.labels is None:
        return ["unknown" if answer < 0 else "" for answer in answers.tolist()]
    right = answers == examined.labels[rows]
    return [
        "unknown" if answer < 0 else "right" if hit else "wrong"
        for answer, hit in zip(answers.tolist(), right.tolist(), strict=True)
    ]


def figure_values(examined: Examined, rows: NDArray[np.int64]) -> dict[str, list[float]]:
    """Figures of the rows by name, as numbers; no loss without labels."""
    found = {name: getattr(examined.figures, name) for name in FIGURES}
    return {name: values[rows].tolist() for name, values in found.items() if values is not None}


def figure_texts(values: dict[str, list[float]]) -> dict[str, list[str]]:
    """The same as text; undefined is a dash."""
    return {name: [UNDEFINED if x != x else short(x) for x in column] for name, column in values.items()}


def text_columns(examined: Examined, *, label: bool = False) -> list[str]:
    """Columns of text, that of the labels among them where `label`."""
    schema = examined.columns.schema
    return [name for name in schema if is_text(schema[name]) and (label or name != examined.label_column)]


def cells(examined: Examined, rows: NDArray[np.int64], columns: list[str], longest: int) -> list[list[str]]:
    """Of each row the text in `columns`, cut at `longest` characters."""
    if not columns:
        return [[] for _ in rows]
    frame = examined.columns.select(columns)[rows]
    return [[cut(value, longest) for value in row] for row in frame.iter_rows()]


def cut(value: Any, longest: int) -> str:
    """`value` as text, cut at `longest` characters; nothing for None."""
    text = "" if value is None else str(value)
    return text if len(text) <= longest else f"{text[:longest]}…"

"""Columns of numbers that a few texts have turned into columns of text: a mistake to report, no column to leave out."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from lastlayer.tables.feature_matrix import require_numbers
from lastlayer.tables.table import Table

# Numbers as people write them and computers do not: 1,234.5 and 3,14 and 12% and spaces around.
_WRITTEN_BY_PEOPLE = r"^\s*[-+]?(\d+([.,]\d+)?|\d{1,3}(,\d{3})+(\.\d+)?)\s*%?\s*$"
_NOTHING = r"(?i)^\s*(|na|n/a|nan|null|none|-+|\?|\.|missing|unknown)\s*$"


def refuse_spoilt_numbers(table: Table, columns: Sequence[str]) -> None:
    """Raise InputError, at the first value that is no number, if most of a column of text are numbers.

    Words for nothing, such as n/a, are no numbers and do not count among the others either.

    All rows of the files are looked at, whatever the condition: a row that it leaves out has made the column text all
    the same. Text of digits alone in a file that knows types, such as the postal code "01234", is text.

    Args:
      table: Table.
      columns: names of columns of numbers and of text in the first file, which features could be chosen of.
    """
    for number, source in enumerate(table.sources):
        texts = [
            name
            for name in columns
            if source.schema.get(name) == pl.String and (number == 0 or table.schema[name] != pl.String)
        ]
        if not texts:
            continue
        rows = replace(table, sources=(source,), where=None)
        for name, count, nothing, numbers, finite in rows.summary(texts, _counts).iter_rows():
            if finite < count and count - nothing < 2 * numbers:
                require_numbers(rows.collect([name])[name], rows.place)


def _counts(frame):
    """One row for each column: an expression for each would take minutes where there are many columns."""
    text = pl.col("value")
    number, nothing = text.cast(pl.Float64, strict=False), text.str.contains(_NOTHING)
    return (
        frame.unpivot()
        .group_by("variable", maintain_order=True)
        .agg(
            count=text.count(),
            nothing=nothing.sum(),
            numbers=((number.is_not_null() & ~nothing) | text.str.contains(_WRITTEN_BY_PEOPLE)).sum(),
            finite=number.is_finite().sum(),
        )
    )

"""Columns that number the rows or name them, as saved frames have them: they are no features."""

import re
from collections.abc import Sequence

import polars as pl

from lastlayer.tables.reading import reading
from lastlayer.tables.table import Table

# What pandas calls an index without a name: in parquet, in csv, and in csv that it has read and written again.
_SAVED_INDEX = re.compile(r"__index_level_\d+__|Unnamed: 0(\.\d+)*|")
# In fewer rows, 1, 2, 3 may well be measured.
_FEWEST_ROWS = 10


def index_columns(table: Table, columns: Sequence[str]) -> dict[str, str]:
    """Which of `columns` are an index, and why.

    A column counts the rows if it is of whole numbers that go up by one from row to row, from 0 or 1, in at least ten
    rows of the first file; in the files after it they begin again or go on. A condition on the rows is not asked: the
    column counts those of the file.

    Args:
      table: Table.
      columns: names of columns of its first file.
    """
    first = table.sources[0]
    found = {}
    for column in columns:
        if _SAVED_INDEX.fullmatch(column) or column in first.index:
            found[column] = "an index"
    whole = [column for column in columns if column not in found and first.schema[column].is_integer()]
    return {**found, **dict.fromkeys(_counters(table, whole), "counts the rows")}


def _counters(table, columns):
    """Those of `columns` that count rows; only those whose first rows do are read any further."""
    ends = dict.fromkeys(columns, -1)
    for index, source in enumerate(table.sources):
        alike = [name for name in ends if name in source.schema and source.schema[name].is_integer()]
        if not alike:
            return []
        with reading(source.name, "check the file"):
            start = source.rows(alike).select(alike).head(_FEWEST_ROWS).collect()
        if index == 0 and start.height < _FEWEST_ROWS:
            return []
        alike = [name for name in alike if _counts(start[name], ends[name])]
        if not alike:
            return []
        with reading(source.name, "check the file"):
            rows = source.rows(alike).select(_summary(name) for name in alike).collect().row(0, named=True)
        # A file without rows leaves the count where it was.
        ends = {name: ends[name] if row["last"] is None else row["last"] for name, row in rows.items() if row["steps"]}
    return list(ends)


def _counts(series, end):
    return (
        not series.null_count()
        and (not series.len() or series[0] in (0, 1, end + 1))
        and bool((series.diff().drop_nulls() == 1).all())
    )


def _summary(name):
    number = pl.col(name)
    steps = (number.null_count() == 0) & (number.cast(pl.Int128).diff().drop_nulls() == 1).all()
    return pl.struct(steps=steps, last=number.last()).alias(name)

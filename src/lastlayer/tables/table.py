"""One table made of one or many files: scanned lazily, filtered by SQL, and able to say where a row stands."""

from contextlib import contextmanager
from dataclasses import dataclass, replace

import polars as pl
from polars.exceptions import PolarsError

from lastlayer.tables.input_error import InputError, first_line, missing_column
from lastlayer.tables.sources import Source, open_sources

_ROW = "__lastlayer_row__"


@dataclass(frozen=True)
class Table:
    """Files of the same columns, one after another, and the rows of them that an SQL condition keeps."""

    sources: tuple[Source, ...]
    where: str | None = None

    @property
    def name(self):
        """The files, for the subject of an error."""
        first, *others = self.sources
        return first.name if not others else f"{first.name} and {len(others)} more"

    @property
    def schema(self):
        """Column names and types of the first file."""
        return self.sources[0].schema

    def filtered(self, where):
        """The rows of the same files that satisfy the SQL condition `where`, in place of the present one.

        Raises: InputError if it is no condition on the columns of these files.
        """
        if where is not None:
            for source in self.sources:
                _require_condition(source, where)
        return replace(self, where=where)

    def collect(self, columns):
        """A DataFrame of `columns`, in that order, of every row.

        Raises: InputError if a file cannot be read or lacks a column, or if no row is left.
        """
        with _reading(self):
            frame = self._scan(columns).collect()
        if not frame.height:
            raise self._no_rows()
        return frame

    def batches(self, columns, rows):
        """DataFrames of `columns`, at most `rows` long, one after another: for tables larger than memory.

        Raises: as `collect`.
        """
        begun = False
        with _reading(self):
            # An engine's batch can be longer than asked for where a file is made of longer pieces.
            for batch in self._scan(columns).collect_batches(chunk_size=rows, maintain_order=True):
                for piece in batch.iter_slices(rows):
                    if piece.height:
                        begun = True
                        yield piece
        if not begun:
            raise self._no_rows()

    def count(self, where=None):
        """The number of rows, of those that satisfy the SQL condition `where` besides."""
        with _reading(self):
            frames = [self._rows(source) for source in self.sources]
            if where is not None:
                frames = [frame.filter(pl.sql_expr(where)) for frame in frames]
            return sum(frame.select(pl.len()).collect().item() for frame in frames)

    def reduce(self, columns, expressions):
        """What the Polars `expressions` yield, each a single value, over every row of `columns`, as a tuple."""
        with _reading(self):
            return self._scan(columns).select(expressions).collect().row(0)

    def place(self, row):
        """Where row `row` of this table stands: its file and its number there, from 0, before any condition."""
        for source in self.sources:
            frame = source.frame.with_row_index(_ROW)
            if self.where is not None:
                frame = frame.filter(pl.sql_expr(self.where))
            found = frame.select(_ROW).slice(row, 1).collect()
            if found.height:
                return f"{source.name}: row {found.item()} (the first is 0)"
            row -= frame.select(pl.len()).collect().item()
        raise IndexError(row)

    def require_columns(self, columns):
        """Raise InputError, with the nearest name, if a file lacks one of `columns`."""
        for source in self.sources:
            for column in columns:
                if column in source.left_out:
                    raise InputError(f"{source.name}: {source.left_out[column]}.")
                if column not in source.schema:
                    raise missing_column(source.name, column, source.schema)

    def _scan(self, columns):
        columns = list(columns)
        self.require_columns(columns)
        for source in self.sources[1:]:
            for column in columns:
                ours, theirs = self.schema[column], source.schema[column]
                if isinstance(ours, pl.Array) and isinstance(theirs, pl.Array) and ours.shape != theirs.shape:
                    raise InputError(
                        f"{source.name}: column {column} holds lists of {theirs.size}, but those of "
                        f"{self.sources[0].name} hold {ours.size}, expected the same width; read the files apart."
                    )
        frames = [self._rows(source).select(columns) for source in self.sources]
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical_relaxed")

    def _rows(self, source):
        return source.frame if self.where is None else source.frame.filter(pl.sql_expr(self.where))

    def _no_rows(self):
        if self.where is None:
            return InputError(f"{self.name}: no rows, expected at least one; check the file.")
        return InputError(f"{self.name}: no row satisfies {self.where!r}, expected at least one; check the condition.")


def open_table(paths, *, where=None, wanted=(), stdin=None):
    """The table in `paths`, of which nothing but the column names is read yet.

    Args:
      paths: files or glob patterns: parquet, arrow (ipc, feather), csv, tsv, jsonl (ndjson), npy or npz; "-" is
        `stdin`. Several .npy files are the columns of one table, named by their stems; other files follow one another.
      where: an SQL condition on the columns, such as "split = 'train' and age > 18".
      wanted: columns that will be asked for; in an .npz file of arrays of several lengths they say which rows are
        meant.
      stdin: a binary stream, read to its end and held in memory.
    Returns: a Table.
    Raises: InputError if a file is missing or of no known kind, or `where` is no condition on its columns.
    """
    return Table(open_sources(paths, wanted=wanted, stdin=stdin)).filtered(where)


def _require_condition(source, where):
    expected = "expected an SQL condition such as \"split = 'train' and age > 18\""
    try:
        condition = pl.sql_expr(where)
        roots = condition.meta.root_names()
    except PolarsError as failure:
        raise InputError(f"where {where!r}: {first_line(failure)}, {expected}.") from failure
    for column in roots:
        if column not in source.schema:
            raise missing_column(f"where {where!r}: {source.name}", column, source.schema)
    try:
        source.schema.to_frame().filter(condition)  # of no rows: the types tell, and nothing is read
    except PolarsError as failure:
        raise InputError(f"where {where!r}: {first_line(failure)}, {expected}.") from failure


@contextmanager
def _reading(table):
    """Turns what Polars and the system say about a file into one sentence."""
    try:
        yield
    except (PolarsError, OSError) as failure:
        raise InputError(f"{table.name}: cannot be read ({first_line(failure)}); check the file.") from failure

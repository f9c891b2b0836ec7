"""One table made of one or many files: scanned lazily, filtered by SQL, and able to say where a row stands."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from lastlayer.tables.condition import condition, condition_columns, require_condition
from lastlayer.tables.input_error import InputError, NoRows, missing_column
from lastlayer.tables.reading import reading
from lastlayer.tables.sources import Source, open_sources
from lastlayer.tables.streams import Readable

_ROW = "__lastlayer_row__"
# A number that a column of numbers would not give back as it is written.
_LEADING_ZERO = r"^\s*[-+]?0\d"


@dataclass(frozen=True)
class Table:
    """Files one after another, and the rows of them that an SQL condition keeps.

    The columns that are used must be in all files; others need not be, and may differ in type. A column that `types`
    names is read as that type, others as what all of the files can be read as.
    """

    sources: tuple[Source, ...]
    where: str | None = None
    types: Mapping[str, pl.DataType] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The files, for the subject of an error."""
        first, *others = self.sources
        return first.name if not others else f"{first.name} and {len(others)} more"

    @property
    def schema(self) -> pl.Schema:
        """Column names and types of the first file."""
        return self.sources[0].schema

    def filtered(self, where: str | None) -> "Table":
        """The rows of the same files that satisfy the SQL condition `where`, in place of the present one.

        Raises: InputError if it is no condition on the columns of these files.
        """
        if where is not None:
            for source in self.sources:
                require_condition(where, source.name, source.schema)
        return replace(self, where=where)

    def as_written(self, columns: Iterable[str]) -> "Table":
        """The same table, in which those of `columns` that are names and not quantities are text.

        A csv file does not know whether 007 is the number 7. Here it is text if any row of the column begins with a
        zero and has more digits, if digits are too many for 64 bits, or if the column is text in another file. A
        condition then sees the text too.

        Raises: InputError if a file cannot be read, or if the condition does not fit the text.
        """
        return self.with_text(column for column in columns if self._is_written(column))

    def with_text(self, columns: Iterable[str]) -> "Table":
        """The same table, in which `columns` are text in files that do not know the types of their columns.

        Raises: as `as_written`.
        """
        sources = self.sources
        for column in columns:
            sources = tuple(_with_text(source, column) for source in sources)
        return replace(self, sources=sources).filtered(self.where)

    def collect(self, columns: Iterable[str]) -> pl.DataFrame:
        """A DataFrame of `columns`, in that order, of every row.

        Raises: InputError if a file cannot be read or lacks a column, or if no row is left.
        """
        with self._reading():
            frame = self._scan(columns).collect()
        if not frame.height:
            raise self.no_rows()
        return frame

    def batches(self, columns: Iterable[str], rows: int) -> Iterator[pl.DataFrame]:
        """DataFrames of `columns`, at most `rows` long, one after another: for tables larger than memory.

        Raises: as `collect`.
        """
        begun = False
        with self._reading():
            # An engine's batch can be longer than asked for where a file is made of longer pieces.
            for batch in self._scan(columns).collect_batches(chunk_size=rows, maintain_order=True):
                for piece in batch.iter_slices(rows):
                    if piece.height:
                        begun = True
                        yield piece
        if not begun:
            raise self.no_rows()

    def count(self, where: str | None = None) -> int:
        """The number of rows, of those that satisfy the SQL condition `where` besides."""
        with self._reading():
            frames = [self._rows(source, condition_columns(where)) for source in self.sources]
            if where is not None:
                frames = [frame.filter(condition(where)) for frame in frames]
            return sum(frame.select(pl.len()).collect().item() for frame in frames)

    def summary(self, columns: Iterable[str], summarise: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
        """What `summarise` makes of the lazy frame of every row of `columns`: a few numbers, not the rows."""
        with self._reading():
            return summarise(self._scan(columns)).collect(engine="streaming")

    def row_counts(self) -> list[int]:
        """How many rows each file has, before any condition."""
        with self._reading():
            return [source.rows([]).select(pl.len()).collect().item() for source in self.sources]

    def common_types(self, columns: Iterable[str]) -> dict[str, pl.DataType]:
        """The types that `columns` are read as. Raises InputError if a file lacks one, or two hold different kinds."""
        with self._reading():
            return dict(self._scan(columns).collect_schema())

    def place(self, row: int) -> str:
        """Where row `row` of this table stands: its file and its number there, from 0, before any condition."""
        with self._reading():
            for source in self.sources:
                frame = source.rows(condition_columns(self.where)).with_row_index(_ROW, source.begin)
                if self.where is not None:
                    frame = frame.filter(condition(self.where))
                found = frame.select(_ROW).slice(row, 1).collect()
                if found.height:
                    return f"{source.name}: row {found.item()} (the first is 0)"
                row -= frame.select(pl.len()).collect().item()
        raise IndexError(row)

    def numbered(self, column: str) -> "Table":
        """The same table with a new `column`: each row's number, from 0 and before any condition, over all files."""
        sources, begin = [], 0
        for source in self.sources:
            sources.append(_with_numbers(source, column, begin))
            if source is not self.sources[-1]:
                with self._reading():
                    begin += source.rows([]).select(pl.len()).collect().item()
        return replace(self, sources=tuple(sources))

    def require_columns(self, columns: Iterable[str]) -> None:
        """Raise InputError, with the nearest name, if a file lacks one of `columns`."""
        columns = list(columns)
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
                _require_one_kind(column, self.sources[0], source)
        types = {column: self.types[column] for column in columns if column in self.types}
        frames = [self._rows(source, columns).select(columns).cast(types) for source in self.sources]
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical_relaxed")

    def _rows(self, source, columns):
        frame = source.rows(dict.fromkeys([*columns, *condition_columns(self.where)]))
        return frame if self.where is None else frame.filter(condition(self.where))

    def no_rows(self) -> NoRows:
        """What says that no row is left."""
        if self.where is None:
            return NoRows(f"{self.name}: no rows, expected at least one; check the file.")
        return NoRows(f"{self.name}: no row satisfies {self.where!r}, expected at least one; check the condition.")

    def _is_written(self, column):
        """Whether a file holds `column` as text, or as numbers that are written like names."""
        holders = [source for source in self.sources if column in source.schema]
        return any(_is_text(source.schema[column]) or _holds_names(source, column) for source in holders)

    def _reading(self):
        return reading(self.name, "check the file")


def open_table(
    paths: Sequence[str | os.PathLike[str]],
    *,
    where: str | None = None,
    wanted: Iterable[str] = (),
    stdin: Readable | None = None,
    format: str | None = None,
) -> Table:
    """The table in `paths`, of which nothing but the names and types of columns is read yet.

    Args:
      paths: files, named pipes or glob patterns: parquet, arrow (ipc, feather), csv, tsv, jsonl (ndjson), json (an
        array of objects), npy or npz, and csv, tsv and jsonl inside gzip or zstd; "-" is `stdin`. Several .npy files
        are the columns of one table, named by their stems; other files follow one another.
      where: an SQL condition on the columns, such as "split = 'train' and age > 18".
      wanted: columns that will be asked for; in an .npz file of arrays of several lengths they say which rows are
        meant.
      stdin: a binary stream, read to its end and held in memory, as named pipes are.
      format: of all files, one of `KINDS`; by default their first bytes and their names tell.
    Returns: a Table.
    Raises: InputError if a file is missing or of no known kind, or `where` is no condition on its columns.
    """
    return Table(open_sources(paths, wanted=wanted, stdin=stdin, kind=format)).filtered(where)


def _with_numbers(source, column, begin):
    def rows(columns):
        return source.rows([name for name in columns if name != column]).with_row_index(column, begin)

    return replace(source, schema=pl.Schema({**source.schema, column: pl.UInt32}), rows=rows, as_text=None)


def _require_one_kind(column, first, source):
    ours, theirs = first.schema[column], source.schema[column]
    if ours == theirs:
        return
    if isinstance(ours, pl.Array) and isinstance(theirs, pl.Array) and ours.shape != theirs.shape:
        raise InputError(
            f"{source.name}: column {column} holds lists of {theirs.size}, but those of {first.name} hold {ours.size}, "
            "expected the same width; read the files apart."
        )
    kinds = _kind_of_type(ours), _kind_of_type(theirs)
    if None not in kinds and kinds[0] != kinds[1]:
        raise InputError(
            f"{source.name}: column {column} holds {kinds[1]}, but that of {first.name} holds {kinds[0]}, expected the "
            "same in all files; correct one, or read the files apart."
        )


def _kind_of_type(dtype):
    """What a column holds, where only columns of the same can follow one another; None goes with all."""
    if dtype == pl.Null:
        return None
    if dtype.is_numeric() or dtype == pl.Boolean:
        return "numbers"
    if isinstance(dtype, pl.List | pl.Array):
        inner = _kind_of_type(dtype.inner)
        return None if inner is None else f"lists of {inner}"
    return "text" if _is_text(dtype) else str(dtype)


def _is_text(dtype):
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def _holds_names(source, column):
    """Whether a column of numbers in a text file has one that is written like a name, or that no array holds."""
    if source.as_text is None or not source.schema[column].is_numeric():
        return False
    if source.schema[column] == pl.Int128:
        return True
    with reading(source.name, "check the file"):
        text = source.as_text([column]).rows([column]).select(pl.col(column).str.contains(_LEADING_ZERO).any())
        return bool(text.collect().item())


def _with_text(source, column):
    if source.as_text is None or column not in source.schema or source.schema[column] == pl.String:
        return source
    return source.as_text([column])

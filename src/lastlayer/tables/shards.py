"""A table cut into shards: runs of rows that another process, or another machine, opens by itself."""

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from lastlayer.tables.addresses import is_address
from lastlayer.tables.input_error import InputError
from lastlayer.tables.sources import Source, files_of
from lastlayer.tables.table import Table, open_table


@dataclass(frozen=True)
class Piece:
    """Rows `begin` to `end` of the file `name`, which is found at `paths`: one, or several .npy files side by side."""

    name: str
    paths: tuple[str, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Shard:
    """Rows of a table that follow one another, by where they stand; it holds no row itself.

    Attributes:
      pieces: in the order of the table.
      types: what the columns that are used are read as, so that all shards read them alike.
      text: columns that are text in files which do not know the types of their columns.
      where: an SQL condition on the rows.
      format: of all files; None where their first bytes and their names tell.
    """

    pieces: tuple[Piece, ...]
    types: Mapping[str, pl.DataType]
    text: tuple[str, ...] = ()
    where: str | None = None
    format: str | None = None

    @property
    def rows(self) -> int:
        """How many rows it has, before any condition."""
        return sum(piece.end - piece.begin for piece in self.pieces)

    @property
    def name(self) -> str:
        """Its files, for the subject of an error."""
        first, *others = (piece.name for piece in self.pieces)
        return first if not others else f"{first} and {len(others)} more"

    def open(self) -> Table:
        """Its rows as a Table, whose errors name the files as the whole table does and rows by their number there.

        Raises: InputError if a file is not there, or no longer one of its kind.
        """
        return Table(tuple(map(self._source, self.pieces)), self.where, self.types)

    def _source(self, piece):
        table = open_table(piece.paths, wanted=self.types, format=self.format).with_text(self.text)
        source: Source = replace(table.sources[0], name=piece.name)
        return source.part(piece.begin, piece.end)


def paths_for_workers(data: object) -> list[str | os.PathLike[str]]:
    """One file or pattern, or any number of them in order, as a list of what other processes can open.

    Raises: TypeError for anything else; InputError for what one process alone can read, standard input and pipes.
    """
    several = not isinstance(data, str | os.PathLike)
    paths: list[Any] = list(data) if several and isinstance(data, Iterable) else [data]
    if not all(isinstance(path, str | os.PathLike) for path in paths):
        raise TypeError(f"data: received {data!r}, expected the path of a file, a pattern, or a list of them.")
    for path in paths:
        if path == "-":
            raise InputError(
                "-: standard input is for one process, expected files that every worker can open; name them."
            )
        for file in () if is_address(path) else files_of(path):
            if os.path.exists(file) and not stat.S_ISREG(os.stat(file).st_mode):
                raise InputError(f"{file}: is no regular file, expected one that every worker can open; name a file.")
    return paths


def cut_shards(table: Table, columns: Iterable[str], count: int, *, format: str | None) -> list[Shard]:
    """`count` shards of as many rows each as can be, or fewer of one row; together, in order, they are the table.

    Args:
      table: of files that other processes can open, see `paths_for_workers`.
      columns: those that will be read.
      count: how many, >= 1.
      format: what the table was opened with.
    Raises: InputError if there are no rows, or if a column is missing in a file or holds another kind there.
    """
    types = table.common_types(dict.fromkeys(columns))
    starts = np.cumsum([0, *table.row_counts()])
    if not starts[-1]:
        raise table.no_rows()
    text = tuple(column for column, type_ in types.items() if type_ == pl.String)
    edges = np.linspace(0, int(starts[-1]), min(count, int(starts[-1])) + 1).round().astype(int).tolist()
    return [
        Shard(tuple(_pieces(table.sources, starts.tolist(), begin, end)), types, text, table.where, format)
        for begin, end in pairwise(edges)
    ]


def _pieces(sources, starts, begin, end):
    for source, (first, last) in zip(sources, pairwise(starts), strict=True):
        low, high = max(begin, first), min(end, last)
        if low < high:
            yield Piece(source.name, source.paths, low - first, high - first)

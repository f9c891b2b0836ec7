"""Which files are meant, and how each is scanned."""

import glob
import json
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from lastlayer.tables.addresses import addresses_of, is_address, kind_of_address, local_path
from lastlayer.tables.array_files import read_npy, scan_npz
from lastlayer.tables.file_kinds import KINDS, START, compression, kind_of
from lastlayer.tables.input_error import InputError
from lastlayer.tables.reading import reading
from lastlayer.tables.streams import Readable, read_pipe, read_stream, require_file_or_pipe
from lastlayer.tables.text_files import csv_scanner, read_json, scan_jsonl

_STDIN = "-"
_STREAM = "standard input"


@dataclass(frozen=True)
class Source:
    """One file, scanned.

    Attributes:
      name: in errors.
      schema: its columns, in the order of the file.
      paths: of the file, or of several .npy files side by side; none of what only this process can read.
      rows: rows(columns) is a lazy frame of all its rows that has at least these columns.
      left_out: by name, why arrays of it are no columns.
      index: columns that the file itself calls an index.
      as_text: as_text(columns) is the same source of which these columns are text, as they are written; None unless
        the file is text that does not know the types of its columns.
      begin: the number of its first row in the file.
    """

    name: str
    schema: pl.Schema
    paths: tuple[str, ...]
    rows: Callable[[Iterable[str]], pl.LazyFrame]
    left_out: dict[str, str] = field(default_factory=dict)
    index: frozenset[str] = frozenset()
    as_text: "Callable[[list[str]], Source] | None" = None
    begin: int = 0

    def part(self, begin: int, end: int) -> "Source":
        """The rows of the file from number `begin` up to `end`; of parquet no other group of rows is read."""
        return replace(
            self, rows=lambda columns: self.rows(columns).slice(begin, end - begin), begin=begin, as_text=None
        )


@dataclass(frozen=True)
class _Input:
    """A file before it is scanned: its name in errors, its path or its bytes, and its kind."""

    name: str
    place: str | bytes
    kind: str
    compressed: bool


def open_sources(
    paths: Sequence[str | os.PathLike[str]],
    *,
    wanted: Iterable[str] = (),
    stdin: Readable | None = None,
    kind: str | None = None,
) -> tuple[Source, ...]:
    """The Sources named by `paths`, see `open_table`.

    Raises: InputError if a file is missing, empty, damaged or of no known kind.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"format: received {kind!r}, expected one of {', '.join(KINDS)}, or None.")
    if not paths:
        raise InputError("data: no file given, expected at least one; name a file, or - for standard input.")
    if list(paths).count(_STDIN) > 1:
        raise InputError("-: standard input is named twice, expected once; it can be read only once.")
    files = [file for path in paths for file in ([_STDIN] if path == _STDIN else files_of(path, kind))]
    inputs = [_stream(stdin, kind) if file == _STDIN else _file(file, kind) for file in files]
    kinds = [entry.kind for entry in inputs]
    if "npy" in kinds:
        other = next((entry.name for entry in inputs if entry.kind != "npy"), None)
        if other is not None:
            raise InputError(f"{other}: stands beside .npy files, expected .npy files alone; pass one kind of file.")
        return (_npy_source(inputs),)
    return tuple(_scanned(entry, list(wanted)) for entry in inputs)


def files_of(path: str | os.PathLike[str], kind: str | None = None) -> list[str]:
    """The file or address `path`, or those that match it as a pattern. Raises InputError if none does.

    `kind` is that of objects in a store, where their names do not say it.
    """
    if is_address(path):
        return addresses_of(os.fspath(path), kind)
    path = local_path(path)
    if Path(path).exists() or not glob.has_magic(path):
        return [path]
    found = sorted(glob.glob(path, recursive=True))
    if not found:
        raise InputError(f"{path}: no file matches this pattern, expected at least one; check the path.")
    return found


def _stream(stdin, kind):
    if stdin is None:
        raise InputError("-: there is no standard input here, expected a file; name one.")
    return _of_bytes(_STREAM, read_stream(_STREAM, stdin), kind)


def _file(path, kind):
    if is_address(path):
        return _Input(path, path, kind_of_address(path, kind), compressed=False)
    try:
        mode = os.stat(path).st_mode
        require_file_or_pipe(path, mode)
        if stat.S_ISFIFO(mode):
            return _of_bytes(path, read_pipe(path), kind)
        with open(path, "rb") as file:
            start = file.read(START)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path.") from None
    except OSError as failure:
        raise InputError(f"{path}: cannot be read ({failure.strerror}); check the file and its permissions.") from None
    except ValueError as failure:  # a name that no file can have
        raise InputError(f"{path!r}: cannot be read ({failure}); check the path.") from None
    # Standard input under its own name may be a file of no suffix.
    text = "csv" if path.startswith("/dev/") else None
    # Other processes have other folders; and a name that begins like an address is a file all the same, which Polars
    # must not fetch.
    place = os.path.abspath(path)
    return _Input(path, place, kind_of(path, start, kind=kind, text=text), compression(start) is not None)


def _of_bytes(name, content, kind):
    start = content[:START]
    return _Input(name, content, kind_of(name, start, kind=kind, text="csv"), compression(start) is not None)


def _npy_source(inputs):
    name = inputs[0].name if len(inputs) == 1 else " ".join(entry.name for entry in inputs)
    with reading(inputs[0].name):
        frame = read_npy([(entry.name, entry.place) for entry in inputs])
    return Source(name, frame.schema, tuple(path for entry in inputs for path in _paths(entry)), _always(frame.lazy()))


def _paths(entry):
    """Where other processes find a file: nowhere if it came through a stream."""
    return (entry.place,) if isinstance(entry.place, str) else ()


def _scanned(entry, wanted):
    name, place, kind = entry.name, entry.place, entry.kind
    paths = _paths(entry)
    with reading(name):
        if kind == "npz":
            schema, left_out, read = scan_npz(place, name, wanted)
            return Source(name, schema, paths, lambda columns: read(columns).lazy(), left_out)
        if kind in ("csv", "tsv"):
            separator = "\t" if kind == "tsv" else ","
            return _csv_source(name, paths, csv_scanner(place, separator=separator, compressed=entry.compressed))
        if kind == "jsonl":
            frame = scan_jsonl(place)
        elif kind == "json":
            frame = read_json(place).lazy()
        elif kind == "arrow stream":
            frame = pl.read_ipc_stream(place).lazy()
        elif kind == "arrow":
            frame = pl.scan_ipc(place, glob=False)
        else:
            frame = pl.scan_parquet(place, glob=False)
        index = _index_of_pandas(place) if kind == "parquet" else frozenset()
        return Source(name, frame.collect_schema(), paths, _always(frame), index=index)


def _csv_source(name, paths, scan, text=()):
    frame = scan(text)
    return Source(
        name,
        frame.collect_schema(),
        paths,
        _always(frame),
        as_text=lambda columns: _csv_source(name, paths, scan, [*text, *columns]),
    )


def _always(frame):
    return lambda columns: frame


def _index_of_pandas(place):
    """The columns that pandas says it wrote its index to."""
    try:
        index = json.loads(pl.read_parquet_metadata(place).get("pandas", "{}"))["index_columns"]
    except (KeyError, TypeError, ValueError):  # written by others, or by nothing that keeps to pandas' form
        return frozenset()
    return frozenset(name for name in index if isinstance(name, str)) if isinstance(index, list) else frozenset()

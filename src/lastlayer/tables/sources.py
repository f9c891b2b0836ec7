"""Which files are meant, of what kind they are, and how each is scanned."""

import glob
import io
import os
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from lastlayer.tables.array_files import read_npy, read_npz
from lastlayer.tables.input_error import InputError, first_line

_KINDS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".npy": "npy",
    ".npz": "npz",
}
_STDIN = "-"
_MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\x93NUMPY": "npy", b"PK\x03\x04": "npz"}


@dataclass(frozen=True)
class Source:
    """One file, scanned: its name in errors, its rows, its columns, and why arrays of it are no columns."""

    name: str
    frame: pl.LazyFrame
    schema: pl.Schema
    left_out: dict[str, str] = field(default_factory=dict)


def open_sources(paths, *, wanted=(), stdin=None):
    """The Sources named by `paths`, see `open_table`.

    Raises: InputError if a file is missing, empty, damaged or of no known kind.
    """
    if not paths:
        raise InputError("data: no file given, expected at least one; name a file, or - for standard input.")
    if paths.count(_STDIN) > 1:
        raise InputError("-: standard input is named twice, expected once; it can be read only once.")
    files = [file for path in paths for file in ([path] if path == _STDIN else _expanded(path))]
    kinds = [_STDIN if file == _STDIN else _kind(file) for file in files]
    if "npy" in kinds:
        if set(kinds) != {"npy"}:
            other = files[next(i for i, kind in enumerate(kinds) if kind != "npy")]
            raise InputError(f"{other}: stands beside .npy files, expected .npy files alone; pass one kind of file.")
        return (_npy_source(files),)
    return tuple(
        _stdin_source(stdin, wanted) if file == _STDIN else _scanned(file, file, kind, wanted)
        for file, kind in zip(files, kinds, strict=True)
    )


def _expanded(path):
    path = os.fspath(path)
    if Path(path).exists() or not glob.has_magic(path):
        return [path]
    found = sorted(glob.glob(path, recursive=True))
    if not found:
        raise InputError(f"{path}: no file matches this pattern, expected at least one; check the path.")
    return found


def _kind(path):
    try:
        with open(path, "rb") as file:
            start = file.read(8)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, expected a file; name its files, such as {path}/*.parquet.") from None
    except OSError as failure:
        raise InputError(f"{path}: cannot be read ({failure.strerror}); check the file and its permissions.") from None
    if not start:
        raise InputError(f"{path}: empty, expected a table; check what wrote it.")
    kind = _KINDS.get(Path(path).suffix.lower()) or _sniffed(start)
    if kind is None:
        raise InputError(
            f"{path}: of no known kind, expected parquet, arrow, csv, tsv, jsonl, npy or npz; convert or rename it."
        )
    return kind


def _sniffed(start):
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def _npy_source(files):
    try:
        frame = read_npy(files)
    except (ValueError, OSError, EOFError) as failure:
        raise _unreadable(files[0], failure) from failure
    return Source(files[0] if len(files) == 1 else " ".join(files), frame.lazy(), frame.schema)


def _stdin_source(stdin, wanted):
    content = stdin.read()
    kind = _sniffed(content[:8]) or ("jsonl" if content.lstrip()[:1] == b"{" else "csv")
    if not content.strip():
        raise InputError("standard input: empty, expected a table of csv, jsonl or parquet; pipe one in.")
    if kind == "npy":
        raise InputError("standard input: a .npy array, expected csv, jsonl, parquet or npz; name the file instead.")
    return _scanned("standard input", io.BytesIO(content), kind, wanted)


def _scanned(name, place, kind, wanted):
    """`place` is a path or a binary buffer; Polars and NumPy read both.

    The types of text files are inferred from every row: a column of a thousand whole numbers may still hold 2.5.
    """
    left_out = {}
    try:
        if kind == "parquet":
            frame = pl.scan_parquet(place, glob=False)
        elif kind == "arrow":
            frame = pl.scan_ipc(place, glob=False)
        elif kind == "jsonl":
            frame = pl.scan_ndjson(place, infer_schema_length=None)
        elif kind == "npz":
            table, left_out = read_npz(place, wanted)
            frame = table.lazy()
        else:
            separator = "\t" if kind == "tsv" else ","
            frame = pl.scan_csv(place, glob=False, separator=separator, infer_schema_length=None)
        schema = frame.collect_schema()
    except (PolarsError, OSError, ValueError) as failure:
        raise _unreadable(name, failure) from failure
    return Source(name, frame, schema, left_out)


def _unreadable(name, failure):
    if isinstance(failure, InputError):
        return failure
    return InputError(f"{name}: cannot be read ({first_line(failure)}); check that the file is whole and of its kind.")

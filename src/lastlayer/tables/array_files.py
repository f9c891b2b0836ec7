"""NumPy's own files as tables: a one-dimensional array is a column, a matrix a column of lists."""

import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from lastlayer.tables.array_headers import ArrayHeader, read_column, read_header
from lastlayer.tables.input_error import InputError, first_line

_FEATURES = ("features", "X")


def read_npy(places: Sequence[tuple[str, str | bytes]]) -> pl.DataFrame:
    """A DataFrame whose columns are the arrays of .npy files.

    Args:
      places: of each file its name in errors, and its path or its bytes. A path names the column by its stem; bytes
        have no name and are the column X if they are a matrix, else y.
    Raises: InputError if they differ in length, share a name or are no columns.
    """
    columns = {}
    for place_name, place in places:
        header = _header_of_file(place_name, place)
        unnamed = "X" if len(header.shape) == 2 else "y"
        name = unnamed if isinstance(place, bytes) else Path(place).stem
        if name in columns:
            raise InputError(f"{place_name}: a second file named {name}, expected one for each column; rename it.")
        columns[name] = header
        first = next(iter(columns.values()))
        if header.rows != first.rows:
            raise InputError(f"{place_name}: {_lengths(header.rows, Path(places[0][0]).name, first.rows)}.")
    return _frame(
        {name: _mapped(*place, header) for (name, header), place in zip(columns.items(), places, strict=True)}
    )


def scan_npz(
    place: str | bytes, name: str, wanted: Iterable[str] = ()
) -> tuple[pl.Schema, dict[str, str], Callable[[Iterable[str]], pl.DataFrame]]:
    """The arrays of an .npz file that have one entry for each row, as columns that are read when they are needed.

    The rows are those of the first array of `wanted` that is there, else of "features" or "X", else of the first
    matrix, else of the first array. Arrays that nobody asks for are not unpacked.

    Args:
      place: a path or the bytes.
      name: of the file, for errors.
      wanted: names in the order of their say.
    Returns: (schema, left_out, read): left_out says, by name, why an array is no column; read(columns) is a DataFrame
      of these columns, or of the smallest one if they are none.
    Raises: InputError if it is no such file or no array is a column.
    """
    members, left_out = _members(place, name)
    if not members:
        reason = next(iter(left_out.values()), "it holds no arrays")
        raise InputError(f"{name}: {reason}, expected arrays of one entry for each row; save it again.")
    headers = {column: header for column, (_, header) in members.items()}
    matrices = [column for column, header in headers.items() if len(header.shape) == 2]
    anchor = next(column for column in [*wanted, *_FEATURES, *matrices, *headers] if column in headers)
    rows = headers[anchor].rows
    for column in [column for column, header in headers.items() if header.rows != rows]:
        left_out[column] = f"array {column} has {_lengths(headers.pop(column).rows, anchor, rows)}"
    smallest = min(headers, key=lambda column: headers[column].num_bytes)

    def read(columns):
        chosen = {column: members[column] for column in list(columns) or [smallest]}
        with _archive(place, name) as archive:
            arrays = {}
            for column, (entry, header) in chosen.items():
                arrays[column] = _unpacked(archive, entry, header, f"{name}: array {column}")
        return _frame(arrays)

    return _schema(headers), left_out, read


def _header_of_file(name, place):
    with io.BytesIO(place) if isinstance(place, bytes) else open(place, "rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        header = read_header(stream, size)
    if isinstance(header, str):
        raise InputError(f"{name}: {header}.")
    return header


def _mapped(name, place, header):
    if isinstance(place, bytes) or header.num_bytes == 0 or header.dtype.kind == "U":
        with io.BytesIO(place) if isinstance(place, bytes) else open(place, "rb") as stream:
            stream.seek(header.offset)
            return read_column(stream, header, name)
    order = "F" if header.fortran_order else "C"
    return np.memmap(place, header.dtype, "r", header.offset, header.shape, order)


def _members(place, name):
    """What the archive holds: of each column its entry and header, and of others why they are none."""
    members, left_out = {}, {}
    with _archive(place, name) as archive:
        for entry in archive.infolist():
            column = entry.filename.removesuffix(".npy")
            with archive.open(entry) as stream:
                header = read_header(stream, entry.file_size)
            if column in members or column in left_out:
                members.pop(column, None)
                header = "there twice, expected one array of a name"
            if isinstance(header, ArrayHeader):
                members[column] = entry, header
            else:
                left_out[column] = f"array {column} is {header}"
    return members, left_out


def _unpacked(archive, entry, header, name):
    with archive.open(entry) as stream:
        stream.seek(header.offset)
        values = read_column(stream, header, name)
        stream.read(1)  # beyond the last entry, where the checksum is compared
    return values


@contextmanager
def _archive(place, name):
    """The zip file; whatever damaged bytes make of Python's reader of them is one sentence."""
    try:
        with zipfile.ZipFile(io.BytesIO(place) if isinstance(place, bytes) else place) as archive:
            yield archive
    except (InputError, MemoryError):
        raise
    except Exception as failure:
        raise InputError(f"{name}: no whole .npz file ({first_line(failure)}); save it again.") from failure


def _lengths(rows, other, expected):
    return f"{rows} rows, but {other} has {expected}, expected one entry for each row"


def _schema(headers):
    """The types that `_frame` would give, from arrays of no rows."""
    empty = {name: np.empty((0, *header.shape[1:]), header.dtype) for name, header in headers.items()}
    texts = pl.Series(dtype=pl.String)
    return _frame({name: texts if array.dtype.kind == "U" else array for name, array in empty.items()}).schema


def _frame(arrays):
    return pl.DataFrame(
        [
            values.alias(name) if isinstance(values, pl.Series) else pl.Series(name, _native(values))
            for name, values in arrays.items()
        ]
    )


def _native(array):
    """The same memory where Polars can share it, in a type that Polars has."""
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    if array.dtype.kind == "b" and array.ndim == 2:
        return array.astype(np.uint8)
    return np.require(array, array.dtype.newbyteorder("="), "C")

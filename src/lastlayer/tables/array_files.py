"""NumPy's own files as tables: a one-dimensional array is a column, a matrix a column of lists."""

import zipfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import polars as pl

from lastlayer.tables.input_error import InputError

_FEATURES = ("features", "X")


def read_npy(paths):
    """A DataFrame whose columns are the arrays of the .npy files `paths`, named by their stems.

    Raises: InputError if they differ in length, share a stem or are no columns.
    """
    arrays = {}
    for path in paths:
        name = Path(path).stem
        array = np.load(path, allow_pickle=False, mmap_mode="r")
        problem = _no_column(array)
        if problem:
            raise InputError(f"{path}: {problem}.")
        if name in arrays:
            raise InputError(f"{path}: a second file named {name}, expected one for each column; rename it.")
        first = next(iter(arrays.values()), array)
        if len(array) != len(first):
            raise InputError(f"{path}: {_lengths(len(array), Path(paths[0]).name, len(first))}.")
        arrays[name] = array
    return _frame(arrays)


def read_npz(place, wanted=()):
    """The arrays of an .npz file that have one entry for each row, as columns.

    The rows are those of the first array of `wanted` that is there, else of "features" or "X", else of the first
    matrix, else of the first array.

    Args:
      place: a path or a binary buffer.
      wanted: names in the order of their say.
    Returns: (DataFrame, left_out): left_out says, by name, why an array is no column.
    Raises: ValueError if it is no such file or no array is a column.
    """
    arrays, left_out = {}, {}
    try:
        # Opened here: NumPy forgets to close a file that is no archive.
        with (
            nullcontext(place) if hasattr(place, "read") else open(place, "rb") as stream,
            np.load(stream, allow_pickle=False) as file,
        ):
            for name in file.files:
                try:
                    array = file[name]
                except ValueError:
                    left_out[name] = f"array {name} holds Python objects, which are never unpickled; save it as text"
                    continue
                problem = _no_column(array)
                if problem:
                    left_out[name] = f"array {name} is {problem}"
                else:
                    arrays[name] = array
    except zipfile.BadZipFile as failure:
        raise ValueError(f"no whole .npz file: {failure}") from failure
    if not arrays:
        reason = next(iter(left_out.values()), "it holds no arrays")
        raise ValueError(f"{reason}, expected arrays of one entry for each row")
    matrices = [name for name, array in arrays.items() if array.ndim == 2]
    anchor = next(name for name in [*wanted, *_FEATURES, *matrices, *arrays] if name in arrays)
    rows = len(arrays[anchor])
    for name in [name for name, array in arrays.items() if len(array) != rows]:
        left_out[name] = f"array {name} has {_lengths(len(arrays.pop(name)), anchor, rows)}"
    return _frame(arrays), left_out


def _no_column(array):
    if array.ndim not in (1, 2):
        return f"an array of {array.ndim} dimensions, expected one or two"
    if array.dtype.kind not in ("biuf" if array.ndim == 2 else "biufU"):
        return f"an array of {array.dtype}, expected numbers, or text in one dimension"
    return None


def _lengths(rows, other, expected):
    return f"{rows} rows, but {other} has {expected}, expected one entry for each row"


def _frame(arrays):
    return pl.DataFrame([pl.Series(name, _native(array)) for name, array in arrays.items()])


def _native(array):
    """The same memory where Polars can share it, in a type that Polars has."""
    if array.dtype.kind == "U":
        return array.tolist()
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    if array.dtype.kind == "b" and array.ndim == 2:
        return array.astype(np.uint8)
    return np.require(array, array.dtype.newbyteorder("="), "C")

"""What an array in NumPy's format declares, checked before anything of its size is read or held."""

import math
import warnings
from dataclasses import dataclass
from typing import IO

import numpy as np
import polars as pl

from lastlayer._available_memory import available_memory, readable
from lastlayer.tables.input_error import InputError, first_line

_MOST_BYTES_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class ArrayHeader:
    """Shape, type and order of an array, and how many bytes stand before its entries."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool
    offset: int

    @property
    def num_bytes(self) -> int:
        """The size of its entries."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def rows(self) -> int:
        """How many entries a column of it has."""
        return self.shape[0]


def read_header(stream: IO[bytes], size: int) -> ArrayHeader | str:
    """The header of the array that `stream` holds in `size` bytes, or why it is no column of a table."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a header of Python 2 is as good as any
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
            elif version == (2, 0):
                shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(stream)
            else:  # made only for arrays with named fields
                return f"an array in version {version[0]}.{version[1]} of NumPy's format, expected 1.0 or 2.0"
    except Exception as failure:  # what bytes of any kind make of a parser of Python literals
        return f"no array that NumPy can read ({first_line(failure)}), expected one that numpy.save has written"
    header = ArrayHeader(shape, dtype, fortran_order, stream.tell())
    return _no_column(header) or _wrong_size(header, size) or header


def read_column(stream: IO[bytes], header: ArrayHeader, name: str) -> np.ndarray | pl.Series:
    """The entries of the array that `stream` stands at the beginning of.

    Returns: a C-contiguous array, or a Series of text.
    Raises: InputError if memory does not hold it; ValueError if the stream ends before.
    """
    if header.dtype.kind == "U":
        return _texts(stream, header, name)
    _require_memory(header.num_bytes * (2 if header.fortran_order and len(header.shape) == 2 else 1), name)
    return _numbers(stream, header)


def _numbers(stream, header):
    array = np.empty(math.prod(header.shape), header.dtype)
    memory = array.view(np.uint8)
    filled = 0
    while filled < len(memory):
        piece = stream.read(min(_MOST_BYTES_AT_ONCE, len(memory) - filled))
        if not piece:
            raise ValueError("it ends before its last entry")
        memory[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    array = array.reshape(header.shape[::-1] if header.fortran_order else header.shape)
    return np.ascontiguousarray(array.T) if header.fortran_order else array


def _texts(stream, header, name):
    """Text of a fixed width is mostly padding: it is never held in one piece."""
    texts = pl.Series(dtype=pl.String)
    rows = max(1, _MOST_BYTES_AT_ONCE // header.dtype.itemsize)
    while len(texts) < header.rows:
        size = min(rows, header.rows - len(texts)) * header.dtype.itemsize
        _require_memory(4 * size, name)
        piece = stream.read(size)
        if len(piece) < size:
            raise ValueError("it ends before its last entry")
        texts.append(pl.Series(_decoded(piece, header.dtype), dtype=pl.String))
    return texts


def _decoded(entries, dtype):
    """NumPy's fixed-width text as str; unlike NumPy, which trusts it, refuses what is no text."""
    width = dtype.itemsize // 4
    text = entries.decode("utf-32-be" if dtype.str[0] == ">" else "utf-32-le")
    return [text[begin : begin + width].rstrip("\0") for begin in range(0, len(text), width)]


def _require_memory(num_bytes, name):
    available = available_memory()
    if num_bytes > available:
        raise InputError(
            f"{name}: needs {readable(num_bytes)} of memory, but {readable(available)} are left, expected an "
            "array that fits; save it in parts."
        )


def _no_column(header):
    shape, dtype = header.shape, header.dtype
    if dtype.hasobject:
        return "an array of Python objects, which are never unpickled, expected numbers or text; save it as such"
    if len(shape) not in (1, 2):
        return f"an array of {len(shape)} dimensions, expected one or two"
    if dtype.kind not in ("biuf" if len(shape) == 2 else "biufU") or dtype.shape:
        return f"an array of {dtype}, expected numbers, or text in one dimension"
    if any(length < 0 for length in shape) or dtype.itemsize == 0 or 0 in shape[1:]:
        return f"an array of {dtype} of shape {shape}, expected at least one entry in each row"
    return None


def _wrong_size(header, size):
    expected, found = header.num_bytes, size - header.offset
    if expected == found:
        return None
    return (
        f"an array of shape {header.shape} and type {header.dtype}, which takes {readable(expected)}, but "
        f"{readable(found)} are there, expected the same; save it again"
    )

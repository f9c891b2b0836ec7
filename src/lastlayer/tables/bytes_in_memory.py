"""How much memory the features of a fit would take, so that it is known before the first row is read."""

from collections.abc import Sequence
from typing import cast

import polars as pl

from lastlayer.tables.feature_columns import FeatureColumns
from lastlayer.tables.feature_matrix import is_list_of_numbers, matrix_type
from lastlayer.tables.table import Table

# What stands for a number that is text, which is refused later.
_TEXT = 16


def bytes_in_memory(num_rows: int, dtypes: Sequence[pl.DataType], width: int, *, splits: bool) -> int:
    """The most bytes that so many rows of features take at a time, while they are read and split.

    What a file holds is there first; beside it the matrix, and what has been converted to the matrix's type; later the
    matrix and, where rows are held out, its two parts.

    Args:
      num_rows: of all files.
      dtypes: Polars types of the columns, or the one of the numbers in a column of lists.
      width: D.
      splits: whether rows are held out.

    >>> bytes_in_memory(1000, [pl.Float32()] * 8, 8, splits=True)  # twice 32 bytes a row
    64000
    """
    sizes = [_size(dtype) for dtype in dtypes]
    frame = width * sizes[0] if len(sizes) == 1 else sum(sizes)
    target = matrix_type(dtypes)
    matrix = width * (4 if target == pl.Float32 else 8)
    converted = matrix if any(dtype != target for dtype in dtypes) else 0
    return num_rows * max(frame + converted + matrix, 2 * matrix if splits else 0)


def feature_types(table: Table, columns: FeatureColumns) -> tuple[list[pl.DataType], int]:
    """The types of the features as `bytes_in_memory` takes them, and how many features there are.

    Lists are as long as that of the first row; 0 features where there is no row, or where they are no numbers.
    """
    if not columns.is_list:
        return [table.schema[name] for name in columns.names], len(columns.names)
    name = columns.names[0]
    dtype = table.schema[name]
    if not is_list_of_numbers(dtype):
        return [dtype], 0
    inner = cast(pl.DataType, cast(pl.List, dtype).inner)
    if isinstance(dtype, pl.Array):
        return [inner], int(dtype.size)
    lengths = table.summary([name], lambda frame: frame.select(pl.col(name).list.len()).head(1))
    return [inner], int(lengths.item() or 0) if lengths.height else 0


def _size(dtype):
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        return _TEXT
    return pl.Series(dtype=dtype).to_numpy().dtype.itemsize

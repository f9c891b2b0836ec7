"""The values of the feature columns as one matrix of finite numbers."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import DTypeLike, NDArray

from lastlayer.tables.input_error import InputError

if TYPE_CHECKING:
    from lastlayer.tables.feature_columns import FeatureColumns

_CHECKED_ENTRIES = 1 << 20


def feature_matrix(
    frame: pl.DataFrame,
    columns: "FeatureColumns",
    place: Callable[[int], str],
    *,
    finite: bool = True,
    dtype: DTypeLike | None = None,
) -> NDArray[Any]:
    """The features (n, D) of `frame`, C-contiguous.

    float32 if every column is float32 or narrower floats, else float64; or of a `dtype` that is asked for. Lists of a
    fixed width in one piece are not copied.

    Args:
      frame: DataFrame that holds `columns`.
      columns: FeatureColumns.
      place: function of a row number to where it stands, for errors; see `Table.place`.
      finite: whether NaN and infinities are refused, and what `dtype` cannot hold.
      dtype: of the result, float16, float32 or float64; None chooses.
    Returns: (n, D) array; it may be read-only.
    Raises: InputError naming the first row and column that holds text, nothing, NaN, an infinity, or a list of another
      length.
    """
    if columns.is_list:
        matrix = _list_matrix(frame[columns.names[0]], place)
    else:
        chosen = frame.select(columns.names)
        for series in chosen.iter_columns():
            require_numbers(series, place)
        matrix = chosen.cast(matrix_type(chosen.dtypes)).to_numpy(order="c")
    if dtype is not None:
        with np.errstate(over="ignore"):  # told below
            matrix = matrix.astype(dtype, copy=False)
    if finite:
        _require_finite(matrix, frame, columns, place)
    return matrix


def require_numbers(series: pl.Series, place: Callable[[int], str]) -> None:
    """Raise InputError, at the first value that is none, unless the column holds numbers, booleans or nothing else."""
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        if series.null_count():
            row = int(series.is_null().arg_max() or 0)
            raise InputError(
                f"{place(row)}: column {series.name} is null, expected a finite number; fill it, or drop such rows "
                f"with --where '{series.name} IS NOT NULL'."
            )
        return
    if series.dtype == pl.String:
        numbers = series.cast(pl.Float64, strict=False)
        wrong = numbers.is_null() | ~numbers.is_finite()
        row = int(wrong.fill_null(True).arg_max() or 0)
        raise InputError(
            f"{place(row)}: column {series.name} is {series[row]!r}, expected a finite number; correct it, or choose "
            "other columns with --features."
        )
    raise InputError(
        f"column {series.name}: holds {series.dtype}, expected numbers; choose other columns with --features."
    )


def is_list_of_numbers(dtype: pl.DataType) -> bool:
    """Whether a Polars type is a list, or an array of fixed width, of numbers."""
    return isinstance(dtype, (pl.List, pl.Array)) and dtype.inner.is_numeric()


def matrix_type(dtypes: Iterable[Any]) -> type[pl.DataType]:
    """What the matrix of columns of such Polars types is in: Float32 if all are narrow floats, else Float64."""
    return pl.Float32 if all(dtype.is_float() and dtype != pl.Float64 for dtype in dtypes) else pl.Float64


def _list_matrix(series, place):
    dtype = series.dtype
    if not is_list_of_numbers(dtype):
        raise InputError(
            f"{place(0)}: column {series.name} holds {dtype}, expected lists of numbers; choose another column with "
            "--features."
        )
    if series.null_count():
        row = int(series.is_null().arg_max() or 0)
        raise InputError(
            f"{place(row)}: column {series.name} is null, expected a list of numbers; drop such rows with "
            f"--where '{series.name} IS NOT NULL'."
        )
    if isinstance(dtype, pl.List):
        lengths = series.list.len()
        ragged = lengths != lengths[0]
        if ragged.any():
            row = int(ragged.arg_max() or 0)
            raise InputError(
                f"{place(row)}: column {series.name} holds {lengths[row]} numbers, but its first row holds "
                f"{lengths[0]}, expected lists of one length; correct the row."
            )
        width = lengths[0]
    else:
        width = dtype.size
    if width == 0:
        raise InputError(f"{place(0)}: column {series.name} holds an empty list, expected at least one number.")
    series = series.cast(pl.Array(matrix_type([dtype.inner]), width))
    return np.ascontiguousarray(series.rechunk().to_numpy())


def _require_finite(matrix, frame, columns, place):
    rows = max(1, _CHECKED_ENTRIES // max(1, matrix.shape[1]))
    for start in range(0, len(matrix), rows):
        finite = np.isfinite(matrix[start : start + rows])
        if not finite.all():
            row, feature = (int(index) for index in np.argwhere(~finite)[0])
            row += start
            name = f"{columns.names[0]}[{feature}]" if columns.is_list else columns.names[feature]
            value = frame[columns.names[0]][row][feature] if columns.is_list else frame[name][row]
            found, remedy = "null" if value is None else str(value), "correct it, or drop such rows"
            if value is not None and np.isfinite(value):
                found = f"{value}, too large for {matrix.dtype}"
                if matrix.dtype == np.float16:
                    remedy = "spool as float32, or drop such rows"
            raise InputError(f"{place(row)}: column {name} is {found}, expected a finite number; {remedy}.")

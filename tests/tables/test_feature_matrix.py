import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lastlayer.tables import FeatureColumns, InputError, feature_matrix


def place(row):
    return f"data: row {row}"


floats = st.floats(-1e6, 1e6, width=32)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=floats))
def test_lists_and_columns_are_the_same_matrix(X):
    lists = pl.DataFrame({"e": X})
    variable = pl.DataFrame({"e": [row.tolist() for row in X]}, schema={"e": pl.List(pl.Float32)})
    names = tuple(f"x{index}" for index in range(X.shape[1]))
    columns = pl.DataFrame(X, schema=list(names))
    for matrix in (
        feature_matrix(lists, FeatureColumns(("e",), True), place),
        feature_matrix(variable, FeatureColumns(("e",), True), place),
        feature_matrix(columns, FeatureColumns(names), place),
    ):
        assert matrix.dtype == np.float32
        assert matrix.flags.c_contiguous
        np.testing.assert_array_equal(matrix, X)


def test_a_column_of_lists_in_one_piece_is_not_copied():
    X = np.random.default_rng(0).random((10, 4), dtype=np.float32)
    frame = pl.DataFrame({"e": X})
    matrix = feature_matrix(frame, FeatureColumns(("e",), True), place)
    assert np.shares_memory(matrix, frame["e"].to_numpy())


@pytest.mark.parametrize(
    ("types", "dtype"),
    [
        ([pl.Float32, pl.Float32], np.float32),
        ([pl.Float32, pl.Float64], np.float64),
        ([pl.Float32, pl.Int8], np.float64),
        ([pl.Int64, pl.Boolean], np.float64),
    ],
)
def test_type_of_the_matrix(types, dtype):
    frame = pl.DataFrame({"b": [1, 0], "a": [1, 1]}, schema_overrides={"b": pl.Int8, "a": pl.Int8})
    frame = frame.select(pl.col("b").cast(types[1]), pl.col("a").cast(types[0]))
    matrix = feature_matrix(frame, FeatureColumns(("a", "b")), place)
    assert matrix.dtype == dtype
    np.testing.assert_array_equal(matrix, [[1, 1], [1, 0]])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1.0, 2.0], "y": [1.0, math.nan]}, "data: row 1: column y is nan"),
        ({"x": [1.0, math.inf], "y": [math.nan, 1.0]}, "data: row 0: column y is nan"),
        ({"x": [1.0, -math.inf], "y": [1.0, 1.0]}, "data: row 1: column x is -inf"),
        ({"x": [1.0, None], "y": [1.0, 2.0]}, "data: row 1: column x is null"),
        ({"x": ["1", "two"], "y": [1.0, 2.0]}, "data: row 1: column x is 'two'"),
        ({"x": ["1", "2"], "y": [1.0, 2.0]}, "data: row 0: column x is '1'"),
        ({"x": [[1.0], [2.0]], "y": [1.0, 2.0]}, "column x: holds List"),
    ],
)
def test_what_is_no_finite_number(columns, message):
    with pytest.raises(InputError) as caught:
        feature_matrix(pl.DataFrame(columns), FeatureColumns(("x", "y")), place)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        ([[1.0, 2.0], [1.0]], pl.List(pl.Float32), "row 1: column e holds 1 numbers, but its first row holds 2"),
        ([[1.0, 2.0], None], pl.List(pl.Float32), "row 1: column e is null"),
        ([[1.0, 2.0], [1.0, None]], pl.List(pl.Float32), "row 1: column e[1] is null"),
        ([[1.0, 2.0], [1.0, None]], pl.Array(pl.Float64, 2), "row 1: column e[1] is null"),
        ([[1, 2], [1, None]], pl.List(pl.Int64), "row 1: column e[1] is null"),
        ([[1.0, math.nan], [1.0, 2.0]], pl.Array(pl.Float32, 2), "row 0: column e[1] is nan"),
        ([[1.0, math.inf], [1.0, 2.0]], pl.List(pl.Float64), "row 0: column e[1] is inf"),
        ([[], []], pl.List(pl.Float64), "row 0: column e holds an empty list"),
        ([["a"], ["b"]], pl.List(pl.String), "column e holds List(String)"),
    ],
)
def test_lists_that_are_no_rows(values, dtype, message):
    frame = pl.DataFrame({"e": values}, schema={"e": dtype})
    with pytest.raises(InputError) as caught:
        feature_matrix(frame, FeatureColumns(("e",), True), place)
    assert message in str(caught.value)


def test_the_first_bad_row_far_down():
    X = np.zeros((5000, 512), np.float32)
    X[4321, 7] = np.nan
    with pytest.raises(InputError, match=r"row 4321: column e\[7\] is nan"):
        feature_matrix(pl.DataFrame({"e": X}), FeatureColumns(("e",), True), place)


def test_a_dtype_that_is_asked_for():
    frame = pl.DataFrame({"a": [1.0, 2.0], "b": [3, 4]})
    columns = FeatureColumns(("a", "b"))
    matrix = feature_matrix(frame, columns, place, dtype=np.float16)
    assert (matrix.dtype, matrix.tolist()) == (np.float16, [[1, 3], [2, 4]])
    assert feature_matrix(frame, columns, place, dtype=np.float32).dtype == np.float32
    lists = pl.DataFrame({"e": [[1.0, 2.0], [3.0, 7e4]]})
    with pytest.raises(InputError) as refused:
        feature_matrix(lists, FeatureColumns(("e",), True), place, dtype=np.float16)
    assert str(refused.value) == (
        "data: row 1: column e[1] is 70000.0, too large for float16, expected a finite number; spool as float32, or "
        "drop such rows."
    )
    with pytest.raises(InputError, match=r"row 1: column e\[1\] is 1e\+39, too large for float32, expected a finite"):
        feature_matrix(
            pl.DataFrame({"e": [[1.0], [1e39]]}).with_columns(e=pl.concat_list(pl.lit(0.0), "e")),
            FeatureColumns(("e",), True),
            place,
            dtype=np.float32,
        )

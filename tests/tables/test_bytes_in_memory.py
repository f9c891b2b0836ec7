import numpy as np
import polars as pl
import pytest

from lastlayer.tables import FeatureColumns, open_table
from lastlayer.tables.bytes_in_memory import bytes_in_memory, feature_types

F32, F64, U8, F16 = pl.Float32(), pl.Float64(), pl.UInt8(), pl.Float16()


@pytest.mark.parametrize(
    ("dtypes", "width", "splits", "of_a_row"),
    [
        ([F32] * 3, 3, False, 12 + 12),  # the frame and the matrix
        ([F32] * 3, 3, True, 12 + 12),  # the matrix and its parts
        ([F64] * 3, 3, True, 24 + 24),
        ([F32, F64], 2, False, 12 + 16 + 16),  # the frame, its columns as float64, the matrix
        ([U8] * 10, 10, False, 10 + 80 + 80),
        ([F16] * 10, 10, True, 20 + 40 + 40),
        ([F32], 768, True, 2 * 4 * 768),  # a column of lists
        ([F64], 768, False, 2 * 8 * 768),
        ([U8], 5, True, 5 + 40 + 40),
        ([pl.String()], 1, False, 16 + 8 + 8),
    ],
)
def test_every_copy_counts(dtypes, width, splits, of_a_row):
    assert bytes_in_memory(1000, dtypes, width, splits=splits) == 1000 * of_a_row
    assert bytes_in_memory(0, dtypes, width, splits=splits) == 0


def test_types_and_widths_of_features(tmp_path):
    arrays = np.arange(12, dtype=np.float32).reshape(4, 3)
    frame = pl.DataFrame({"a": [1, 2, 3, 4], "b": [0.5] * 4, "e": arrays, "l": [[1.0], [2.0, 3.0], [4.0, 5.0], []]})
    frame.write_parquet(tmp_path / "t.parquet")
    table = open_table([tmp_path / "t.parquet"])
    assert feature_types(table, FeatureColumns(("a", "b"))) == ([pl.Int64, pl.Float64], 2)
    assert feature_types(table, FeatureColumns(("e",), True)) == ([pl.Float32], 3)
    assert feature_types(table, FeatureColumns(("l",), True)) == ([pl.Float64], 1)
    assert feature_types(table.filtered("a > 1"), FeatureColumns(("l",), True)) == ([pl.Float64], 2)
    assert feature_types(table.filtered("a > 9"), FeatureColumns(("l",), True)) == ([pl.Float64], 0)
    assert feature_types(table, FeatureColumns(("a",), True)) == ([pl.Int64], 0)

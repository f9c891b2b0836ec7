import numpy as np
import polars as pl
import pytest

from lastlayer.tables import InputError, nothing_weighs, open_table, require_weight, weight_array


def place(row):
    return f"f.csv: row {row} (the first is 0)"


@pytest.mark.parametrize(
    "series",
    [
        pl.Series("w", [0, 2, 1]),
        pl.Series("w", [0.0, 2.0, 1.0], dtype=pl.Float32),
        pl.Series("w", ["0", "2", "1.0"]),
        pl.Series("w", ["0", "2", "1.0"]).cast(pl.Float64).cast(pl.Decimal(10, 2)),
    ],
)
def test_numbers_of_any_kind(series):
    weights = weight_array(series, place)
    assert weights.dtype == np.float64
    assert weights.tolist() == [0, 2, 1]


def test_booleans_choose_rows():
    assert weight_array(pl.Series("w", [True, False]), place).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (pl.Series("w", [1, -2]), "f.csv: row 1 (the first is 0): column w is -2, expected a weight: a finite number"),
        (pl.Series("w", [float("nan")]), "row 0 (the first is 0): column w is nan"),
        (pl.Series("w", [1.0, float("inf")]), "row 1 (the first is 0): column w is inf"),
        (pl.Series("w", [1, None]), "row 1 (the first is 0): column w is null"),
        (pl.Series("w", ["1", None]), "row 1 (the first is 0): column w is null"),
        (pl.Series("w", ["1", "much"]), "row 1 (the first is 0): column w is 'much', expected a weight"),
        (pl.Series("w", [[1]]), "column w holds List(Int64), expected weights"),
    ],
)
def test_what_is_no_weight(series, message):
    with pytest.raises(InputError) as failure:
        weight_array(series, place)
    assert message in str(failure.value)


def test_which_column(tmp_path):
    (tmp_path / "d.csv").write_text("w,label\n1,a\n")
    table = open_table([tmp_path / "d.csv"])
    require_weight(table, None, "label")
    require_weight(table, "w", "label")
    with pytest.raises(InputError, match="no column 'weight'"):
        require_weight(table, "weight", "label")
    with pytest.raises(InputError, match="--weight label: is the label column too, expected another column"):
        require_weight(table, "label", "label")
    assert "d.csv: column w is 0 in every row" in str(nothing_weighs("d.csv", "w"))

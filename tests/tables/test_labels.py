import math
from datetime import date

import numpy as np
import polars as pl
import pytest

from lastlayer.tables import InputError, cast_labels, label_array, label_column, open_table


def place(row):
    return f"data: row {row}"


@pytest.mark.parametrize(
    ("series", "dtype"),
    [
        (pl.Series("y", ["cow", "cat", "cow"]), object),
        (pl.Series("y", ["cow", "cat", "cow"], dtype=pl.Categorical), object),
        (pl.Series("y", ["é", "", "zz"]), object),
        (pl.Series("y", [3, 1, 2], dtype=pl.Int32), "int32"),
        (pl.Series("y", [True, False, True]), "bool"),
        (pl.Series("y", [1.0, 2.0, 1.0]), "float64"),
    ],
)
def test_labels_keep_their_type(series, dtype):
    labels = label_array(series, place)
    assert labels.dtype == np.dtype(dtype)
    assert labels.tolist() == series.to_list()


def test_trap_39_one_long_label_does_not_make_room_for_all():
    labels = label_array(pl.Series("y", ["x" * 5000, *["cat"] * 200_000]), place)
    assert labels.nbytes == 8 * 200_001
    assert labels[-1] is labels[1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", None, None], "data: row 1: column y is null, expected a label"),
        ([1, None], "data: row 1: column y is null"),
        ([1.0, 2.5], "data: row 1: column y is 2.5, expected a class label"),
        ([1.0, math.nan], "data: row 1: column y is nan"),
        ([date(2020, 1, 1)], "column y: labels are Date"),
        ([["a"]], "column y: labels are List"),
    ],
)
def test_what_is_no_label(values, message):
    with pytest.raises(InputError) as caught:
        label_array(pl.Series("y", values), place)
    assert message in str(caught.value)


def test_the_usual_names(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("x,labels\n1,a\n")
    assert label_column(open_table([str(path)])) == "labels"
    path.write_text("x,kind\n1,a\n")
    with pytest.raises(InputError, match="no column called label, labels or y"):
        label_column(open_table([str(path)]))
    with pytest.raises(InputError, match=r"did you mean 'kind'\?"):
        label_column(open_table([str(path)]), "kinds")


def test_labels_take_the_kind_of_the_classes():
    assert cast_labels(pl.Series("y", [7, 8]), np.array(["7", "8"])).to_list() == ["7", "8"]
    assert cast_labels(pl.Series("y", ["7", "8"]), np.array([7, 8])).to_list() == [7, 8]
    assert cast_labels(pl.Series("y", ["7", "x"]), np.array([7, 8])).to_list() == ["7", "x"]
    assert cast_labels(pl.Series("y", ["007", "8"]), np.array([7, 8])).to_list() == ["007", "8"]

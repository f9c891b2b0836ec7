import numpy as np
import polars as pl
import pytest

from lastlayer.cli.judged_labels import judged_labels
from lastlayer.metrics import ClassIndex
from lastlayer.tables import InputError, open_table


def test_labels_are_of_the_kind_of_the_classes(tmp_path):
    pl.DataFrame({"y": [1, 0, 7]}).write_parquet(tmp_path / "d.parquet")
    table, series = open_table([tmp_path / "d.parquet"]), pl.Series("y", [1, 0, 7])
    weights = np.array([1.0, 1.0, 0.0])
    names = judged_labels(table, series, ClassIndex(["0", "1"]), table.place, weights, unknown="which is strange")
    assert names.tolist() == ["1", "0", "7"]
    with pytest.raises(InputError) as failure:
        judged_labels(table, series, ClassIndex([0, 1]), table.place, None, unknown="which is strange", remedy="leave")
    assert str(failure.value).endswith(
        "d.parquet: row 2 (the first is 0): column y is 7, which is strange (1 rows), expected one of the 2 classes "
        '(0 to 1); leave such rows out with --where "y <> 7".'
    )

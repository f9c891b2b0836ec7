"""What shards tell, put together."""

import numpy as np
import pytest

pytest.importorskip("ray")

from lastlayer.ray.merged_shards import merged
from lastlayer.ray.shard_worker import FitColumns, ShardSummary
from lastlayer.tables import FeatureColumns, InputError, NoRows, open_table

COLUMNS = FitColumns(FeatureColumns(("x",), is_list=True), "kind", None)


def summary(classes, counts, *, width=2, place="b.csv: row 3 (the first is 0)"):
    names, counts = np.array(list(classes), object), np.array(counts)
    rows = int(counts.sum())
    return ShardSummary(rows, width, "float32", names, counts, 2.0 * counts, 2.0 * rows, place)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,kind\n1,a\n")
    return open_table([path])


def test_classes_of_one_shard_only_and_shards_without_rows(table):
    found = merged([summary("ac", [1, 2]), None, summary("bc", [3, 4])], table, COLUMNS)
    assert found.which == (0, 2)
    assert found.classes.tolist() == ["a", "b", "c"]
    assert found.counts.tolist() == [1, 3, 6]
    assert found.weights.tolist() == [2.0, 6.0, 12.0]
    assert (found.rows, found.width, found.dtype) == (10, 2, "float32")


def test_what_cannot_be_fitted_is_one_sentence(table):
    with pytest.raises(NoRows, match=r"a\.csv: no rows, expected at least one"):
        merged([None, None], table, COLUMNS)
    with pytest.raises(InputError, match="column kind is 'a' in every row, expected at least two classes"):
        merged([summary("a", [1]), summary("a", [4])], table, COLUMNS)
    lists = COLUMNS._replace(many=True)
    assert merged([summary("", []), summary("a", [4])], table, lists).classes.tolist() == ["a"]
    with pytest.raises(InputError, match="column kind is empty in every row, expected at least one label to learn"):
        merged([summary("", []), summary("", [])], table, lists)
    with pytest.raises(InputError, match=r"b\.csv: row 3 .*: column x holds lists of 3, but those before hold 2"):
        merged([summary("ab", [1, 1]), summary("ab", [1, 1], width=3)], table, COLUMNS)

"""Rows of a shard become a part whose classes are those of all shards."""

import numpy as np
import pytest

pytest.importorskip("ray")

from lastlayer.ray.shard_rows import FitSetting, RowsOfManyLabels, RowsOfOneLabel


def as_lists(rows):
    lists = np.empty(len(rows), object)
    lists[:] = rows
    return lists


def test_labels_of_many_a_row():
    weight = np.array([1.0, 2.0, 4.0])
    rows = RowsOfManyLabels(np.eye(3), as_lists([["b", "d"], [], ["d"]]), weight)
    assert rows.classes.tolist() == ["b", "d"]
    assert (rows.counts.tolist(), rows.weights.tolist()) == ([1, 2], [1.0, 5.0])
    part = rows.part(FitSetting(np.array(["a", "b", "c", "d"]), None, 14.0, "float64"))
    assert part.describe().counts.tolist() == [0, 1, 0, 2]
    (sums,) = part.label_sums()
    np.testing.assert_allclose(14 * sums, [[0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 4]])


def test_a_shard_whose_rows_have_no_label():
    rows = RowsOfManyLabels(np.eye(2), as_lists([[], []]), np.ones(2))
    assert rows.classes.size == 0
    assert rows.part(FitSetting(np.array([3, 5]), None, 2.0, "float32")).describe().counts.tolist() == [0, 0]


def test_one_label_each():
    rows = RowsOfOneLabel(np.eye(3), np.array([7, 5, 7]), np.array([1.0, 2.0, 4.0]))
    assert (rows.classes.tolist(), rows.counts.tolist(), rows.weights.tolist()) == ([5, 7], [1, 2], [2.0, 5.0])
    part = rows.part(FitSetting(np.array([5, 6, 7]), np.array([10.0, 1.0, 1.0]), 25.0, "float64"))
    np.testing.assert_allclose(25 * part.describe().shares, [20, 0, 5])

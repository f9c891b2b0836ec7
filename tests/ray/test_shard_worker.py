"""A worker whose machine has no room keeps its features on a disk, and answers the same."""

import numpy as np
import polars as pl
import pytest

pytest.importorskip("ray")

from lastlayer.ray import shard_worker
from lastlayer.ray.shard_rows import FitSetting
from lastlayer.ray.shard_worker import FitColumns, ShardWorker
from lastlayer.tables import InputError, choose_features, cut_shards, open_table


@pytest.fixture
def read_both(tmp_path, monkeypatch):
    """Function of a shard and its columns to what two workers tell, one with room in memory, one with none."""
    for name in ("LASTLAYER_NUM_THREADS", "POLARS_MAX_THREADS"):
        monkeypatch.setenv(name, "1")

    def read(shard, columns):
        found = []
        for free in (1e12, 0.0):
            monkeypatch.setattr(shard_worker, "available_memory", lambda free=free: free)
            worker = ShardWorker(1, str(tmp_path))
            try:
                summary, rows = worker.read(shard, columns), worker._rows
                assert rows is None or isinstance(rows.features, np.memmap) == (free == 0)
                found.append((summary, None if rows is None else (rows.features, rows.classes, rows.weight)))
            except InputError as failure:
                found.append((str(failure), None))
            worker._limit.restore_original_limits()
        return found

    return read


def weighted_shard(tmp_path, weights, where=None):
    """One shard of so many rows of three features and a label, and its columns."""
    rng, path = np.random.default_rng(0), str(tmp_path / "rows.parquet")
    features = {f"f{j}": rng.standard_normal(len(weights)) for j in range(3)}
    pl.DataFrame({**features, "y": np.arange(len(weights)) % 2, "times": weights}).write_parquet(path)
    table = open_table([path]).filtered(where)
    columns = FitColumns(choose_features(table, (), "y", weight="times"), "y", "times")
    (shard,) = cut_shards(table, columns.names(), 1, format=None)
    return shard, columns


def told(summary):
    return [part.tolist() if isinstance(part, np.ndarray) else part for part in summary]


@pytest.mark.parametrize("where", [None, "f0 < 9"])
def test_rows_of_weight_0_are_left_out_in_memory_and_on_a_disk(tmp_path, read_both, where):
    shard, columns = weighted_shard(tmp_path, [0.0, 0.0, 2.0, 0.0, 0.5, 1.0], where)
    (one, arrays), (other, mapped) = read_both(shard, columns)
    assert told(one) == told(other)
    assert (one.rows, one.place) == (3, f"{shard.name}: row 2 (the first is 0)")
    for left, right in zip(arrays, mapped, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_shard_in_which_nothing_weighs_has_no_rows(tmp_path, read_both):
    assert read_both(*weighted_shard(tmp_path, [0.0] * 5)) == [(None, None)] * 2


@pytest.mark.parametrize("weights", [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [0.0] * 3])
def test_files_that_have_changed_are_told(tmp_path, read_both, weights):
    shard, columns = weighted_shard(tmp_path, [1.0, 1.0, 1.0, 1.0])
    pl.read_parquet(tmp_path / "rows.parquet").head(3).with_columns(times=pl.Series(weights)).write_parquet(
        tmp_path / "rows.parquet"
    )
    for found, _ in read_both(shard, columns):
        assert "3 rows where 4 were counted, expected files that do not change" in found


def test_features_on_a_disk_give_the_same_answers(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 5))  # float64, which a disk must not make narrower
    path = str(tmp_path / "rows.parquet")
    pl.DataFrame({"x": pl.Series(X, dtype=pl.Array(pl.Float64, 5)), "y": rng.integers(0, 3, 400)}).write_parquet(path)
    table = open_table([path])
    columns = FitColumns(choose_features(table, (), "y", weight=None), "y", None)
    (shard,) = cut_shards(table, columns.names(), 1, format=None)
    # The worker's settings are for its own process.
    for name in ("LASTLAYER_NUM_THREADS", "POLARS_MAX_THREADS"):
        monkeypatch.setenv(name, "1")
    answers, stored = [], []
    for free in (1e12, 0.0):
        monkeypatch.setattr(shard_worker, "available_memory", lambda free=free: free)
        worker = ShardWorker(1, str(tmp_path))
        summary = worker.read(shard, columns)
        stored.append(isinstance(worker._rows.features, np.memmap))
        worker.hold(FitSetting(summary.classes, None, 400.0, summary.dtype))
        for question in ("set_head", "set_direction"):
            worker.answer(None, question, np.eye(3, 5), np.arange(3.0))
        answers.append(worker.answer(1, "step", 0.5)[0])
        worker._limit.restore_original_limits()
    assert stored == [False, True]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
    for one, other in zip(*answers, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)

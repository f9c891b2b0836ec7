"""A worker whose machine has no room keeps its features on a disk, and answers the same."""

import numpy as np
import polars as pl

from lastlayer.ray import shard_worker
from lastlayer.ray.shard_worker import FitColumns, ShardWorker
from lastlayer.tables import choose_features, cut_shards, open_table


def test_features_on_a_disk_give_the_same_answers(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 5))  # float64, which a disk must not make narrower
    path = str(tmp_path / "rows.parquet")
    pl.DataFrame({"x": pl.Series(X, dtype=pl.Array(pl.Float64, 5)), "y": rng.integers(0, 3, 400)}).write_parquet(path)
    table = open_table([path])
    columns = FitColumns(choose_features(table, (), "y", weight=None), "y", None)
    (shard,) = cut_shards(table, [path], columns.names(), 1, format=None)
    # The worker's settings are for its own process.
    for name in ("LASTLAYER_NUM_THREADS", "POLARS_MAX_THREADS"):
        monkeypatch.setenv(name, "1")
    answers, stored = [], []
    for free in (1e12, 0.0):
        monkeypatch.setattr(shard_worker, "available_memory", lambda free=free: free)
        worker = ShardWorker(1, str(tmp_path))
        summary = worker.read(shard, columns)
        stored.append(isinstance(worker._arrays[0], np.memmap))
        worker.hold(summary.classes, np.ones(3), 400.0, summary.dtype)
        for question in ("set_head", "set_direction"):
            worker.answer(None, question, np.eye(3, 5), np.arange(3.0))
        answers.append(worker.answer(1, "step", 0.5)[0])
        worker._limit.restore_original_limits()
    assert stored == [False, True]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
    for one, other in zip(*answers, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)

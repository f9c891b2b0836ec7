"""A table cut into shards is the table, wherever a shard is opened."""

import os

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.tables import InputError, cut_shards, open_table, paths_for_workers


def frames(shards, columns):
    return pl.concat([shard.open().collect(columns) for shard in shards])


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    rows = pl.DataFrame({"x": np.arange(23.0), "n": np.arange(23) % 5, "name": [f"row {k}" for k in range(23)]})
    rows[:9].write_parquet(folder / "a.parquet", row_group_size=4)
    rows[9:10].with_columns(pl.col("n").cast(pl.Int8)).write_csv(folder / "b.csv")
    rows[10:].write_ndjson(folder / "c.jsonl")
    return [folder / name for name in ("a.parquet", "b.csv", "c.jsonl")], rows


@given(count=st.integers(1, 30))
def test_shards_are_the_table_in_order_and_balanced(parts, count):
    paths, rows = parts
    shards = cut_shards(open_table(paths), ["x", "n", "name"], count, format=None)
    assert len(shards) == min(count, 23)
    sizes = [shard.rows for shard in shards]
    assert sum(sizes) == 23
    assert max(sizes) - min(sizes) <= 1
    assert frames(shards, ["x", "n", "name"]).equals(rows)


def test_a_row_is_named_by_its_number_in_the_file(parts):
    paths, _ = parts
    table = open_table(paths, where="n > 0")
    shards = cut_shards(table, ["x"], 4, format=None)
    places = [shard.open().place(row) for shard in shards for row in range(shard.open().count())]
    assert places == [table.place(row) for row in range(table.count())]
    assert frames(shards, ["x"]).equals(table.collect(["x"]))


def test_a_shard_is_found_from_another_folder(parts, tmp_path, monkeypatch):
    paths, rows = parts
    monkeypatch.chdir(paths[0].parent)
    (shard,) = cut_shards(open_table([path.name for path in paths]), ["x"], 1, format=None)
    monkeypatch.chdir(tmp_path)
    assert frames([shard], ["x"]).equals(rows.select("x"))


def test_shards_read_all_files_as_one_type(tmp_path):
    pl.DataFrame({"x": pl.Series([1.5, 2.5], dtype=pl.Float32), "y": ["7", "8"]}).write_csv(tmp_path / "a.csv")
    pl.DataFrame({"x": [1, 2], "y": ["007", "8"]}).write_csv(tmp_path / "b.csv")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    table = open_table(paths).as_written(["y"])
    shards = cut_shards(table, ["x", "y"], 2, format=None)
    found = [shard.open().collect(["x", "y"]) for shard in shards]
    assert [frame["y"].to_list() for frame in found] == [["7", "8"], ["007", "8"]]
    assert {tuple(frame.dtypes) for frame in found} == {(pl.Float64, pl.String)}


def test_npy_files_are_columns_of_every_shard(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(12.0).reshape(6, 2))
    np.save(tmp_path / "y.npy", np.arange(6))
    paths = [tmp_path / "X.npy", tmp_path / "y.npy"]
    shards = cut_shards(open_table(paths), ["X", "y"], 2, format=None)
    assert [shard.open().collect(["y"])["y"].to_list() for shard in shards] == [[0, 1, 2], [3, 4, 5]]


def test_what_one_process_alone_can_read_is_refused(tmp_path):
    with pytest.raises(InputError, match="standard input is for one process"):
        paths_for_workers(["-"])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: is no regular file"):
        paths_for_workers([tmp_path / "pipe"])

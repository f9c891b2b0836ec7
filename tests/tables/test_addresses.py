"""Files in an object store are read where they lie; a local file goes before an address."""

import numpy as np
import polars as pl
import pytest

from lastlayer.tables import InputError, cut_shards, open_table
from tests.tables.object_store import ObjectStore


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An ObjectStore of files of three kinds in the folder of a bucket, and the rows of its two parquet files."""
    folder = tmp_path / "store" / "bucket" / "rows"
    folder.mkdir(parents=True)
    frames = [pl.DataFrame({"a": np.arange(n) + n, "name": ["x"] * n}) for n in (700, 300)]
    for k, frame in enumerate(frames):
        frame.write_parquet(folder / f"part-{k}.parquet", row_group_size=100)
    frames[0].write_csv(folder / "some.csv")
    frames[0].write_ndjson(folder / "some.jsonl")
    frames[0].write_ipc(folder / "some.arrow")
    store = ObjectStore(tmp_path / "store")
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    yield store, pl.concat(frames)
    store.close()


def test_a_pattern_is_the_files_in_their_order(store):
    _, frame = store
    table = open_table(["s3://bucket/rows/part-*.parquet"])
    assert [source.name for source in table.sources] == [f"s3://bucket/rows/part-{k}.parquet" for k in (0, 1)]
    assert table.row_counts() == [700, 300]
    assert table.collect(["name", "a"]).equals(frame.select("name", "a"))
    assert table.place(750) == "s3://bucket/rows/part-1.parquet: row 50 (the first is 0)"
    assert table.filtered("a > 1000").collect(["a"]).height == 399


@pytest.mark.parametrize("kind", ["csv", "jsonl", "arrow"])
def test_other_kinds_are_read_too(store, kind):
    _, frame = store
    for path in (f"s3://bucket/rows/some.{kind}", f"s3://bucket/rows/some.{kind[0]}*"):
        format = None if path.endswith(kind) else kind
        assert open_table([path], format=format).collect(["a", "name"]).equals(frame.head(700))


def test_shards_open_where_they_stand(store):
    _, frame = store
    paths = ["s3://bucket/rows/part-*.parquet"]
    shards = cut_shards(open_table(paths), ["a"], 4, format=None)
    assert [shard.rows for shard in shards] == [250] * 4
    assert shards[3].pieces[0].paths == ("s3://bucket/rows/part-1.parquet",)
    found = pl.concat([shard.open().collect(["a"]) for shard in shards])
    assert found.equals(frame.select("a"))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("s3://bucket/rows/none.parquet", r"s3://bucket/rows/none\.parquet: cannot be read \(.*not found"),
        ("s3://bucket/rows/none-*.parquet", r"s3://bucket/rows/none-\*\.parquet: .*check the address"),
        (
            "s3://bucket/rows/some.npy",
            r"s3://bucket/rows/some\.npy: of no kind that is read from a store, expected parq",
        ),
        ("s3://bucket/rows/*", r"s3://bucket/rows/\*: of no kind that is read from a store, .* --format"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(store, path, sentence):
    with pytest.raises(InputError, match=sentence):
        open_table([path])


def test_a_file_whose_name_is_an_address_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "bucket").mkdir(parents=True)
    (tmp_path / "s3:" / "bucket" / "data.csv").write_text("a\n1\n")
    assert open_table(["s3://bucket/data.csv"]).collect(["a"])["a"].to_list() == [1]


def test_an_address_of_this_machine_is_its_file(tmp_path):
    folder = tmp_path / "two words"
    folder.mkdir()
    for k in range(2):
        (folder / f"{k}.csv").write_text(f"a\n{k}\n")
    address = folder.as_uri()
    assert "%20" in address
    assert open_table([f"{address}/*.csv"]).collect(["a"])["a"].to_list() == [0, 1]
    with pytest.raises(InputError, match=r"two words/2\.csv: no such file"):
        open_table([f"{address}/2.csv"])

import gzip
import io
import random

import numpy as np
import polars as pl
import pytest

from lastlayer.tables import InputError, choose_features, open_table

FRAME = pl.DataFrame({"a": [1.5, 2.5, 3.5], "b": [1, 2, 3], "label": ["x", "y", "x"]})
WRITERS = {
    "parquet": pl.DataFrame.write_parquet,
    "arrow": pl.DataFrame.write_ipc,
    "csv": pl.DataFrame.write_csv,
    "jsonl": pl.DataFrame.write_ndjson,
    "tsv": lambda frame, path: frame.write_csv(path, separator="\t"),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file(tmp_path, kind):
    path = tmp_path / f"data.{kind}"
    WRITERS[kind](FRAME, path)
    assert open_table([str(path)]).collect(["a", "b", "label"]).equals(FRAME)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "jsonl"])
def test_standard_input_is_recognised(kind):
    buffer = io.BytesIO()
    WRITERS[kind](FRAME, buffer)
    buffer.seek(0)
    table = open_table(["-"], where="b > 1", stdin=buffer)
    assert table.collect(["b"])["b"].to_list() == [2, 3]
    assert table.place(0) == "standard input: row 1 (the first is 0)"


def test_a_file_without_suffix_is_recognised_by_its_first_bytes(tmp_path):
    FRAME.write_parquet(tmp_path / "data")
    assert open_table([str(tmp_path / "data")]).schema == FRAME.schema


def test_files_and_patterns_follow_one_another(tmp_path):
    for number in range(3):
        FRAME.with_columns(pl.lit(number).alias("part")).write_parquet(tmp_path / f"part-{number}.parquet")
    table = open_table([str(tmp_path / "part-[12].parquet"), str(tmp_path / "part-0.parquet")])
    assert table.collect(["part"])["part"].to_list() == [1, 1, 1, 2, 2, 2, 0, 0, 0]


def test_whole_numbers_followed_by_fractions_in_text(tmp_path):
    (tmp_path / "data.csv").write_text("a\n" + "1\n" * 20_000 + "2.5\n")
    assert open_table([str(tmp_path / "data.csv")]).collect(["a"])["a"][-1] == 2.5


def test_npy_files_are_columns(tmp_path):
    X = np.random.default_rng(0).random((5, 3), dtype=np.float32)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", np.arange(5))
    frame = open_table([str(tmp_path / "X.npy"), str(tmp_path / "y.npy")]).collect(["X", "y"])
    np.testing.assert_array_equal(frame["X"].to_numpy(), X)
    assert frame["y"].to_list() == [0, 1, 2, 3, 4]


def test_labels_shorter_than_features(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((5, 3)))
    np.save(tmp_path / "y.npy", np.arange(4))
    with pytest.raises(InputError, match=r"y\.npy: 4 rows, but X\.npy has 5, expected one entry for each row"):
        open_table([str(tmp_path / "X.npy"), str(tmp_path / "y.npy")])


def test_npz_takes_the_arrays_of_one_length(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, X_train=np.zeros((5, 2)), y_train=np.array(list("abcde")), X_test=np.ones((3, 2)), scale=2.0)
    assert list(open_table([str(path)]).schema) == ["X_train", "y_train"]
    test = open_table([str(path)], wanted=["X_test"])
    assert list(test.schema) == ["X_test"]
    with pytest.raises(InputError, match=r"array y_train has 5 rows, but X_test has 3"):
        test.collect(["y_train"])
    with pytest.raises(InputError, match=r"array scale is an array of 0 dimensions"):
        test.collect(["scale"])


def test_npz_of_objects_is_not_unpickled(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, X=np.zeros((2, 2)), y=np.array(["a", None], dtype=object))
    with pytest.raises(InputError, match="array y is an array of Python objects"):
        open_table([str(path)]).collect(["y"])


def test_array_types_that_polars_lacks(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(
        path,
        half=np.ones((2, 2), np.float16),
        big=np.ones(2, ">f8"),
        flags=np.array([[True, False]] * 2),
        wide=np.ones(2, np.longdouble),
        turned=np.arange(4.0).reshape(2, 2).T,
    )
    frame = open_table([str(path)]).collect(["half", "big", "flags", "wide", "turned"])
    assert frame.schema["half"] == pl.Array(pl.Float32, 2)
    assert frame["big"].to_list() == [1.0, 1.0]
    assert frame["flags"].to_list() == [[1, 0], [1, 0]]
    assert frame["turned"].to_list() == [[0.0, 2.0], [1.0, 3.0]]


def write(path, content):
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "empty.csv: empty"),
        ("data.txt", b"hello world", "of no known kind"),
        ("data.parquet", b"PAR1 but nothing else", "cannot be read"),
        ("data.arrow", b"ARROW1 but nothing else", "cannot be read"),
        ("data.npy", b"\x93NUMPY but nothing else", "data.npy: an array in version 32.98"),
        ("data.npz", b"PK\x03\x04 but nothing else", "no whole .npz file"),
        ("data.jsonl", b'{"a": 1}\n{"a": ', "cannot be read"),
        ("data.csv", b"a,b\n1,2\n1,2,3\n", "cannot be read"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    def read():
        table = open_table([write(tmp_path / name, content)])
        table.collect(table.schema)

    with pytest.raises(InputError, match=message) as caught:
        read()
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    for paths, message in [
        ([], "no file given"),
        ([str(tmp_path / "none.parquet")], "none.parquet: no such file"),
        ([str(tmp_path / "*.parquet")], "no file matches this pattern"),
        ([str(tmp_path)], "a folder, expected a file"),
        (["-", "-"], "named twice"),
    ]:
        with pytest.raises(InputError, match=message):
            open_table(paths)
    with pytest.raises(InputError, match="standard input: empty"):
        open_table(["-"], stdin=io.BytesIO(b" \n"))


def contents():
    """Small files of every kind."""
    frame = pl.DataFrame({"a": np.arange(20) * 1.5, "b": np.arange(20)[::-1].copy(), "label": ["x", "y"] * 10})
    X, y, names = np.arange(60.0).reshape(20, 3), np.arange(20), np.array(["a", "bb"] * 10)
    writers = {
        "parquet": frame.write_parquet,
        "arrow": lambda stream: frame.write_ipc(stream, compression="zstd"),
        "feather": frame.write_ipc_stream,
        "csv": frame.write_csv,
        "jsonl": frame.write_ndjson,
        "json": frame.write_json,
        "npy": lambda stream: np.save(stream, X),
        "text.npy": lambda stream: np.save(stream, names),
        "npz": lambda stream: np.savez(stream, X=X, y=y, names=names),
        "packed.npz": lambda stream: np.savez_compressed(stream, X=X, y=y, names=names),
    }
    for name, write in writers.items():
        stream = io.BytesIO()
        write(stream)
        yield name, stream.getvalue()
        if name in ("csv", "jsonl"):
            yield f"{name}.gz", gzip.compress(stream.getvalue(), mtime=0)


CONTENTS = dict(contents())


@pytest.mark.parametrize("name", CONTENTS)
def test_damaged_files_are_read_or_refused_in_one_sentence(tmp_path, name):
    """Cut short at every 64th byte, or with one bit flipped: never another exception, a panic of Polars included."""
    content = CONTENTS[name]
    draw = random.Random(0)
    damaged = [content[:cut] for cut in range(0, len(content), 64)]
    for _ in range(40):
        flipped = bytearray(content)
        flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        damaged.append(bytes(flipped))
    path = tmp_path / f"data.{name}"
    for content in damaged:
        path.write_bytes(content)
        try:
            table = open_table([str(path)])
            table.collect(table.schema)
            table.place(0)
            choose_features(table)
        except InputError as failure:
            assert "\n" not in str(failure)  # noqa: PT017
            assert str(failure).endswith((".", "?"))  # noqa: PT017

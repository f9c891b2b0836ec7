"""What predictions on Ray refuse, how they are cut, and what is left of them after a failure; without Ray."""

import importlib

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

pytest.importorskip("ray")

import lastlayer as ll
import lastlayer.ray as lr
from lastlayer.cli.program import program
from lastlayer.ray import mapped_shards
from lastlayer.storage import UnwritableFile
from lastlayer.tables import InputError
from tests.ray.conftest import drawn_rows, write_rows


@pytest.fixture
def rows(tmp_path):
    """The path of a file of 60 rows, with numbers, lists and bytes beside, and a model of it."""
    X, y = drawn_rows(60, 0)
    model = ll.SoftmaxClassifier().fit(pl.DataFrame(dict(zip(["f0", "f1", "f2", "f3"], X.T, strict=True))), y)
    others = {"id": np.arange(60), "e": [[1, 2]] * 60, "b": [b"x"] * 60, "prediction": ["?"] * 60}
    return write_rows(tmp_path / "rows.parquet", X, y, **others), model


@pytest.mark.parametrize(
    ("out", "options", "sentence"),
    [
        ("p.csv", {"keep": ["prediction"]}, "keep prediction: is a column of the predictions too"),
        ("p.csv", {"keep": ["e"]}, "keep e: holds lists, which csv cannot hold; write parquet or jsonl"),
        ("p.jsonl", {"keep": "b"}, "keep b: holds bytes, which jsonl cannot hold"),
        ("parts", {"keep": "idd"}, "no column 'idd'"),
        ("-", {}, r"out: received '-', expected a file called .parquet, .csv or .jsonl, or a folder"),
        ("p.v2", {}, "out: received 'p.v2', expected"),
    ],
)
def test_bad_arguments_are_one_sentence_before_ray_starts(inline, rows, tmp_path, monkeypatch, out, options, sentence):
    monkeypatch.chdir(tmp_path)
    seen = inline("predict_files")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=sentence):
        lr.predict(rows[1], rows[0], out, **options)
    assert seen == []
    assert sorted(tmp_path.iterdir()) == before


def test_one_name_is_a_column(inline, rows, tmp_path):
    inline("predict_files")
    assert lr.predict(rows[1], rows[0], tmp_path / "p.csv", keep="id") == 60
    written = pl.read_csv(tmp_path / "p.csv")
    assert written.columns == ["id", "prediction", "probability"]
    assert written["id"].to_list() == list(range(60))


def test_shards_are_shorter_where_rows_of_the_answer_are_longer(inline, rows, tmp_path, monkeypatch):
    seen = inline("predict_files")
    monkeypatch.setattr(mapped_shards, "MOST_NUMBERS", 60)
    lr.predict(rows[1], rows[0], tmp_path / "a.parquet")
    lr.predict(rows[1], rows[0], tmp_path / "b.parquet", probabilities=True, keep=["id"])
    # Two columns, and six: the answer, its probability, one of each of three classes, and the one that is copied.
    assert seen == [2, 6]


@pytest.mark.parametrize("out", ["none/parts", "s3://bucket/parts", "none/a.parquet"])
def test_a_place_that_is_not_there_is_told_before_ray_starts(rows, tmp_path, monkeypatch, out):
    monkeypatch.setattr("lastlayer.ray.predict_files.connected", None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnwritableFile, match=r"cannot be written \(No such file or directory\)"):
        lr.predict(rows[1], rows[0], out)


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_is_written_as_a_whole_or_not_at_all(inline, rows, tmp_path, there):
    inline("predict_files")
    path, model = rows
    wrong = pl.read_parquet(path).with_columns(pl.when(pl.col("id") == 50).then(np.nan).otherwise("f0").alias("f0"))
    wrong.write_parquet(tmp_path / "wrong.parquet", row_group_size=30)
    if there:
        (tmp_path / "parts").mkdir(mode=0o750)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"row 50 .*: column f0 is nan, expected a finite number"):
        lr.predict(model, tmp_path / "wrong.parquet", tmp_path / "parts")
    assert sorted(tmp_path.rglob("*")) == before
    assert lr.predict(model, path, tmp_path / "parts") == 60
    assert pl.read_parquet(tmp_path / "parts/*.parquet").height == 60
    if there:
        assert (tmp_path / "parts").stat().st_mode & 0o777 == 0o750
    assert [path.name for path in tmp_path.rglob(".*")] == []


def test_the_command_opens_its_files_once_and_writes_what_one_process_does(inline, rows, tmp_path, monkeypatch):
    inline("predict_files")
    opened = []
    for place in map(importlib.import_module, ("lastlayer.cli.predict", "lastlayer.ray.predict_files")):
        of_module = place.open_table
        monkeypatch.setattr(place, "open_table", lambda *a, f=of_module, **o: opened.append(a) or f(*a, **o))
    rows[1].save(tmp_path / "m")
    common = ["predict", str(tmp_path / "m"), str(rows[0]), "--keep", "id,e", "--top", "2", "--where", "id > 5", "-q"]
    for out, more in (("a.parquet", ()), ("b.parquet", ("--ray", "local"))):
        result = CliRunner().invoke(program, [*common, *more, "-o", str(tmp_path / out)])
        assert result.exit_code == 0, result.output
    assert pl.read_parquet(tmp_path / "a.parquet").equals(pl.read_parquet(tmp_path / "b.parquet"))
    assert len(opened) == 2

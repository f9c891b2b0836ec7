import errno
import json
import os
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import polars as pl
import pytest

import lastlayer as ll
from lastlayer.tables.spool import Spool

FIT = ["--label", "kind", "--features", "width,height"]
# Less than Python itself takes: everything is spooled.
SPOOLED = ["--memory", "1MB"]


@pytest.fixture
def fitted(run, tmp_path):
    """The summary and the head of a fit, and what it said."""

    def fit(*arguments, out="m"):
        result = run("fit", *arguments, "--json", "-o", tmp_path / out)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout), ll.load(tmp_path / out), result.stderr

    return fit


def assert_same_fit(found, expected, rtol=1e-3):
    for key, value in expected[0].items():
        if key in ("rows", "held_out_rows", "classes", "features", "feature_columns", "list_column", "labels_per_row"):
            assert found[0][key] == value
    np.testing.assert_allclose(found[1].coef_, expected[1].coef_, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(found[1].beta_, expected[1].beta_, rtol=rtol)
    assert found[0]["objective"] == pytest.approx(expected[0]["objective"], rel=1e-5)
    if expected[0]["log_loss_after"] is not None:
        assert found[0]["log_loss_after"] == pytest.approx(expected[0]["log_loss_after"], rel=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--holdout", "0"],
        ["--holdout", "0.4", "--standardize"],
        ["--where", "split <> 'test'"],
        ["--where", "split = 'train'", "--validation-where", "split = 'val'"],
        ["--weight", "w"],
        ["--weight", "w", "--where", "split = 'train'", "--validation-where", "split = 'val'"],
        ["--where", "split = 'train'", "--validation-where", "split = 'val'", "--C", "auto"],
        ["--candidates", "2", "--tol", "0.9"],
    ],
)
def test_a_spooled_fit_is_the_fit_in_memory(fitted, table, tmp_path, arguments):
    frame = pl.read_parquet(table).with_columns(w=pl.col("id") % 4)
    for part in range(3):
        frame[part::3].write_parquet(tmp_path / f"part-{part}.parquet")
    common = [tmp_path / "part-*.parquet", *FIT, "--tol", "1e-6", *arguments]
    expected, found = fitted(*common), fitted(*common, *SPOOLED, "--spool", tmp_path)
    assert (expected[0]["spooled_bytes"], found[0]["spooled_bytes"] > 0) == (0, True)
    if "--candidates" not in arguments:
        assert_same_fit(found, expected)
        assert found[0]["spooled_bytes"] == (found[0]["rows"] + found[0]["held_out_rows"]) * 2 * 4
    assert "spooling 4.8 kB" in found[2] or "--weight" in arguments or "--where" in arguments
    assert "rows\n" in found[2]
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["animals.parquet", "m", *(f"part-{part}.parquet" for part in range(3))]
    )


@pytest.mark.parametrize("of_label", [pl.Int64, pl.Boolean, pl.UInt8, pl.Float32, pl.Categorical])
def test_labels_of_every_kind(fitted, table, tmp_path, of_label):
    kind = pl.col("kind") if of_label == pl.Categorical else pl.col("kind") == "cat"
    pl.read_parquet(table).with_columns(kind=kind.cast(of_label)).write_parquet(tmp_path / "t.parquet")
    common = [tmp_path / "t.parquet", *FIT, "--tol", "1e-6"]
    assert_same_fit(fitted(*common, *SPOOLED), fitted(*common))


def test_float16_takes_half_and_is_close(fitted, table):
    expected = fitted(table, *FIT)
    found = fitted(table, *FIT, *SPOOLED, "--spool-dtype", "float16")
    assert found[0]["spooled_bytes"] == 600 * 2 * 2
    np.testing.assert_allclose(found[1].coef_, expected[1].coef_, atol=5e-3)
    assert found[1].coef_.dtype == np.float32


def test_float64_is_spooled_as_float32_and_said(fitted, table, tmp_path):
    pl.read_parquet(table).with_columns(pl.col("width", "height").cast(pl.Float64)).write_csv(tmp_path / "t.csv")
    common = [tmp_path / "t.csv", *FIT, "--tol", "1e-6"]
    expected, found = fitted(*common), fitted(*common, *SPOOLED)
    assert_same_fit(found, expected)
    assert found[1].coef_.dtype == np.float32
    assert "as float32" in found[2]


def test_lists_of_labels(fitted, tmp_path):
    X = np.random.default_rng(0).standard_normal((300, 2))
    labels = [["a"] * int(x > 0) + ["b"] * int(y > 0) for x, y in X + np.random.default_rng(1).normal(size=X.shape)]
    frame = pl.DataFrame({"x": X.tolist(), "kinds": labels, "split": ["a", "b", "a"] * 100})
    frame.write_parquet(tmp_path / "t.parquet")
    common = [tmp_path / "t.parquet", "--labels", "kinds", "--features", "x"]
    for more in ([], ["--where", "split = 'a'", "--validation-where", "split = 'b'", "--C", "auto"]):
        found, expected = fitted(*common, *more, *SPOOLED), fitted(*common, *more)
        np.testing.assert_allclose(found[1].coef_, expected[1].coef_, rtol=1e-2, atol=1e-3)
        np.testing.assert_allclose(found[1].beta_, expected[1].beta_, rtol=1e-2)


def test_labels_of_a_validation_file_that_writes_numbers(fitted, table, tmp_path):
    frame = pl.read_parquet(table).with_columns(kind=pl.col("kind").replace({"cat": "7", "cow": "8", "dog": "9"}))
    frame.filter(split="train").write_parquet(tmp_path / "train.parquet")
    frame.filter(split="val").write_csv(tmp_path / "val.csv")
    common = [tmp_path / "train.parquet", "--validation", tmp_path / "val.csv", *FIT]
    assert_same_fit(fitted(*common, *SPOOLED), fitted(*common))


def test_rows_that_fit_are_not_spooled(fitted, table):
    summary, _, said = fitted(table, *FIT, "--memory", "8GB")
    assert summary["spooled_bytes"] == 0
    assert "spool" not in said


def test_progress_and_silence(run, table, tmp_path, monkeypatch):
    monkeypatch.setattr("lastlayer.tables.spooled_rows._ENTRIES", 200)
    monkeypatch.setattr("lastlayer._progress_line._PAUSE", 0.0)
    result = run("fit", table, *FIT, *SPOOLED, "-o", tmp_path / "m")
    lines = result.stderr.splitlines()
    assert lines[0].startswith("spooling 4.8 kB of features as float32: in memory they would take up to ")
    assert lines[1:3] == ["read 100 of 600 rows", "read 200 of 600 rows"]
    assert lines.index("read 600 rows") < next(i for i, line in enumerate(lines) if line.startswith("iteration"))
    assert run("fit", table, *FIT, *SPOOLED, "-o", tmp_path / "m", "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("height"), "no column 'height'"),
        (lambda f: f.with_columns(height=pl.col("height").cast(pl.String)), "column height holds text, but that of"),
        (lambda f: f.with_columns(kind=pl.lit(3)), "column kind holds numbers, but that of"),
        (lambda f: f.with_columns(kind=None), "b.parquet: row 0 (the first is 0): column kind is null"),
        (lambda f: f.with_columns(height=None), "b.parquet: row 0 (the first is 0): column height is null"),
        (lambda f: f.with_columns(height=float("nan")), "b.parquet: row 0 (the first is 0): column height is NaN"),
        (lambda f: f.with_columns(height=1e300), "column height is 1e+300, too large for float32"),
    ],
)
def test_bad_files_are_one_sentence_and_leave_nothing(run, table, tmp_path, monkeypatch, change, message):
    monkeypatch.setattr("lastlayer.tables.spooled_rows._ENTRIES", 200)
    spool = tmp_path / "spool"
    spool.mkdir()
    change(pl.read_parquet(table)).write_parquet(tmp_path / "b.parquet")
    where = ("--spool", spool, *SPOOLED, "-o", tmp_path / "m", "--quiet")
    result = run("fit", table, tmp_path / "b.parquet", *FIT, *where)
    assert result.exit_code == 2
    assert message in result.stderr.replace("nan", "NaN")
    assert len(result.stderr.splitlines()) == 1
    assert os.listdir(spool) == []
    assert not (tmp_path / "m").exists()


def test_an_unknown_label_is_named_by_its_row_among_those_of_weight_0(refused, table, tmp_path):
    frame = pl.read_parquet(table).with_columns(w=pl.col("id") % 2)
    frame.filter(split="train").write_parquet(tmp_path / "train.parquet")
    kinds = pl.when(pl.col("id") == 321).then(pl.lit("eel")).otherwise("kind").alias("kind")
    frame.filter(split="val").with_columns(kinds).write_parquet(tmp_path / "val.parquet")
    common = ("fit", tmp_path / "train.parquet", "--validation", tmp_path / "val.parquet", *FIT, "--weight", "w")
    for more in ((), SPOOLED):
        message = refused(*common, *more, "-o", tmp_path / "m", "--quiet")
        assert "val.parquet: row 21 (the first is 0): column kind is 'eel'" in message


def test_a_file_of_no_bytes(refused, table, tmp_path):
    (tmp_path / "b.parquet").touch()
    assert "b.parquet" in refused("fit", table, tmp_path / "b.parquet", *FIT, *SPOOLED, "-o", tmp_path / "m")


def test_a_file_without_rows_among_several(fitted, refused, table, tmp_path):
    pl.read_parquet(table).clear().write_parquet(tmp_path / "a.parquet")
    pl.read_parquet(table).clear().write_ipc(tmp_path / "c.arrow")
    expected = fitted(table, *FIT, "--tol", "1e-6")
    for more in (["--tol", "1e-6"], ["--tol", "1e-6", *SPOOLED]):
        for empty in ("a.parquet", "c.arrow"):
            assert_same_fit(fitted(tmp_path / empty, table, *FIT, *more), expected)
            assert_same_fit(fitted(table, tmp_path / empty, *FIT, *more), expected)
        message = refused("fit", *[tmp_path / "a.parquet"] * 2, *FIT, *more, "-o", tmp_path / "n", "--quiet")
        assert "a.parquet and 1 more: no rows, expected at least one; check the file." in message


def test_other_refusals(refused, table, tmp_path):
    quiet = [*SPOOLED, "-o", tmp_path / "m", "--quiet"]
    message = refused("fit", table, *FIT, *quiet, "--C", "auto")
    assert "--C auto: " in message
    assert "name --validation rows to choose C on, a C, or more --memory." in message
    frame = pl.read_parquet(table)
    frame.with_columns(pl.col("width") * 1e5).write_parquet(tmp_path / "wide.parquet")
    message = refused("fit", tmp_path / "wide.parquet", *FIT, *quiet, "--spool-dtype", "float16")
    assert "too large for float16, expected a finite number; spool as float32, or drop such rows." in message
    frame.with_columns(w=0).write_parquet(tmp_path / "w.parquet")
    assert "column w is 0 in every row" in refused("fit", tmp_path / "w.parquet", *FIT, *quiet, "--weight", "w")
    lists = pl.DataFrame({"e": [[1.0, 2.0]] * 100 + [[1.0]] * 100, "label": [0, 1] * 100})
    lists.write_parquet(tmp_path / "lists.parquet")
    assert "holds 1 numbers, but its first row holds 2" in refused("fit", tmp_path / "lists.parquet", *quiet)
    assert "cannot be written" in refused("fit", table, *FIT, *quiet, "--spool", tmp_path / "missing")


def test_lists_of_another_length_in_a_later_batch(refused, tmp_path, monkeypatch):
    monkeypatch.setattr("lastlayer.tables.spooled_rows._ENTRIES", 200)
    pl.DataFrame({"e": [[1.0, 2.0]] * 100 + [[1.0]] * 100, "label": [0, 1] * 100}).write_parquet(tmp_path / "l.parquet")
    message = refused("fit", tmp_path / "l.parquet", *SPOOLED, "-o", tmp_path / "m", "--quiet")
    assert "row 100 (the first is 0): column e holds 1 numbers, but the first row holds 2" in message


def test_a_disk_that_fills_up_is_a_sentence(refused, table, tmp_path, monkeypatch):
    def full(spool, rows):
        raise spool._not_written(OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr(Spool, "add", full)
    message = refused("fit", table, *FIT, *SPOOLED, "-o", tmp_path / "m", "--quiet", "--spool", tmp_path)
    assert f"--spool {tmp_path}: the disk is full, but 600 rows of 2 numbers in float32 take 4.8 kB" in message
    assert os.listdir(tmp_path) == ["animals.parquet"]


def test_no_numpy_array_of_the_size_of_x_is_made(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr("lastlayer.tables.spooled_rows._ENTRIES", 1 << 18)
    rows, columns = 20_000, 400
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, columns), dtype=np.float32)
    y = X[:, :3].argmax(axis=1)
    pl.DataFrame({"x": X, "label": y}).write_parquet(tmp_path / "x.parquet", compression="uncompressed")
    pl.DataFrame({"x": X[:2000], "label": y[:2000]}).write_parquet(tmp_path / "few.parquet")
    del X
    arguments = ["--C", "1e-3", "--tol", "1e-2", *SPOOLED]
    fitted(tmp_path / "few.parquet", *arguments)
    tracemalloc.start()
    try:
        summary, _, _ = fitted(tmp_path / "x.parquet", *arguments)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert summary["spooled_bytes"] == rows * columns * 4
    assert peak < 0.6 * rows * columns * 4


def test_an_interrupt_while_reading_leaves_nothing(tmp_path):
    rng = np.random.default_rng(0)
    for part in range(4):
        frame = pl.DataFrame({"x": rng.standard_normal((500, 4)), "label": rng.integers(0, 3, 500)})
        frame.write_parquet(tmp_path / f"{part}.parquet")
    spool = tmp_path / "spool"
    spool.mkdir()
    program = (
        "import sys, time, lastlayer.tables.spooled_rows as rows; from lastlayer.tables.spool import Spool; "
        "rows._ENTRIES, add = 400, Spool.add; "
        "Spool.add = lambda *a: (add(*a), print('added', file=sys.stderr, flush=True), time.sleep(0.2)); "
        "from lastlayer.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "fit", str(tmp_path / "*.parquet"), *SPOOLED, "--spool", str(spool)]
    process = subprocess.Popen([*command, "-o", str(tmp_path / "m")], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line == "added\n":
            break
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert said.splitlines()[-1] == f"error: interrupted; {tmp_path / 'm'} was not written."
    assert os.listdir(spool) == []
    assert not (tmp_path / "m").exists()
    process.stderr.close()

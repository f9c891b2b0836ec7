import hashlib
import json

import numpy as np
import polars as pl
import pytest

import lastlayer as ll
from lastlayer.storage import read_digest
from tests.report.reading import Page


def test_a_report_of_a_model(run, table, model, tmp_path):
    path = tmp_path / "report.html"
    where = "split = 'test'"
    result = run("evaluate", model, table, "--where", where, "--report", path, "--keep", "id,split", "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == f"report written to {path}\n"
    found, text = json.loads(result.stdout), path.read_text(encoding="utf-8")
    page = Page(text)
    words = " ".join(page.text)
    for name in ("accuracy", "log_loss", "ece"):
        assert f"{found[name]:.4f}" in words
    assert found["interval_confidence"] == 0.95
    assert read_digest(model) in words
    assert hashlib.sha256(table.read_bytes()).hexdigest() in words
    assert f"lastlayer evaluate {model} {table} --where \"split = 'test'\" --report {path}" in words
    assert "before calibration" in words
    head, test = ll.load(model), pl.read_parquet(table).filter(split="test")
    p = head.predict_proba(test.select("width", "height").to_numpy())
    chosen = head.classes_[p.argmax(axis=1)]
    wrong = np.flatnonzero(chosen != test["kind"].to_numpy())
    worst = wrong[np.argmax(p.max(axis=1)[wrong])]
    first = next(row for row in page.rows if len(row) == 7 and row[0] != "Confidence")
    expected = [f"{p[worst].max():.4f}", chosen[worst], test["kind"][int(worst)]]
    assert first[:3] == expected
    assert first[4:] == [str(test["id"][int(worst)]), "test", str(worst)]


def test_many_batches_are_one_report(run, table, model, tmp_path, monkeypatch):
    run("evaluate", model, table, "--report", tmp_path / "one.html", "--keep", "id")
    monkeypatch.setattr("lastlayer.tables.model_rows._FEWEST_ROWS", 7)
    monkeypatch.setattr("lastlayer.tables.model_rows._ENTRIES", 14)
    run("evaluate", model, table, "--report", tmp_path / "many.html", "--keep", "id")
    one, many = (Page((tmp_path / f"{name}.html").read_text()) for name in ("one", "many"))
    assert one.embedded == many.embedded
    assert one.rows == many.rows


def test_unknown_rows(run, table, model, tmp_path):
    kind = pl.when(pl.col("id") % 10 == 0).then(pl.lit("emu")).otherwise("kind")
    pl.read_parquet(table).with_columns(kind=kind).write_parquet(tmp_path / "new.parquet")
    path = tmp_path / "report.html"
    result = run("evaluate", model, tmp_path / "new.parquet", "--unknown-label", "emu", "--report", path)
    assert result.exit_code == 0, result.output
    page = Page(path.read_text())
    assert (page.embedded["rows"], page.embedded["unknownRows"]) == (540, 60)


def test_a_report_of_given_probabilities(run, tmp_path):
    p = np.random.default_rng(0).dirichlet(np.ones(3), 50).astype(np.float32)
    labels = p.argmax(axis=1)
    labels[:20] = 0
    np.save(tmp_path / "p.npy", p)
    np.save(tmp_path / "y.npy", labels)
    path = tmp_path / "report.html"
    files = ("--probabilities", tmp_path / "p.npy", "--labels", tmp_path / "y.npy")
    result = run("evaluate", *files, "--report", path)
    assert result.exit_code == 0, result.output
    page = Page(path.read_text())
    answered = p.max(axis=1) >= page.embedded["threshold"][600]
    assert page.embedded["answered"][600] == answered.sum()


def test_a_report_of_many_labels(run, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    lists = [[name for name, score in zip("abc", row + rng.logistic(size=3), strict=True) if score > 0] for row in x]
    frame = pl.DataFrame({"x": x[:, 0], "y": x[:, 1], "z": x[:, 2], "labels": lists, "note": ["<b>"] * 200})
    frame.write_parquet(tmp_path / "d.parquet")
    fitted = run("fit", tmp_path / "d.parquet", "--labels", "labels", "--features", "x,y,z", "-o", tmp_path / "m")
    assert fitted.exit_code == 0, fitted.output
    path = tmp_path / "report.html"
    result = run("evaluate", tmp_path / "m", tmp_path / "d.parquet", "--report", path, "--keep", "note", "--json")
    assert result.exit_code == 0, result.output
    page = Page(path.read_text())
    assert f"{json.loads(result.stdout)['micro_f1']:.4f}" == page.outputs["micro"]
    assert any("<b>" in row for row in page.rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep", "id"], "--keep: expected --report FILE beside it"),
        (["--report", "r.html", "--keep", "ids"], "no column 'ids', expected one of"),
        (["--report", "nowhere/r.html"], "nowhere/r.html: cannot be written"),
    ],
)
def test_what_is_refused(refused, table, model, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused("evaluate", model, table, *arguments)
    assert not (tmp_path / "r.html").exists()


def test_a_report_does_not_replace_its_input(refused, table, model):
    assert f"--report {table}: is also an input" in refused("evaluate", model, table, "--report", table)
    assert pl.read_parquet(table).height == 600

import json
import math

import numpy as np
import polars as pl
import pytest

import lastlayer as ll


def test_the_evaluation_is_that_of_the_library(run, table, model):
    result = run("evaluate", model, table, "--where", "split = 'test'", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    test = pl.read_parquet(table).filter(split="test")
    head = ll.load(model)
    probabilities = head.predict_proba(test.select("width", "height").to_numpy())
    expected = ll.evaluate(probabilities, test["kind"].to_numpy().astype(str), classes=head.classes_)
    assert found["rows"] == 150
    for name in ("accuracy", "log_loss", "brier", "ece"):
        assert found[name] == pytest.approx(getattr(expected, name), rel=1e-6)


def test_many_batches_are_one_evaluation(run, table, model, monkeypatch):
    one = json.loads(run("evaluate", model, table, "--json").stdout)
    monkeypatch.setattr("lastlayer.tables.model_rows._FEWEST_ROWS", 7)
    monkeypatch.setattr("lastlayer.tables.model_rows._ENTRIES", 14)
    many = json.loads(run("evaluate", model, table, "--json").stdout)
    assert many["rows"] == 600
    for name in ("accuracy", "log_loss", "brier", "ece"):
        assert many[name] == pytest.approx(one[name], rel=1e-6)


def test_table(run, table, model):
    result = run("evaluate", model, table)
    assert result.stdout.startswith("rows")
    assert "log-loss" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_gates(run, table, model):
    passed = run("evaluate", model, table, "--max-ece", "1", "--min-accuracy", "0")
    assert (passed.exit_code, passed.stderr) == (0, "")
    failed = run("evaluate", model, table, "--max-ece", "0", "--min-accuracy", "1", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["rows"] == 600
    assert failed.stderr.startswith("gate failed: expected calibration error 0.")
    assert "is below --min-accuracy 1." in failed.stderr


def test_labels_that_the_model_never_saw(refused, table, model, tmp_path):
    kind = pl.when(pl.col("id") % 100 == 42).then(pl.lit("emu")).otherwise("kind")
    pl.read_parquet(table).with_columns(kind=kind).write_parquet(tmp_path / "new.parquet")
    message = refused("evaluate", model, tmp_path / "new.parquet", "--where", "id > 50")
    assert "new.parquet: row 142 (the first is 0): column kind is 'emu', which the model never saw (5 rows)" in message
    assert """leave such rows out with --where "kind <> 'emu'".""" in message


def test_numbers_in_a_csv_match_names(run, tmp_path):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 120)
    frame = pl.DataFrame({"x": y + rng.random(120), "label": y.astype(str)})
    frame.write_parquet(tmp_path / "d.parquet")
    frame.write_csv(tmp_path / "d.csv")
    run("fit", tmp_path / "d.parquet", "-o", tmp_path / "m")
    from_parquet = run("evaluate", tmp_path / "m", tmp_path / "d.parquet", "--json")
    from_csv = run("evaluate", tmp_path / "m", tmp_path / "d.csv", "--json")
    assert from_csv.exit_code == 0, from_csv.output
    assert json.loads(from_csv.stdout)["accuracy"] == json.loads(from_parquet.stdout)["accuracy"]


def test_another_label_column(run, refused, table, model, tmp_path):
    pl.read_parquet(table).rename({"kind": "animal"}).write_parquet(tmp_path / "renamed.parquet")
    assert run("evaluate", model, tmp_path / "renamed.parquet", "--label", "animal").exit_code == 0
    assert "no column called label, labels or y" in refused("evaluate", model, tmp_path / "renamed.parquet")
    assert "did you mean 'animal'?" in refused("evaluate", model, tmp_path / "renamed.parquet", "--label", "animals")


@pytest.mark.parametrize("arguments", [["--max-ece", "1.5"], ["--min-accuracy", "-1"], ["--max-ece", "nan"]])
def test_gates_that_are_none(refused, table, model, arguments):
    assert "expected a number from 0 to 1" in refused("evaluate", model, table, *arguments)


def test_weights_are_repeated_rows(run, table, model, tmp_path):
    frame = pl.read_parquet(table).with_columns(often=pl.col("id") * 7 % 4)
    # A row of weight 0 may have a label that the model never saw.
    strange = frame.with_columns(kind=pl.when(pl.col("often") == 0).then(pl.lit("emu")).otherwise("kind"))
    strange.write_parquet(tmp_path / "w.parquet")
    frame[np.repeat(np.arange(600), frame["often"])].write_parquet(tmp_path / "r.parquet")
    one = json.loads(run("evaluate", model, tmp_path / "w.parquet", "--weight", "often", "--json").stdout)
    other = json.loads(run("evaluate", model, tmp_path / "r.parquet", "--json").stdout)
    for key in ("accuracy", "log_loss", "brier", "ece", "macro_f1"):
        assert one[key] == pytest.approx(other[key], rel=1e-6), key
    assert one["per_class"]["support"] == other["per_class"]["support"]
    assert one["rows"] == 450


def test_bad_weights(refused, table, model, tmp_path):
    for value, message in (
        (-1.0, "row 2 (the first is 0): column w is -1.0, expected a weight"),
        (None, "row 2 (the first is 0): column w is null"),
        (math.inf, "row 2 (the first is 0): column w is inf"),
    ):
        weight = pl.when(pl.col("id") == 2).then(pl.lit(value)).otherwise(1.0)
        pl.read_parquet(table).with_columns(w=weight).write_parquet(tmp_path / "d.parquet")
        assert f"d.parquet: {message}" in refused("evaluate", model, tmp_path / "d.parquet", "--weight", "w")
    pl.read_parquet(table).with_columns(w=0).write_parquet(tmp_path / "d.parquet")
    assert "column w is 0 in every row" in refused("evaluate", model, tmp_path / "d.parquet", "--weight", "w")
    assert "is the label column too" in refused("evaluate", model, table, "--weight", "kind", "--label", "kind")
    assert "no column 'ww'" in refused("evaluate", model, table, "--weight", "ww")


def with_strange_rows(table, path, name="emu"):
    """Every tenth row belongs to no class."""
    kind = pl.when(pl.col("id") % 10 == 3).then(pl.lit(name)).otherwise("kind")
    pl.read_parquet(table).with_columns(kind=kind).write_parquet(path)
    return path


def test_rows_of_no_class(run, table, model, tmp_path):
    path = with_strange_rows(table, tmp_path / "strange.parquet")
    found = json.loads(run("evaluate", model, path, "--unknown-label", "emu", "--json").stdout)
    frame = pl.read_parquet(path)
    head = ll.load(model)
    expected = ll.evaluate(
        head.predict_proba(frame.select("width", "height").to_numpy()),
        frame["kind"].to_list(),
        classes=head.classes_,
        unknown_label="emu",
    )
    assert (found["rows"], found["unknown_rows"]) == (540, 60)
    for name in ("accuracy", "aurc", "unknown_auroc"):
        assert found[name] == pytest.approx(getattr(expected, name), rel=1e-5)
    without = json.loads(run("evaluate", model, path, "--where", "kind <> 'emu'", "--json").stdout)
    assert without["unknown_rows"] is None
    for name in ("accuracy", "aurc", "log_loss"):
        assert found[name] == without[name]
    text = run("evaluate", model, path, "--unknown-label", "emu").stdout
    assert "rows of no class             60  in no figure above" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_label_that_cannot_be_the_unknown_one(refused, table, model, tmp_path):
    assert "--unknown-label cat: is one of the 3 classes" in refused("evaluate", model, table, "--unknown-label", "cat")
    path = with_strange_rows(table, tmp_path / "strange.parquet")
    message = refused("evaluate", model, path, "--unknown-label", "ostrich")
    assert "row 3 (the first is 0): column kind is 'emu', which the model never saw (60 rows)" in message
    message = refused("evaluate", model, path, "--where", "kind = 'emu'", "--unknown-label", "emu")
    assert "labels: all 60 are 'emu', the unknown label, expected at least one of a class." in message


def test_rows_of_no_class_among_numbers(run, refused, tmp_path):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 120)
    frame = pl.DataFrame({"x": y + rng.random(120), "label": y})
    frame.write_parquet(tmp_path / "d.parquet")
    run("fit", tmp_path / "d.parquet", "-o", tmp_path / "m")
    label = pl.when(pl.col("x") < 0.3).then(pl.lit("none")).otherwise(pl.col("label").cast(pl.String))
    frame.with_columns(label=label).write_csv(tmp_path / "names.csv")
    frame.with_columns(label=pl.when(pl.col("x") < 0.3).then(-9).otherwise("label")).write_csv(tmp_path / "numbers.csv")
    named = run("evaluate", tmp_path / "m", tmp_path / "names.csv", "--unknown-label", "none", "--json")
    numbered = run("evaluate", tmp_path / "m", tmp_path / "numbers.csv", "--unknown-label", "-9", "--json")
    assert named.exit_code == numbered.exit_code == 0, named.output + numbered.output
    assert named.stdout == numbered.stdout
    assert json.loads(named.stdout)["unknown_rows"] == (frame["x"] < 0.3).sum() > 5
    message = refused("evaluate", tmp_path / "m", tmp_path / "numbers.csv", "--unknown-label", "-8")
    assert "column label is -9, which the model never saw" in message


def test_rows_of_no_class_among_given_scores(run, tmp_path):
    p = np.random.default_rng(2).dirichlet([1, 1, 1], 50)
    labels = np.arange(50) % 4 - 1
    np.save(tmp_path / "p.npy", p)
    np.save(tmp_path / "y.npy", labels)
    arguments = ("--probabilities", tmp_path / "p.npy", "--labels", tmp_path / "y.npy", "--unknown-label", "-1")
    found = json.loads(run("evaluate", *arguments, "--json").stdout)
    expected = ll.evaluate(p, labels, unknown_label=-1)
    assert found == expected.to_dict()

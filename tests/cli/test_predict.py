import json
import math
import os

import numpy as np
import polars as pl
import pytest

import lastlayer as ll


@pytest.mark.parametrize(
    ("suffix", "read"), [("parquet", pl.read_parquet), ("csv", pl.read_csv), ("jsonl", pl.read_ndjson)]
)
def test_every_kind_of_file(run, table, model, tmp_path, suffix, read):
    out = tmp_path / f"out.{suffix}"
    result = run("predict", model, table, "--keep", "id,kind", "-o", out)
    assert (result.exit_code, result.stdout) == (0, ""), result.output
    found = read(out)
    assert found.columns == ["id", "kind", "prediction", "probability"]
    assert found["id"].to_list() == list(range(600))
    head = ll.load(model)
    X = pl.read_parquet(table).select("width", "height").to_numpy()
    assert found["prediction"].to_list() == head.predict(X).tolist()
    np.testing.assert_allclose(found["probability"].to_numpy(), head.predict_proba(X).max(axis=1), rtol=1e-5)


def test_the_likeliest_classes(run, table, model, tmp_path):
    out = tmp_path / "out.parquet"
    run("predict", model, table, "--top", "3", "-o", out)
    found = pl.read_parquet(out)
    assert found.columns == [f"{name}_{i}" for i in (1, 2, 3) for name in ("prediction", "probability")]
    total = found.select(pl.sum_horizontal("^probability_.*$")).to_series().to_numpy()
    np.testing.assert_allclose(total, 1, rtol=1e-5)
    assert (found["probability_1"] >= found["probability_2"]).all()
    assert (found["prediction_1"] != found["prediction_2"]).all()


def test_many_batches_are_one_prediction(run, table, model, tmp_path, monkeypatch):
    run("predict", model, table, "--where", "id <> 5", "--keep", "id", "-o", tmp_path / "one.parquet")
    monkeypatch.setattr("lastlayer.tables.model_rows._FEWEST_ROWS", 7)
    monkeypatch.setattr("lastlayer.tables.model_rows._ENTRIES", 14)
    for suffix, read in (("parquet", pl.read_parquet), ("csv", pl.read_csv)):
        out = tmp_path / f"many.{suffix}"
        run("predict", model, table, "--where", "id <> 5", "--keep", "id", "-o", out)
        one, many = pl.read_parquet(tmp_path / "one.parquet"), read(out)
        assert many.height == 599
        assert many.drop("probability").equals(one.drop("probability"))
        np.testing.assert_allclose(many["probability"].to_numpy(), one["probability"].to_numpy(), rtol=1e-6)


def test_standard_input_and_output(run, table, model):
    text = pl.read_parquet(table).head(4).write_csv()
    result = run("predict", model, "-", "--keep", "id", stdin=text)
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "id,prediction,probability"
    assert len(lines) == 5
    rows = [json.loads(line) for line in run("predict", model, "-", "--json", stdin=text).stdout.splitlines()]
    assert [row["prediction"] for row in rows] == [line.split(",")[1] for line in lines[1:]]


def test_columns_are_found_by_name_in_any_order(run, table, model, tmp_path):
    pl.read_parquet(table).select("height", "id", "width").write_parquet(tmp_path / "turned.parquet")
    straight = run("predict", model, table).stdout
    assert run("predict", model, tmp_path / "turned.parquet").stdout == straight


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep", "idd"], "no column 'idd', expected one of id, width, height, kind, split; did you mean 'id'?"),
        (["--top", "4"], "has 3 classes, expected at most that many"),
        (["--top", "0"], "--top"),
        (["--where", "id < 0"], "no row satisfies"),
        (["--where", "nosuch = 1"], "no column 'nosuch'"),
        (["-o", "out.xls"], "of no known kind, expected .parquet, .csv, .jsonl or -"),
        (["-o", "/none/out.csv"], "cannot be written"),
    ],
)
def test_refusals(refused, table, model, arguments, message):
    assert message in refused("predict", model, table, *arguments)


def test_an_input_is_not_overwritten(refused, table, model):
    assert "is also an input" in refused("predict", model, table, "-o", table)
    assert "is also an input" in refused("predict", model, str(table.parent / "*.parquet"), "-o", table)


def test_the_model_is_not_overwritten(refused, table, model, tmp_path, monkeypatch):
    before = model.read_bytes()
    copy = tmp_path / "copy.csv"  # of a name that predictions may have
    copy.write_bytes(before)
    (tmp_path / "symbolic.csv").symlink_to(copy)
    (tmp_path / "hard.csv").hardlink_to(copy)
    monkeypatch.chdir(tmp_path)
    for name in (copy, "copy.csv", "./copy.csv", "symbolic.csv", "hard.csv"):
        assert f"-o {name}: is also an input" in refused("predict", copy, table, "-o", name)
    assert "is also an input" in refused("predict", tmp_path / "symbolic.csv", table, "-o", copy)
    assert copy.read_bytes() == before


def test_data_are_not_overwritten_by_any_of_their_names(refused, table, model, tmp_path):
    before = table.read_bytes()
    (tmp_path / "symbolic.parquet").symlink_to(table)
    (tmp_path / "hard.parquet").hardlink_to(table)
    for name in ("symbolic.parquet", "hard.parquet"):
        assert "is also an input" in refused("predict", model, table, "-o", tmp_path / name)
    assert table.read_bytes() == before


def test_named_pipes_are_refused_and_do_not_hang(refused, table, model, tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert f"{pipe}: not a regular file, expected a model" in refused("predict", pipe, table)
    assert f"{pipe}: cannot be written ({pipe} is not a regular file)" in refused("predict", model, table, "-o", pipe)
    assert f"{pipe}: not a regular file, expected a model" in refused("info", pipe)
    assert f"{pipe}: not a regular file, expected a model" in refused("evaluate", pipe, table)
    assert "is not a regular file" in refused("fit", table, "--label", "kind", "-o", pipe)


def test_quiet(run, table, model, tmp_path):
    assert "600 rows written" in run("predict", model, table, "-o", tmp_path / "out.csv").stderr
    result = run("predict", model, table, "-o", tmp_path / "out.csv", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_missing_columns_are_named(refused, table, model, tmp_path):
    pl.read_parquet(table).select("width").write_parquet(tmp_path / "one.parquet")
    assert "no column 'height'" in refused("predict", model, tmp_path / "one.parquet")
    pl.read_parquet(table).select("id").write_parquet(tmp_path / "none.parquet")
    message = refused("predict", model, tmp_path / "none.parquet")
    assert "2 of the model's 2 feature columns are missing (width, height)" in message


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_bad_row_far_down_leaves_no_file(refused, table, model, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("lastlayer.tables.model_rows._FEWEST_ROWS", 7)
    monkeypatch.setattr("lastlayer.tables.model_rows._ENTRIES", 14)
    nan_once = pl.when(pl.col("id") == 432).then(float("nan")).otherwise("width").alias("width")
    pl.read_parquet(table).with_columns(nan_once).write_parquet(tmp_path / "spoilt.parquet")
    out = tmp_path / f"out.{suffix}"
    out.write_text("old")
    message = refused("predict", model, tmp_path / "spoilt.parquet", "--where", "id > 100", "-o", out)
    assert "spoilt.parquet: row 432 (the first is 0): column width is nan" in message
    assert out.read_text() == "old"
    assert not [entry for entry in tmp_path.iterdir() if entry.name.endswith(".tmp")]


def test_lists_are_not_kept_in_csv(refused, run, tmp_path):
    path = tmp_path / "d.parquet"
    pl.DataFrame({"e": np.random.default_rng(0).random((40, 2)), "label": [0, 1] * 20}).write_parquet(path)
    run("fit", path, "-o", tmp_path / "m")
    assert "holds lists, which csv cannot hold" in refused("predict", tmp_path / "m", path, "--keep", "e")
    assert run("predict", tmp_path / "m", path, "--keep", "e", "--json").exit_code == 0


def test_a_list_of_another_width(refused, run, tmp_path):
    for width in (2, 3):
        frame = pl.DataFrame({"e": np.random.default_rng(0).random((40, width)).tolist(), "label": [0, 1] * 20})
        frame.write_parquet(tmp_path / f"{width}.parquet")
    run("fit", tmp_path / "2.parquet", "-o", tmp_path / "m")
    message = refused("predict", tmp_path / "m", tmp_path / "3.parquet")
    assert "column e holds lists of 3, but the model was fitted on 2 features" in message


def test_a_model_fitted_in_python_on_an_array(run, table, tmp_path):
    frame = pl.read_parquet(table)
    X = frame.select("width", "height").to_numpy()
    ll.SoftmaxClassifier().fit(X, frame["kind"].to_numpy().astype(str)).save(tmp_path / "m")
    np.save(tmp_path / "X.npy", X)
    result = run("predict", tmp_path / "m", tmp_path / "X.npy")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 601


def test_files_that_are_no_model(refused, table, model, tmp_path):
    broken = tmp_path / "broken.safetensors"
    whole = model.read_bytes()
    for content in (b"", whole[:-1], whole[:20], b"PK\x03\x04zipzip", b"nothing of the kind"):
        broken.write_bytes(content)
        assert "expected a model saved by lastlayer" in refused("predict", broken, table)
    assert "no such file" in refused("predict", tmp_path / "none", table)
    assert "no such file" in refused("predict", model, tmp_path / "none.parquet")


@pytest.mark.parametrize(
    ("suffix", "read"), [("parquet", pl.read_parquet), ("csv", pl.read_csv), ("jsonl", pl.read_ndjson)]
)
def test_the_probability_of_every_class(run, table, model, tmp_path, suffix, read, monkeypatch):
    monkeypatch.setattr("lastlayer.tables.model_rows._FEWEST_ROWS", 7)
    monkeypatch.setattr("lastlayer.tables.model_rows._ENTRIES", 21)
    out = tmp_path / f"out.{suffix}"
    result = run("predict", model, table, "--probabilities", "--keep", "id", "-o", out)
    assert result.exit_code == 0, result.output
    found = read(out)
    assert found.columns == [
        *("id", "prediction", "probability", "probability_cat", "probability_cow", "probability_dog"),
    ]
    head = ll.load(model)
    expected = head.predict_proba(pl.read_parquet(table).select("width", "height").to_numpy())
    np.testing.assert_allclose(found[:, 3:].to_numpy(), expected, rtol=1e-5, atol=1e-12)
    assert found["prediction"].to_list() == head.classes_[expected.argmax(axis=1)].tolist()
    np.testing.assert_array_equal(found["probability"].to_numpy(), found[:, 3:].to_numpy().max(axis=1))
    assert found["id"].to_list() == list(range(600))


def test_probabilities_of_classes_that_are_numbers(run, tmp_path):
    path = tmp_path / "d.parquet"
    pl.DataFrame({"x": np.arange(60.0), "y": np.arange(60) // 20 * 10}).write_parquet(path)
    run("fit", path, "--holdout", "0", "-o", tmp_path / "m")
    header = run("predict", tmp_path / "m", path, "--probabilities").stdout.splitlines()[0]
    assert header == "prediction,probability,probability_0,probability_10,probability_20"


def test_probabilities_that_would_collide(refused, table, model, tmp_path):
    pl.read_parquet(table).rename({"id": "probability_cat"}).write_parquet(tmp_path / "d.parquet")
    arguments = ("predict", model, tmp_path / "d.parquet", "--keep", "probability_cat")
    message = refused(*arguments, "--probabilities")
    assert "--keep probability_cat: is a column of the predictions too, expected another; rename it." in message
    assert "--probabilities: stands beside --top" in refused(*arguments, "--probabilities", "--top", "2")


def test_trap_33_json_lines_know_infinities_and_nulls(run, table, model, tmp_path):
    kept = pl.DataFrame(
        {
            "f": [1.5, math.inf, -math.inf, math.nan, None, 2.0],
            "l": [[1.0], [math.inf, math.nan], None, [], [0.1], [None]],
            "s": [{"a": -math.inf, "t": "x\u2028y"}, {"a": 1.0, "t": "b"}, None, *[{"a": math.nan, "t": None}] * 3],
        },
        schema_overrides={"l": pl.List(pl.Float32)},
    )
    path = tmp_path / "d.parquet"
    pl.concat([kept, pl.read_parquet(table).head(6)], how="horizontal").write_parquet(path)
    result = run("predict", model, path, "--keep", "f,l,s", "--json")
    assert result.exit_code == 0, result.output
    lines = result.stdout.removesuffix("\n").split("\n")
    rows = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [row["f"] for row in rows] == [1.5, "Infinity", "-Infinity", None, None, 2.0]
    assert [row["l"] for row in rows] == [[1.0], ["Infinity", None], None, [], [0.1], [None]]
    assert rows[0]["s"] == {"a": "-Infinity", "t": "x\u2028y"}
    assert rows[2]["s"] is None or rows[2]["s"] == {"a": None, "t": None}
    assert sum(row["probability"] for row in rows) > 2


def test_bytes_are_kept_in_parquet_alone(refused, run, table, model, tmp_path):
    path = tmp_path / "d.parquet"
    pl.read_parquet(table).with_columns(b=pl.lit(b"x")).write_parquet(path)
    assert "--keep b: holds bytes, which csv cannot hold" in refused("predict", model, path, "--keep", "b")
    assert "which jsonl cannot hold" in refused("predict", model, path, "--keep", "b", "--json")
    assert run("predict", model, path, "--keep", "b", "-o", tmp_path / "o.parquet").exit_code == 0


@pytest.mark.parametrize("kind", ["logits", "log-probabilities", "probabilities"])
@pytest.mark.parametrize("method", ["temperature", "entropy-temperature", "vector"])
def test_a_calibration_of_the_models_own_scores(run, table, model, tmp_path, kind, method):
    head, frame = ll.load(model), pl.read_parquet(table)
    X = frame.select("width", "height").to_numpy()
    own = {
        "logits": head.decision_function,
        "log-probabilities": head.predict_log_proba,
        "probabilities": head.predict_proba,
    }[kind](X)
    labels = np.searchsorted(head.classes_, frame["kind"].to_numpy())
    calibration = ll.fit_calibration(own[300:450], labels[300:450], scores_are=kind, method=method)
    path, out = tmp_path / "cal.json", tmp_path / "out.parquet"
    ll.save_calibration(calibration, path)
    expected = calibration.apply(own)

    run("predict", model, table, "--calibration", path, "--probabilities", "-o", out)
    every = pl.read_parquet(out)
    np.testing.assert_allclose(every[:, 2:].to_numpy(), expected, rtol=1e-5, atol=1e-7)
    assert every["prediction"].to_list() == head.classes_[expected.argmax(axis=1)].tolist()
    np.testing.assert_allclose(every["probability"].to_numpy(), expected.max(axis=1), rtol=1e-5)
    run("predict", model, table, "--calibration", path, "-o", out)
    assert pl.read_parquet(out).equals(every.select("prediction", "probability"))
    run("predict", model, table, "--calibration", path, "--top", "2", "-o", out)
    best = np.argsort(-expected, axis=1, kind="stable")[:, :2]
    assert pl.read_parquet(out)["prediction_2"].to_list() == head.classes_[best[:, 1]].tolist()
    np.testing.assert_allclose(
        pl.read_parquet(out)["probability_2"].to_numpy(), np.sort(expected, axis=1)[:, -2], rtol=1e-5
    )

    judged = run("evaluate", model, table, "--calibration", path, "--json")
    theirs = ll.evaluate(expected, labels)
    assert json.loads(judged.stdout)["log_loss"] == pytest.approx(theirs.log_loss, rel=1e-6)


def test_from_predictions_to_a_calibration_to_predictions(run, table, model, tmp_path):
    held_out, path, out = tmp_path / "held_out.csv", tmp_path / "cal.json", tmp_path / "out.csv"
    run("predict", model, table, "--where", "split = 'val'", "--probabilities", "--keep", "kind", "-o", held_out)
    fitted = run(
        *("calibrate", held_out, "--from", "probabilities", "--scores", "probability_*", "--label", "kind"),
        *("--method", "vector", "-o", path),
    )
    assert fitted.exit_code == 0, fitted.output
    run("predict", model, table, "--where", "split = 'test'", "--calibration", path, "--probabilities", "-o", out)
    raw = tmp_path / "raw.csv"
    run("predict", model, table, "--where", "split = 'test'", "--probabilities", "-o", raw)
    applied = run("calibrate", "--apply", path, raw, "--scores", "probability_*", "-o", tmp_path / "applied.csv")
    assert applied.exit_code == 0, applied.output
    ours, theirs = pl.read_csv(out), pl.read_csv(tmp_path / "applied.csv")
    assert ours["prediction"].equals(theirs["prediction"])
    np.testing.assert_allclose(ours[:, 1:].to_numpy(), theirs[:, 1:].to_numpy(), rtol=1e-4, atol=1e-6)


def test_a_calibration_of_two_classes_that_are_numbers(run, tmp_path):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((90, 2))
    y = (X[:, 0] + rng.standard_normal(90) > 0).astype(int)
    head = ll.SoftmaxClassifier().fit(X, y)
    head.save(tmp_path / "two.safetensors")
    pl.DataFrame(X, schema=["a", "b"]).write_parquet(tmp_path / "two.parquet")
    path, out = tmp_path / "cal.json", tmp_path / "out.parquet"
    for kind, classes in (("logits", None), ("probabilities", ("0", "1"))):
        ll.save_calibration(ll.Calibration("temperature", kind, 0.5, num_classes=2, rows=9, classes=classes), path)
        run("predict", tmp_path / "two.safetensors", tmp_path / "two.parquet", "--calibration", path, "-o", out)
        found = pl.read_parquet(out)
        assert found["prediction"].to_list() == head.predict(X).tolist()
        expected = 1 / (1 + np.exp(-0.5 * np.abs(head.decision_function(X))))
        np.testing.assert_allclose(found["probability"].to_numpy(), expected, rtol=1e-6)


def test_calibrations_that_do_not_fit_the_model(refused, run, table, model, tmp_path):
    path, out = tmp_path / "cal.json", tmp_path / "out.csv"
    arguments = ("--calibration", path, "-o", out)
    assert f"{path}: no such file" in refused("predict", model, table, *arguments)
    ll.save_calibration(ll.Calibration("temperature", "logits", 0.5, num_classes=2, rows=9), path)
    message = refused("predict", model, table, *arguments)
    assert f"{path}: was fitted on 2 classes, but {model} has 3, expected the same" in message
    turned = ll.Calibration("temperature", "logits", 0.5, num_classes=3, rows=9, classes=("cat", "dog", "cow"))
    ll.save_calibration(turned, path)
    for message in (
        refused("predict", model, table, *arguments, "--top", "2"),
        refused("evaluate", model, table, *arguments[:2]),
    ):
        assert f"{path}: class 1 is 'dog', but {model} has 'cow' there, expected the classes of the model" in message
    assert not out.exists()
    ll.save_calibration(ll.Calibration("temperature", "logits", 0.5, num_classes=3, rows=9), path)
    before = path.read_bytes()
    copy = tmp_path / "copy.csv"
    copy.symlink_to(path)
    assert "is also an input" in refused("predict", model, table, "--calibration", path, "-o", copy)
    assert path.read_bytes() == before
    message = refused("evaluate", table, "--probabilities", "width,height", *arguments[:2])
    assert "expected a MODEL beside it" in message
    many = ll.SigmoidClassifier().fit([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [["a"], ["b", "c"], ["a", "c"]])
    many.save(tmp_path / "many.safetensors")
    pl.DataFrame({"x": [1.0], "z": [2.0], "labels": [["a"]]}).write_parquet(tmp_path / "many.parquet")
    for command in ("predict", "evaluate"):
        message = refused(command, tmp_path / "many.safetensors", tmp_path / "many.parquet", *arguments[:2])
        assert "is of one label a row, but" in message

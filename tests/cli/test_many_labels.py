"""fit, predict, evaluate and info where a row has many labels."""

import json

import numpy as np
import polars as pl
import pytest

import lastlayer as ll

NAMES = np.array(["fear", "joy", "love"])


@pytest.fixture(scope="module")
def posts(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 4)).astype(np.float32)
    chosen = X @ rng.standard_normal((4, 3)) + 0.5 * rng.standard_normal((400, 3)) > 0.4
    frame = pl.DataFrame(
        {
            "id": np.arange(400),
            "embedding": pl.Series(X, dtype=pl.Array(pl.Float32, 4)),
            "feelings": [NAMES[row].tolist() for row in chosen],
            "split": ["train"] * 300 + ["val"] * 100,
            "count": rng.integers(0, 3, 400),
        }
    )
    path = tmp_path_factory.mktemp("posts") / "posts.parquet"
    frame.write_parquet(path)
    return path


@pytest.fixture
def model(run, posts, tmp_path):
    path = tmp_path / "feelings.safetensors"
    result = run("fit", posts, "--labels", "feelings", "--where", "split = 'train'", "-o", path, "-q")
    assert result.exit_code == 0, result.output
    return path


def arrays(posts, split=None):
    frame = pl.read_parquet(posts)
    frame = frame if split is None else frame.filter(pl.col("split") == split)
    return frame["embedding"].to_numpy(), frame["feelings"].to_list(), frame["count"].to_numpy()


def test_fit_is_the_estimators_fit(run, posts, tmp_path):
    path = tmp_path / "m"
    result = run(
        *("fit", posts, "--labels", "feelings", "--weight", "count", "--where", "split = 'train'", "--C", "3"),
        *("--validation-where", "split = 'val'", "-o", path, "--json"),
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    (X, y, weight), (X_val, y_val, weight_val) = arrays(posts, "train"), arrays(posts, "val")
    keep, keep_val = weight > 0, weight_val > 0
    y, y_val = (
        [row for row, kept in zip(rows, of, strict=True) if kept] for rows, of in ((y, keep), (y_val, keep_val))
    )
    expected = ll.SigmoidClassifier(C=3).fit(X[keep], y, weight[keep])
    expected.calibrate(X_val[keep_val], y_val, weight_val[keep_val])
    found = ll.load(path)
    assert isinstance(found, ll.SigmoidClassifier)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(summary["beta"], expected.beta_, rtol=1e-4)
    np.testing.assert_allclose(summary["bias"], expected.bias_, atol=1e-4)
    assert (summary["many_labels"], summary["num_classes"], summary["rows"]) == (True, 3, int(keep.sum()))
    assert summary["labels_per_row"] == pytest.approx(np.mean([len(row) for row in y]))
    assert found.training_.label == "feelings"
    assert summary["log_loss_after"] <= summary["log_loss_before"]


def test_a_tenth_is_held_out_and_the_summary_is_read_by_people(run, posts, tmp_path):
    result = run("fit", posts, "--labels", "feelings", "-o", tmp_path / "m", "-q")
    assert "360 fitted, 40 held out for calibration" in result.stdout
    assert "labels      3, " in result.stdout
    assert "over all labels, at most" in result.stdout
    assert "one a label" in result.stdout


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv"])
def test_predictions_are_lists_and_in_csv_json(run, posts, model, tmp_path, ending):
    out = tmp_path / f"out.{ending}"
    assert run("predict", model, posts, "--keep", "id", "-o", out, "-q").exit_code == 0
    read = {"parquet": pl.read_parquet, "jsonl": pl.read_ndjson, "csv": pl.read_csv}[ending]
    frame = read(out)
    assert frame.columns == ["id", "prediction", "probability"]
    head, X = ll.load(model), arrays(posts)[0]
    probabilities = head.predict_proba(X)
    predictions, listed = frame["prediction"].to_list(), frame["probability"].to_list()
    if ending == "csv":
        predictions, listed = (list(map(json.loads, column)) for column in (predictions, listed))
    assert any(not row for row in predictions)
    for row, labels, values in zip(probabilities, predictions, listed, strict=True):
        order = [k for k in np.argsort(-row, kind="stable") if row[k] > 0.5]
        assert labels == NAMES[order].tolist()
        np.testing.assert_allclose(values, row[order], rtol=1e-6)


def test_every_probability_and_the_likeliest_labels(run, posts, model):
    head, X = ll.load(model), arrays(posts)[0]
    result = run("predict", model, posts, "--probabilities", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    found = [[row[f"probability_{name}"] for name in NAMES] for row in rows]
    np.testing.assert_allclose(found, head.predict_proba(X), rtol=1e-6)
    result = run("predict", model, posts, "--top", "2", "--json")
    first = json.loads(result.stdout.splitlines()[0])
    best = head.predict_top_k(X[:1], 2)
    assert [first["prediction_1"], first["prediction_2"]] == best.labels[0].tolist()
    assert first["probability_2"] == pytest.approx(best.probabilities[0, 1])


def test_evaluate_and_its_gates(run, posts, model):
    head, (X, y, weight) = ll.load(model), arrays(posts, "val")
    answers = np.array([[name in row for name in NAMES] for row in y])
    expected = ll.evaluate_labels(head.predict_proba(X), answers, classes=NAMES)
    result = run("evaluate", model, posts, "--where", "split = 'val'", "--json")
    assert json.loads(result.stdout)["micro_f1"] == pytest.approx(expected.micro_f1)
    assert "micro F1" in run("evaluate", model, posts).stdout
    weighted = run("evaluate", model, posts, "--where", "split = 'val'", "--weight", "count", "--json")
    expected = ll.evaluate_labels(head.predict_proba(X), answers, sample_weight=weight)
    assert json.loads(weighted.stdout)["log_loss"] == pytest.approx(expected.log_loss)
    failed = run("evaluate", model, posts, "--min-accuracy", "0.999")
    assert failed.exit_code == 1
    assert "is below --min-accuracy 0.999" in failed.stderr


def test_info(run, posts, model):
    text = run("info", model).stdout
    assert "labels      3: fear, joy, love" in text
    document = json.loads(run("info", model, "--json").stdout)
    assert len(document["beta"]) == len(document["bias"]) == 3


def test_a_model_on_labels_it_never_saw(refused, posts, model, tmp_path):
    frame = pl.read_parquet(posts).with_columns(feelings=pl.lit(["rage"], dtype=pl.List(pl.String)))
    frame.write_parquet(tmp_path / "new.parquet")
    message = refused("evaluate", model, tmp_path / "new.parquet")
    assert "row 0 (the first is 0): column feelings has 'rage', which the model never saw" in message


def test_validation_labels_that_no_row_of_the_fit_has(refused, posts, tmp_path):
    frame = pl.read_parquet(posts).with_columns(feelings=pl.lit(["rage"], dtype=pl.List(pl.String)))
    frame.write_parquet(tmp_path / "new.parquet")
    message = refused(
        "fit", posts, "--labels", "feelings", "--validation", tmp_path / "new.parquet", "-o", tmp_path / "m"
    )
    assert "column feelings has 'rage', which no row of the fit has" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "split"], "--label: stands beside --labels, expected one of the two"),
        (["--candidates", "5"], "--candidates: stands beside --labels"),
    ],
)
def test_options_that_do_not_go_together(run, posts, tmp_path, options, message):
    result = run("fit", posts, "--labels", "feelings", *options, "-o", tmp_path / "m")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "m").exists()


def test_a_column_of_names_is_no_column_of_lists(refused, posts, tmp_path):
    assert "labels are String, expected lists" in refused("fit", posts, "--labels", "split", "-o", tmp_path / "m")


def test_c_is_chosen_on_folds_and_on_validation_rows(run, posts, tmp_path):
    arguments = (
        "fit",
        posts,
        "--labels",
        "feelings",
        "--C",
        "auto",
        "--where",
        "split = 'train'",
        "-o",
        tmp_path / "m",
    )
    for options in ((), ("--validation-where", "split = 'val'")):
        result = run(*arguments, "--json", *options)
        assert result.exit_code == 0, result.output
        summary = json.loads(result.stdout)
        assert summary["C"] in summary["path"]["C"]
        assert summary["path"]["folds"] == (1 if options else 5)
        assert summary["C"] == ll.load(tmp_path / "m").C


def test_a_model_of_two_classes_that_a_program_fitted(run, posts, tmp_path):
    frame = pl.read_parquet(posts)
    X, y = frame["embedding"].to_numpy(), frame["split"].to_numpy()
    ll.SigmoidClassifier().fit(X, y).save(tmp_path / "m")
    result = run("evaluate", tmp_path / "m", posts, "--label", "split", "--json")
    assert json.loads(result.stdout)["num_classes"] == 2
    first = json.loads(run("predict", tmp_path / "m", posts, "--json").stdout.splitlines()[0])
    assert first["prediction"] in ("train", "val")


@pytest.mark.parametrize("options", [["--classwise"], ["--unknown-label", "b"]])
def test_figures_that_many_labels_have_not(run, posts, model, options):
    result = run("evaluate", model, posts, *options)
    assert result.exit_code == 2
    assert f"{options[0]}: {model} is of many labels a row, which have none; leave it out" in result.stderr

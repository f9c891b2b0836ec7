"""`fit --C auto`: the path of C from the command line."""

import json

import numpy as np
import polars as pl
import pytest

import lastlayer as ll
from lastlayer.cli.hold_out import hold_out

FIT = ["--label", "kind", "--features", "width,height", "--C", "auto"]


def arrays(frame):
    return frame.select("width", "height").to_numpy(), frame["kind"].to_numpy().astype(str)


def test_folds_of_the_rows_of_the_fit_choose(run, table, tmp_path):
    result = run("fit", table, *FIT, "-o", tmp_path / "m", "--json")
    assert result.exit_code == 0, result.output
    (X, y, _), held = hold_out(*arrays(pl.read_parquet(table)), 0.1)
    expected = ll.SoftmaxClassifierCV().fit(X, y).calibrate(*held[:2])
    summary, model = json.loads(result.stdout), ll.load(tmp_path / "m")
    assert summary["C"] == model.C == expected.C_
    np.testing.assert_allclose(summary["path"]["log_loss"], expected.path_.mean_log_losses, rtol=1e-10)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert model.beta_ == expected.beta_
    assert type(model) is ll.SoftmaxClassifier


def test_validation_rows_choose_and_calibrate(run, table, tmp_path):
    result = run(
        *("fit", table, *FIT, "--where", "split = 'train'", "--validation-where", "split = 'val'"),
        *("--class-weight", "balanced", "--standardize", "-o", tmp_path / "m", "--json"),
    )
    assert result.exit_code == 0, result.output
    train, val = (pl.read_parquet(table).filter(split=split) for split in ("train", "val"))
    expected = ll.SoftmaxClassifierCV(class_weight="balanced", standardize=True)
    expected.fit(*arrays(train), validation=arrays(val)).calibrate(*arrays(val))
    summary = json.loads(result.stdout)
    assert (summary["C"], summary["held_out_rows"], summary["standardized"]) == (expected.C_, 150, True)
    assert summary["beta"] == pytest.approx(expected.beta_, rel=1e-9)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_chart_is_on_standard_error_and_the_choice_in_the_summary(run, table, tmp_path, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    result = run("fit", table, *FIT, "-o", tmp_path / "m")
    chart = [line for line in result.stderr.splitlines() if " |" in line]
    assert len(chart) == 19
    assert max(map(len, chart)) <= min(columns, 80)
    assert sum(line.endswith("*") for line in chart) == 1
    chosen = next(line for line in result.stdout.splitlines() if line.startswith("C "))
    assert "of 19 values the least log-loss (0." in chosen
    assert chosen.endswith(" on 5 folds")
    assert len(chosen) <= 80
    assert "|" not in run("fit", table, *FIT, "-o", tmp_path / "m", "--quiet").stderr


def test_weights_choose_too(run, table, tmp_path):
    frame = pl.read_parquet(table).with_columns(weight=pl.col("id") % 3)
    frame.write_parquet(tmp_path / "weighted.parquet")
    options = ("--weight", "weight", "--holdout", "0", "-o", tmp_path / "m", "--json")
    result = run("fit", tmp_path / "weighted.parquet", *FIT, *options)
    kept = frame.filter(pl.col("weight") > 0)
    expected = ll.SoftmaxClassifierCV().fit(*arrays(kept), sample_weight=kept["weight"].to_numpy())
    assert json.loads(result.stdout)["path"]["log_loss"] == pytest.approx(expected.path_.mean_log_losses.tolist())


@pytest.mark.filterwarnings("default::lastlayer.estimators.PathEndWarning")
def test_the_best_at_an_end_is_a_warning_of_the_command(run, tmp_path):
    rng = np.random.default_rng(0)
    kinds = np.arange(90) % 3
    pl.DataFrame({"a": 1e-5 * (kinds + rng.standard_normal(90)), "kind": kinds}).write_csv(tmp_path / "small.csv")
    result = run("fit", tmp_path / "small.csv", "--label", "kind", "--C", "auto", "--holdout", 0, "-o", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert "warning: Cs: the held-out log-losses hardly differ" in result.stderr
    assert "or in a shell a larger --C" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--candidates", "5"], "--C auto: stands beside --candidates"),
        (["--C", "automatic"], "'automatic' is not a valid float"),
        (["--C", "-1"], "--C: received -1, expected a number greater than 0, or inf"),
    ],
)
def test_refusals(refused, table, tmp_path, options, message):
    assert message in refused("fit", table, *FIT, *options, "-o", tmp_path / "m")

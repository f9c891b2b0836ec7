"""The whole way on 150 intents: sentence embeddings of unit length, from a parquet file to calibrated predictions."""

import json

import polars as pl
import pytest

from tests.shared_data import data_file

KNOWN = "intent <> 'out_of_scope'"


@pytest.mark.parametrize(
    ("C", "accuracy", "log_loss"), [pytest.param(1, 0.94, 0.195, marks=pytest.mark.thorough), (10, 0.95, 0.165)]
)
def test_fit_predict_evaluate(run, tmp_path, C, accuracy, log_loss):
    data = data_file("clinc150.parquet")
    model, out = tmp_path / "intents.safetensors", tmp_path / "out.parquet"
    fitted = run(
        *("fit", data, "--label", "intent", "--features", "embedding", "--where", f"split = 'train' and {KNOWN}"),
        *("--validation-where", f"split = 'val' and {KNOWN}", "--C", C, "-o", model, "--json"),
    )
    assert fitted.exit_code == 0, fitted.output
    summary = json.loads(fitted.stdout)
    assert (summary["rows"], summary["held_out_rows"], summary["num_classes"], summary["features"]) == (
        15000,
        3000,
        150,
        384,
    )
    assert summary["log_loss_after"] < summary["log_loss_before"]

    test = f"split = 'test' and {KNOWN}"
    evaluated = run("evaluate", model, data, "--where", test, "--min-accuracy", accuracy, "--json")
    assert evaluated.exit_code == 0, evaluated.output
    evaluation = json.loads(evaluated.stdout)
    assert evaluation["rows"] == 4500
    assert evaluation["log_loss"] <= log_loss

    predicted = run("predict", model, data, "--where", test, "--keep", "intent", "-o", out)
    assert predicted.exit_code == 0, predicted.output
    right = pl.read_parquet(out).select((pl.col("intent") == pl.col("prediction")).mean()).item()
    assert right == pytest.approx(evaluation["accuracy"])

"""One head, whoever made it: the command line and Python find its features by name."""

import numpy as np
import pandas
import polars as pl
import pytest

import lastlayer as ll


def in_pandas(frame):
    return pandas.DataFrame(frame.to_dict(as_series=False))


@pytest.fixture
def frame(table):
    return pl.read_parquet(table).filter(split="test")


def test_trap_34_a_head_of_the_command_knows_its_features_in_python(model, frame):
    head = ll.load(model)
    features = frame.select("width", "height")
    expected = head.predict_proba(features.to_numpy())
    for known in (features, in_pandas(features)):
        np.testing.assert_allclose(head.predict_proba(known), expected, rtol=1e-5)
    turned = frame.select("height", "width")
    for other in (turned, in_pandas(turned), frame.select("width", "id")):
        with pytest.raises(ValueError, match="feature names should match"):
            head.predict_proba(other)
    assert (head.predict(features) == frame["kind"].to_numpy()).mean() > 0.8


def test_a_head_of_python_finds_its_columns_in_a_file(run, table, frame, tmp_path):
    rows = in_pandas(pl.read_parquet(table))
    ll.SoftmaxClassifier().fit(rows[["height", "width"]], rows["kind"]).save(tmp_path / "m")
    assert ll.load(tmp_path / "m").training_.label == "kind"
    result = run("evaluate", tmp_path / "m", table, "--min-accuracy", "0.8")
    assert result.exit_code == 0, result.output


def test_what_the_command_remembers_survives_a_save_from_python(run, model, table):
    head = ll.load(model)
    head.save(model, header={"note": "mine"})
    assert ll.load(model).header_ == {"note": "mine"}
    result = run("evaluate", model, table)  # which knows the columns and the label by itself
    assert result.exit_code == 0, result.output


def test_the_command_raises_no_warning_about_names(run, model, table, tmp_path):
    result = run("predict", model, table, "-o", tmp_path / "out.csv")
    assert result.stderr == f"600 rows written to {tmp_path / 'out.csv'}\n"

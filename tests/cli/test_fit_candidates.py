"""`lastlayer fit --candidates S`, with and without a checkpoint."""

import json

import numpy as np
import polars as pl
import pytest

import lastlayer as ll


@pytest.fixture
def many(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 30, 3000)
    points = (2 * rng.standard_normal((30, 4))[labels] + rng.standard_normal((3000, 4))).astype(np.float32)
    frame = pl.DataFrame({f"f{d}": points[:, d] for d in range(4)} | {"kind": labels})
    frame.write_parquet(tmp_path / "many.parquet")
    return tmp_path / "many.parquet"


FIT = ["--label", "kind", "--tol", "1e-2"]


def test_summary_document_and_model(run, many, tmp_path):
    arguments = ["fit", many, *FIT, "--candidates", 10, "-o", tmp_path / "m"]
    document = json.loads(run(*arguments, "--json").stdout)
    assert (document["candidates"], document["stopped"], document["gap"]) == (10, "held_out", "Infinity")
    assert document["monitor_rows"] == 200
    model = ll.load(tmp_path / "m")
    assert model.get_params()["candidates"] == 10
    assert model.training_.monitor_log_loss == document["monitor_log_loss"]
    pairs = dict(line.split("  ", 1) for line in run(*arguments).stdout.splitlines())
    assert pairs["passes"].strip().endswith("(held_out)")
    assert pairs["full softmax"].strip().endswith("on 200 of the fitted rows, not learnt")
    shown = run("info", tmp_path / "m", "--json")
    assert json.loads(shown.stdout)["monitor_rows"] == 200
    assert run("info", tmp_path / "m").exit_code == 0


def test_progress_and_a_checkpoint_to_go_on_from(run, many, tmp_path):
    checkpoint = tmp_path / "c"
    arguments = ["fit", many, *FIT, "--candidates", 10, "--checkpoint", checkpoint, "-o"]
    first = run(*arguments, tmp_path / "one")
    assert first.exit_code == 0, first.output
    assert "held-out log-loss" in first.stderr
    before = checkpoint.read_bytes()
    again = run(*arguments, tmp_path / "two")
    assert again.exit_code == 0, again.output
    assert checkpoint.read_bytes() == before
    one, two = ll.load(tmp_path / "one"), ll.load(tmp_path / "two")
    np.testing.assert_array_equal(one.coef_, two.coef_)
    assert one.checkpoint is None


def test_refusals(refused, run, many, tmp_path):
    common = ["fit", many, *FIT, "-o", tmp_path / "m"]
    assert "--checkpoint: stands without --candidates" in refused(*common, "--checkpoint", tmp_path / "c")
    model = tmp_path / "m"
    assert "is also the model" in refused(*common, "--candidates", 5, "--checkpoint", model)
    assert "is also the model" in refused(*common, "--candidates", 5, "--checkpoint", many)
    assert run(*common, "--candidates", 0).exit_code == 2
    (tmp_path / "c").write_text("notes")
    assert "expected one of this fit, or no file" in refused(
        *common, "-q", "--candidates", 5, "--checkpoint", tmp_path / "c"
    )
    assert (tmp_path / "c").read_text() == "notes"
    missing = tmp_path / "none" / "c"
    assert "cannot be written" in refused(*common, "-q", "--candidates", 5, "--checkpoint", missing)

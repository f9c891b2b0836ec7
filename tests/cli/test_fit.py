import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

import lastlayer as ll
from lastlayer._stopwatch import compiled_for
from lastlayer.cli.hold_out import hold_out

FIT = ["--label", "kind", "--features", "width,height"]


def arrays(frame):
    return frame.select("width", "height").to_numpy(), frame["kind"].to_numpy().astype(str)


def test_validation_rows_of_the_same_file(run, table, tmp_path):
    path = tmp_path / "model.safetensors"
    result = run(
        *("fit", table, *FIT, "--where", "split = 'train'", "--validation-where", "split = 'val'"),
        *("-o", path, "--json"),
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["rows"], summary["held_out_rows"]) == (300, 150)
    assert (summary["classes"], summary["features"]) == (["cat", "cow", "dog"], 2)
    frame = pl.read_parquet(table)
    train, val = frame.filter(split="train"), frame.filter(split="val")
    expected = ll.SoftmaxClassifier().fit(*arrays(train)).calibrate(*arrays(val))
    model = ll.load(path)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6)
    assert model.beta_ == pytest.approx(expected.beta_, rel=1e-6)
    assert summary["beta"] == pytest.approx(expected.beta_, rel=1e-6)
    assert summary["objective"] == pytest.approx(expected.optimum_.objective, rel=1e-6)
    assert summary["log_loss_after"] <= summary["log_loss_before"]
    assert model.feature_names_in_.tolist() == ["width", "height"]
    assert model.training_.label == "kind"


def test_validation_rows_of_another_file(run, table, tmp_path):
    frame = pl.read_parquet(table)
    # In another order and with more columns: found by name.
    frame.filter(split="val").select("split", "kind", "height", "width").write_csv(tmp_path / "val.csv")
    arguments = ["fit", table, *FIT, "--where", "split = 'train'", "--json"]
    same = run(*arguments, "--validation-where", "split = 'val'", "-o", tmp_path / "a.safetensors")
    other = run(*arguments, "--validation", tmp_path / "val.csv", "-o", tmp_path / "b.safetensors")
    assert other.exit_code == 0, other.output
    assert json.loads(other.stdout)["beta"] == pytest.approx(json.loads(same.stdout)["beta"], rel=1e-5)


def test_a_tenth_is_held_out_by_default(run, table, tmp_path):
    result = run("fit", table, *FIT, "-o", tmp_path / "m", "--json")
    summary = json.loads(result.stdout)
    assert summary["rows"] + summary["held_out_rows"] == 600
    assert summary["held_out_rows"] == pytest.approx(60, abs=1)
    nothing = json.loads(run("fit", table, *FIT, "--holdout", "0", "-o", tmp_path / "m", "--json").stdout)
    assert (nothing["rows"], nothing["held_out_rows"], nothing["beta"]) == (600, 0, 1.0)
    assert nothing["log_loss_before"] is None


def test_summary(run, table, tmp_path):
    result = run("fit", table, *FIT, "--C", "10", "-o", tmp_path / "m.safetensors")
    assert result.exit_code == 0, result.output
    names = [line.split("  ")[0] for line in result.stdout.splitlines()]
    assert names == [
        "rows",
        "classes",
        "features",
        "C",
        "objective",
        "iterations",
        "log-loss",
        "beta",
        "seconds",
        "model",
    ]
    assert "held out for calibration" in result.stdout
    assert max(map(len, result.stdout.splitlines()[:-1])) <= 80


@pytest.mark.filterwarnings("default::lastlayer.estimators.ScalingWarning")
def test_standardize_is_that_of_the_library_and_predict_knows_nothing_of_it(run, table, tmp_path):
    frame = pl.read_parquet(table).with_columns(pl.col("height") * 1e4)
    frame.write_parquet(tmp_path / "scaled.parquet")
    arguments = ["fit", tmp_path / "scaled.parquet", *FIT, "--holdout", "0", "-o", tmp_path / "m", "--json"]
    result = run(*arguments, "--standardize")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["standardized"] is True
    assert "warning" not in result.stderr
    expected = ll.SoftmaxClassifier(standardize=True).fit(*arrays(frame))
    np.testing.assert_allclose(ll.load(tmp_path / "m").coef_, expected.coef_, rtol=1e-5)
    predicted = run("predict", tmp_path / "m", tmp_path / "scaled.parquet", "-o", "-")
    assert predicted.stdout.splitlines()[1].split(",")[0] == expected.predict(arrays(frame)[0])[0]
    assert "C           1, features standardized\n" in run(*arguments[:-1], "--standardize").stdout

    without = run(*arguments)
    assert json.loads(without.stdout)["standardized"] is False
    assert "warning: X: feature 'height' ranges over" in without.stderr
    assert "--standardize in a shell" in without.stderr


def test_the_compilers_seconds_are_no_seconds_of_the_fit(run, table, tmp_path, monkeypatch):
    original = ll.SoftmaxClassifier.fit
    monkeypatch.setattr(ll.SoftmaxClassifier, "fit", lambda *a: (compiled_for(1000.0), original(*a))[1])
    began = time.perf_counter()
    result = run("fit", table, *FIT, "-o", tmp_path / "m.safetensors", "--json")
    assert json.loads(result.stdout)["seconds"] <= time.perf_counter() - began - 1000.0
    assert any(line.startswith("compiling kernels: 100") for line in result.stderr.splitlines())


def test_a_column_of_lists_from_standard_input(run, tmp_path):
    rng = np.random.default_rng(3)
    rows = [{"e": [i % 3 + rng.normal(), rng.normal()], "label": i % 3} for i in range(90)]
    text = "\n".join(map(json.dumps, rows))
    result = run("fit", "-", "-o", tmp_path / "m", "--json", stdin=text)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["features"] == 2
    assert ll.load(tmp_path / "m").training_.features == "e"
    assert ll.load(tmp_path / "m").classes_.tolist() == [0, 1, 2]


def test_npz(run, tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 80)
    np.savez(tmp_path / "d.npz", X=rng.standard_normal((80, 3), dtype=np.float32) + y[:, None], y=y)
    result = run("fit", tmp_path / "d.npz", "--holdout", "0.5", "-o", tmp_path / "m", "--json")
    assert result.exit_code == 0, result.output
    evaluated = run("evaluate", tmp_path / "m", tmp_path / "d.npz", "--json")
    assert evaluated.exit_code == 0, evaluated.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--label", "kindd"],
            "no column 'kindd', expected one of id, width, height, kind, split; did you mean 'kind'?",
        ),
        (["--features", "widht", "--label", "kind"], "did you mean 'width'?"),
        ([], "no column called label, labels or y"),
        ([*FIT, "--where", "id < 0"], "no row satisfies 'id < 0'"),
        ([*FIT, "--where", "split = 'train"], "Unterminated string"),
        ([*FIT, "--where", "kind = 'cat'"], "class"),
        ([*FIT, "--C", "0"], "--C: received 0, expected a number greater than 0, or inf"),
        ([*FIT, "--C", "-1"], "--C: received -1, expected a number greater than 0, or inf"),
        ([*FIT, "--C", "nan"], "--C: received nan"),
        ([*FIT, "--tol", "0"], "--tol: received 0"),
        ([*FIT, "--max-iter", "0"], "--max-iter"),
        ([*FIT, "--holdout", "1"], "--holdout"),
        ([*FIT, "--holdout", "0.1", "--validation-where", "split = 'val'"], "leave one out"),
        ([*FIT, "--validation-where", "split = 'val'"], "150 of its rows are rows of the fit too"),
        ([*FIT, "--where", "split = 'train'", "--validation-where", "split = 'none'"], "no row satisfies"),
        (
            [*FIT, "--where", "split = 'train' and kind <> 'cow'", "--validation-where", "split = 'val'"],
            "column kind is 'cow', which no row of the fit has",
        ),
    ],
)
def test_refusals(refused, table, tmp_path, arguments, message):
    model = tmp_path / "model.safetensors"
    assert message in refused("fit", table, *arguments, "-o", model)
    assert not model.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y,label\n1,2,a\n1,,b\n", "row 1 (the first is 0): column y is null"),
        ("x,y,label\n1,2,a\n1,NaN,b\n2,inf,b\n", "row 1 (the first is 0): column y is"),
        ("x,y,label\n1,2,a\n3,4,b\n5,n/a,b\n", "row 2 (the first is 0): column y is 'n/a', expected a finite number"),
        ("x,y,label\n1,2,a\n3,4,\n", "row 1 (the first is 0): column label is null"),
        ("x,y,label\n1,2,0.5\n3,4,1\n", "row 0 (the first is 0): column label is 0.5"),
        ("x,y,label\n1,2,a\n3,4,a\n", "class"),
        ("text,label\nfoo,a\nbar,b\n", "no column of numbers"),
    ],
)
def test_bad_rows(refused, tmp_path, text, message):
    path = tmp_path / "data.csv"
    path.write_text(text)
    assert message in refused("fit", path, "-o", tmp_path / "m")
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.csv"]


def test_ragged_lists(refused, tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text('{"e": [1, 2], "label": 0}\n{"e": [1, 2, 3], "label": 1}\n')
    message = refused("fit", path, "-o", tmp_path / "m")
    assert "row 1 (the first is 0): column e holds 3 numbers, but its first row holds 2" in message


def test_the_place_of_the_model_is_tried_before_the_fit(refused, table, tmp_path, monkeypatch):
    monkeypatch.setattr(ll, "SoftmaxClassifier", None, raising=False)
    for place in (tmp_path, tmp_path / "none" / "m", "/dev/full"):
        assert "cannot be written" in refused("fit", table, *FIT, "-o", place)
    assert "is also an input" in refused("fit", table, *FIT, "-o", table)


def test_a_class_that_only_one_row_has_stays_in_the_fit(run, tmp_path):
    path = tmp_path / "data.csv"
    rows = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(50)] + ["9,9,rare"]
    path.write_text("\n".join(["x,y,label", *rows]))
    result = run("fit", path, "-o", tmp_path / "m", "--holdout", "0.5", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["num_classes"] == 3


def interrupted(tmp_path, *options):
    """The exit code, standard output and standard error of a fit that gets Ctrl-C once it is under way."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", X=rng.standard_normal((20_000, 200)), y=rng.integers(0, 50, 20_000))
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "lastlayer", "fit", tmp_path / "d.npz", "-o", tmp_path / "m"),
            *("--tol", "1e-300", "--C", "1e9", "--max-iter", "100000000", *options),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        begun = os.read(process.stderr.fileno(), 1 << 16)  # the first sign of progress
        process.send_signal(signal.SIGINT)
        output, rest = process.communicate()
    return process.returncode, output.decode(), [*begun.decode().splitlines(), *rest.decode().splitlines()]


@pytest.mark.thorough
def test_ctrl_c_writes_nothing_and_is_130(tmp_path):
    code, output, errors = interrupted(tmp_path)
    assert (code, output) == (130, "")
    *progress, last = errors
    assert all(line.startswith(("iteration ", "compiling kernels: ")) for line in progress), errors
    assert last.startswith("error: interrupted at objective ")
    assert last.endswith(f"; {tmp_path / 'm'} was not written.")
    assert [entry.name for entry in tmp_path.iterdir()] == ["d.npz"]


def test_ctrl_c_keeps_the_best_head_so_far_when_asked(tmp_path):
    code, output, errors = interrupted(tmp_path, "--keep-interrupted", "--json")
    assert code == 130
    *progress, last = errors
    assert all(line.startswith(("iteration ", "compiling kernels: ")) for line in progress), errors
    assert last.startswith("error: interrupted at objective ")
    assert last.endswith(f"; {tmp_path / 'm'} holds the best head so far.")
    summary, model = json.loads(output), ll.load(tmp_path / "m")
    assert summary["stopped"] == model.optimum_.stopped == "interrupted"
    assert summary["objective"] == model.optimum_.objective
    assert model.predict(np.zeros((1, 200))).shape == (1,)


def test_a_loaded_head_is_not_verbose(run, table, tmp_path, capsys):
    assert run("fit", table, *FIT, "-o", tmp_path / "m").exit_code == 0
    model = ll.load(tmp_path / "m")
    assert model.verbose == 0
    model.fit(*arrays(pl.read_parquet(table)))
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("default::UserWarning")
def test_quiet_says_nothing_but_warnings(run, table, tmp_path):
    loud = run("fit", table, *FIT, "-o", tmp_path / "m")
    assert loud.stderr.startswith("iteration ")
    quiet = run("fit", table, *FIT, "-o", tmp_path / "m", "--quiet")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert quiet.stdout.startswith("rows")
    limited = run("fit", table, *FIT, "-o", tmp_path / "m", "--quiet", "--max-iter", "1")
    assert limited.stderr.startswith("warning: fit: max_iter=1 was reached")


def test_labels_of_their_own_are_warned_of(run, table, tmp_path):
    result = run("fit", table, "--label", "id", "--features", "width,height", "-o", tmp_path / "m", "-q")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("warning: column id: 600 of 600 rows have a label that no other row has")
    assert len(result.stderr.splitlines()) == 1


def test_rows_of_the_fit_are_no_validation_rows(run, table, tmp_path):
    path = tmp_path / "model.safetensors"
    result = run("fit", table, *FIT, "--validation", table, "-o", path)
    assert result.exit_code == 2
    assert "--validation: names a file of DATA" in result.stderr
    assert not path.exists()


@pytest.fixture
def weighted(table, tmp_path):
    """`table` with a column of weights, 0 to 3, and the same rows repeated as often."""
    frame = pl.read_parquet(table).with_columns(often=pl.col("id") * 7 % 4)
    frame.write_parquet(tmp_path / "weighted.parquet")
    frame[np.repeat(np.arange(600), frame["often"])].write_parquet(tmp_path / "repeated.parquet")
    return tmp_path / "weighted.parquet", tmp_path / "repeated.parquet"


def test_weights_are_repeated_rows(run, weighted, tmp_path):
    rows = ["--where", "split = 'train'", "--validation-where", "split = 'val'"]
    (by_weight, repeated), models = weighted, [tmp_path / "a", tmp_path / "b"]
    one = run("fit", by_weight, *FIT, "--weight", "often", *rows, "-o", models[0], "--json")
    other = run("fit", repeated, *FIT, *rows, "-o", models[1], "--json")
    assert one.exit_code == other.exit_code == 0, one.output + other.output
    one, other = json.loads(one.stdout), json.loads(other.stdout)
    for key in ("objective", "beta", "log_loss_before", "log_loss_after"):
        assert one[key] == pytest.approx(other[key], rel=1e-5), key
    assert one["feature_columns"] == ["width", "height"]
    assert one["rows"] == pl.read_parquet(by_weight).filter(pl.col("often") > 0, split="train").height
    np.testing.assert_allclose(ll.load(models[0]).coef_, ll.load(models[1]).coef_, rtol=1e-3)


def test_weights_are_held_out_with_their_rows(run, weighted, tmp_path):
    by_weight, _ = weighted
    result = run("fit", by_weight, *FIT, "--weight", "often", "--holdout", "0.25", "-o", tmp_path / "m", "--json")
    assert result.exit_code == 0, result.output
    frame = pl.read_parquet(by_weight).filter(pl.col("often") > 0)
    fitted, held = hold_out(*arrays(frame), 0.25, frame["often"].to_numpy().astype(float))
    assert held is not None
    expected = ll.SoftmaxClassifier().fit(*fitted).calibrate(*held)
    assert json.loads(result.stdout)["beta"] == pytest.approx(expected.beta_, rel=1e-6)


def test_weights_are_no_feature_and_not_remembered(run, refused, weighted, tmp_path):
    by_weight, _ = weighted
    keep = ["width", "height", "kind", "often"]
    pl.read_parquet(by_weight).select(keep).write_parquet(tmp_path / "d.parquet")
    arguments = ["fit", tmp_path / "d.parquet", "--label", "kind", "--weight", "often", "-o", tmp_path / "m"]
    assert json.loads(run(*arguments, "--json").stdout)["feature_columns"] == ["width", "height"]
    assert b"often" not in (tmp_path / "m").read_bytes()
    assert "--features often: it is the weight column" in refused(*arguments, "--features", "often")
    message = refused(*arguments[:-4], "--weight", "kind", "-o", tmp_path / "m")
    assert "--weight kind: is the label column too" in message


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (["1", "-1", "1"], "d.csv: row 1 (the first is 0): column w is -1, expected a weight: a finite number of at"),
        (["1", "", "1"], "d.csv: row 1 (the first is 0): column w is null"),
        (["1", "1", "NaN"], "d.csv: row 2 (the first is 0): column w is nan"),
        (["inf", "1", "1"], "d.csv: row 0 (the first is 0): column w is inf"),
        (["1", "n/a", "1"], "d.csv: row 1 (the first is 0): column w is 'n/a', expected a weight"),
        (["0", "0", "0"], "d.csv: column w is 0 in every row, expected at least one weight above it"),
    ],
)
def test_bad_weights(refused, tmp_path, weights, message):
    lines = ["x,y,w,label", *(f"{i},{i * i},{w},{'ab'[i % 2]}" for i, w in enumerate(weights))]
    (tmp_path / "d.csv").write_text("\n".join(lines))
    assert message in refused("fit", tmp_path / "d.csv", "--weight", "w", "-o", tmp_path / "m")
    assert "did you mean 'w'?" in refused("fit", tmp_path / "d.csv", "--weight", "ww", "-o", tmp_path / "m")


def test_infinite_c_is_no_penalty_and_no_bound(run, table, tmp_path):
    arguments = ("fit", table, *FIT, "--C", "inf", "-o", tmp_path / "m")
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["C"], summary["gap"]) == ("Infinity", "Infinity")
    assert "no bound on its distance from the optimum" in run(*arguments).stdout
    assert "no bound on its distance from the optimum" in run("info", tmp_path / "m").stdout

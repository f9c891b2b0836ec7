import json

import numpy as np
import polars as pl
import pytest

import lastlayer as ll

NAMES = ["cat", "cow", "dog"]


@pytest.fixture
def scored(tmp_path):
    """Files of 400 rows of an over-confident model's logits and probabilities, in every form; and the arrays."""
    rng = np.random.default_rng(5)
    logits = rng.standard_normal((400, 3)) * 3
    labels = (0.5 * logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    p, weight = ll.softmax(logits), rng.integers(0, 4, 400) / 2
    for name, array in (("z", logits), ("p", p), ("y", labels), ("w", weight)):
        np.save(tmp_path / f"{name}.npy", array)
    np.savez(tmp_path / "scores.npz", z=logits, p=p, y=labels)
    frame = pl.DataFrame(
        {
            "scores": logits.tolist(),
            **{f"p_{name}": p[:, k] for k, name in enumerate(NAMES)},
            "animal": [NAMES[k] for k in labels],
            "number": labels,
            "weight": weight,
            "id": np.arange(400),
        }
    )
    frame.write_parquet(tmp_path / "scores.parquet")
    frame.drop("scores").write_csv(tmp_path / "scores.csv")
    return tmp_path, logits, labels, weight


def calibrated(run, *arguments):
    result = run("calibrate", *arguments)
    assert result.exit_code == 0, result.output
    return result


def test_arrays_from_fit_to_evaluation(run, scored):
    folder, logits, labels, _ = scored
    cal, out = folder / "cal.json", folder / "honest.npy"
    arguments = (folder / "z.npy", folder / "y.npy", "--from", "logits", "--label", "y", "-o", cal)
    document = json.loads(calibrated(run, *arguments, "--json").stdout)
    assert document["beta"] == ll.fit_temperature(logits, labels)
    assert document["log_loss_after"] < document["log_loss_before"]
    assert ll.load_calibration(cal).beta == document["beta"]
    result = calibrated(run, "--apply", cal, folder / "z.npy", "-o", out)
    assert result.stderr == f"400 rows written to {out}\n"
    np.testing.assert_array_equal(np.load(out), ll.softmax(logits, beta=document["beta"]))
    judged = run("evaluate", "--probabilities", out, "--labels", folder / "y.npy", "--json", "--intervals", "0.9")
    figures = json.loads(judged.stdout)
    assert figures["log_loss"] == pytest.approx(document["log_loss_after"], rel=1e-12)
    assert figures["log_loss_interval"][0] < figures["log_loss"] < figures["log_loss_interval"][1]


@pytest.mark.parametrize("method", ["temperature", "entropy-temperature", "vector"])
def test_columns_whose_names_say_the_classes(run, scored, method):
    folder, logits, labels, weight = scored
    cal, out = folder / "cal.json", folder / "honest.csv"
    scores = ("--scores", "p_*", "--from", "probabilities")
    shown = calibrated(
        run, folder / "scores.csv", *scores, "--label", "animal", "--weight", "weight", "--method", method, "-o", cal
    ).stdout
    assert "judge it on others" in shown
    assert max(map(len, shown.splitlines())) <= 80 + len(str(cal))
    calibration = ll.load_calibration(cal)
    assert calibration.classes == tuple(NAMES)
    expected = ll.fit_calibration(
        ll.softmax(logits), labels, scores_are="probabilities", method=method, sample_weight=weight
    )
    assert calibration.beta == pytest.approx(expected.beta, rel=1e-9)
    calibrated(run, "--apply", cal, folder / "scores.csv", *scores, "--keep", "animal,id", "-o", out, "--quiet")
    frame = pl.read_csv(out)
    columns = ["animal", "id", "prediction", "probability", *(f"probability_{name}" for name in NAMES)]
    assert frame.columns == columns
    p = expected.apply(ll.softmax(logits))
    np.testing.assert_allclose(frame.select(columns[-3:]).to_numpy(), p, rtol=1e-6, atol=1e-9)
    assert frame["prediction"].to_list() == [NAMES[k] for k in p.argmax(axis=1)]
    np.testing.assert_array_equal(frame["probability"], frame.select(columns[-3:]).to_numpy().max(axis=1))


def test_lists_conditions_and_many_batches(run, scored, monkeypatch):
    folder, logits, labels, _ = scored
    monkeypatch.setattr("lastlayer.cli.score_table._ENTRIES", 21)
    cal, table = folder / "cal.json", folder / "scores.parquet"
    calibrated(
        run,
        table,
        "--from",
        "logits",
        "--label",
        "animal",
        "--classes",
        "cat,cow,dog",
        "--where",
        "id < 300",
        "-o",
        cal,
    )
    beta = ll.fit_temperature(logits[:300], labels[:300])
    assert ll.load_calibration(cal).beta == beta
    lines = calibrated(run, "--apply", cal, table, "--where", "id >= 300", "--keep", "id", "--json").stdout.splitlines()
    assert len(lines) == 100
    first = json.loads(lines[0])
    assert first["id"] == 300
    assert first["probability_dog"] == pytest.approx(ll.softmax(logits[300], beta=beta)[2], rel=1e-12)
    calibrated(run, "--apply", cal, table, "--where", "id >= 300", "-o", folder / "some.npy")
    assert np.load(folder / "some.npy").shape == (100, 3)


def test_an_archive_of_arrays(run, scored):
    folder, logits, labels, _ = scored
    calibrated(
        run, folder / "scores.npz", "--from", "probabilities", "--scores", "p", "--label", "y", "-o", folder / "c"
    )
    assert ll.load_calibration(folder / "c").beta == pytest.approx(ll.fit_temperature(logits, labels), rel=1e-9)


def test_what_has_no_best_temperature_is_said(run, tmp_path):
    np.save(tmp_path / "z.npy", np.eye(3)[[0, 1, 2, 0]])
    np.save(tmp_path / "y.npy", [0, 1, 2, 0])
    result = calibrated(
        run, tmp_path / "z.npy", tmp_path / "y.npy", "--from", "logits", "--label", "y", "-o", tmp_path / "c"
    )
    assert "warning: every label is its row's largest logit" in result.stderr
    np.save(tmp_path / "z.npy", np.eye(5)[[0, 1, 2, 0]])
    np.save(tmp_path / "y.npy", [0, 1, 2, 1])
    result = calibrated(
        run, tmp_path / "z.npy", tmp_path / "y.npy", "--from", "logits", "--label", "y", "-o", tmp_path / "c"
    )
    assert "warning: 4 rows, fewer than the 5 classes" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["z.npy", "y.npy", "--label", "y", "-o", "c"], "--from: missing, expected one of logits, log-probabilities"),
        (["z.npy", "y.npy", "--label", "y", "--from", "logits"], "-o: missing, expected the file"),
        (
            ["z.npy", "y.npy", "--label", "y", "--from", "probabilities", "-o", "c"],
            "z.npy y.npy: row 0 (the first is 0): column z has ",
        ),
        (
            ["scores.csv", "--scores", "p_c*", "--label", "number", "--from", "probabilities", "-o", "c"],
            "expected one of the 2 classes (at, ow)",
        ),
        (
            ["scores.csv", "--scores", "p_cat,p_cow", "--label", "animal", "--from", "probabilities", "-o", "c"],
            "which is no class",
        ),
        (["scores.csv", "--label", "animal", "--from", "probabilities", "-o", "c"], "name them with --scores"),
        (["scores.npz", "--label", "y", "--from", "logits", "-o", "c"], "columns z and p all hold lists of numbers"),
        (["z.npy", "y.npy", "--label", "y", "--from", "logits", "-o", "z.npy"], "-o z.npy: is also an input"),
        (["z.npy", "y.npy", "--label", "y", "--from", "logits", "--keep", "y", "-o", "c"], "--keep: expected --apply"),
        (["--apply", "cal.json", "z.npy", "--label", "y"], "--label: stands beside --apply"),
        (["--apply", "cal.json", "z.npy", "--from", "probabilities"], "cal.json is for logits, expected the same"),
        (["--apply", "none.json", "z.npy"], "none.json: no such file, expected a calibration"),
        (["--apply", "z.npy", "p.npy"], "z.npy: cut short or not JSON, expected a calibration"),
        (["--apply", "cal.json", "two.npy"], "--scores: 2 classes, but cal.json was fitted on 3"),
        (["--apply", "named.json", "z.npy"], "named.json was fitted on probabilities, apply it to such."),
        (
            ["one.npy", "y.npy", "--label", "y", "--from", "probabilities", "-o", "c"],
            "--scores: one has one class, expected at least two; a binary model has two columns, such as 1 - p and p.",
        ),
        (["--apply", "cal.json", "z.npy", "-o", "out.txt"], "of no known kind"),
        (["--apply", "cal.json", "scores.parquet", "--keep", "id", "-o", "out.npy"], "--keep: a column, which out.npy"),
        (["--apply", "cal.json", "scores.parquet", "--keep", "scores", "-o", "o.csv"], "holds lists, which csv cannot"),
        (["--apply", "cal.json", "scores.parquet", "--keep", "nme"], "no column 'nme'"),
        (
            ["--apply", "named.json", "scores.csv", "--scores", "p_dog,p_cow,p_cat"],
            "class 0 is 'p_dog', but named.json",
        ),
    ],
)
def test_refusals(run, refused, scored, arguments, message, monkeypatch):
    folder, *_ = scored
    monkeypatch.chdir(folder)
    ll.save_calibration(ll.Calibration("temperature", "logits", 0.5, 3, 9), "cal.json")
    ll.save_calibration(
        ll.Calibration("temperature", "probabilities", 0.5, 3, 9, classes=("p_cat", "p_cow", "p_dog")), "named.json"
    )
    np.save("two.npy", np.zeros((4, 2)))
    np.save("one.npy", np.ones((len(np.load("y.npy")), 1)))
    assert message in refused("calibrate", *arguments)


@pytest.mark.parametrize(
    ("kind", "row", "message"),
    [
        (
            "probabilities",
            [0.5, 0.5, 0.5],
            "row 3 (the first is 0): column s sums to 1.5, expected 1 within 0.001; say",
        ),
        ("log-probabilities", [0.0, 0.0, 0.0], "row 3 (the first is 0): column s has exponentials that sum to 3"),
        ("logits", [0.0, np.nan, 0.0], "row 3 (the first is 0): column s has nan, expected finite logits"),
        ("probabilities", [1.0, 0.0, 0.0], "row 3 (the first is 0): column s gives the label 1 the probability 0"),
        ("logits", [1.0, -np.inf, 0.0], "which no calibration can change, expected one above it; drop the row."),
    ],
)
def test_trap_25_bad_rows_are_named_where_they_weigh(run, refused, tmp_path, kind, row, message):
    good = {"probabilities": [0.2, 0.3, 0.5], "logits": [1.0, 2.0, 3.0]}.get(kind, np.log([0.2, 0.3, 0.5]).tolist())
    rows = [good] * 3 + [row] + [good] * 4
    frame = pl.DataFrame({"s": rows, "y": [0, 1, 2, 1, 0, 0, 2, 2], "w": [1, 1, 1, 0, 1, 1, 1, 1]})
    frame.write_parquet(tmp_path / "t.parquet")
    arguments = (tmp_path / "t.parquet", "--from", kind, "-o", tmp_path / "c")
    assert message in refused("calibrate", *arguments)
    calibrated(run, *arguments, "--weight", "w")
    assert ll.load_calibration(tmp_path / "c").rows == 7


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", ["temperature", "entropy-temperature", "vector"])
def test_scores_that_exceed_memory_are_spooled_with_the_same_calibration(run, tmp_path, kind, dtype, method):
    rng = np.random.default_rng(5)
    z = (3 * rng.standard_normal((400, 3))).astype(dtype)
    label = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    frame = pl.DataFrame({"s": z if kind == "logits" else ll.softmax(z), "label": label, "w": np.arange(400) % 3})
    frame.write_parquet(tmp_path / "t.parquet")
    arguments = ["calibrate", tmp_path / "t.parquet", "--from", kind, "--weight", "w", "--method", method]
    expected = run(*arguments, "-o", tmp_path / "c.json", "--json")
    found = run(*arguments, "-o", tmp_path / "c.json", "--json", "--memory", "1MB", "--spool", tmp_path)
    assert (expected.exit_code, found.exit_code) == (0, 0), found.output
    assert found.stdout == expected.stdout
    assert expected.stderr == ""
    name = np.dtype(dtype).name
    assert found.stderr.startswith(f"spooling {'4.8' if dtype == np.float32 else '9.6'} kB of scores as {name}: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.json", "t.parquet"]

import json
import tracemalloc

import numpy as np
import polars as pl
import pytest

import lastlayer as ll
from lastlayer.cli.score_table import class_names

NAMES = ["cat", "cow", "dog"]


@pytest.fixture
def scored(tmp_path):
    """Files of 200 rows of logits and probabilities of three classes, in every form; and the arrays."""
    rng = np.random.default_rng(5)
    logits = rng.standard_normal((200, 3)) * 3
    logits[::7, 2] = -np.inf
    labels = np.array([rng.choice(3, p=row) for row in ll.softmax(logits)])
    probabilities, weight = ll.softmax(logits), rng.integers(0, 4, 200) / 2
    np.save(tmp_path / "z.npy", logits)
    np.save(tmp_path / "p.npy", probabilities)
    np.save(tmp_path / "y.npy", labels)
    np.save(tmp_path / "w.npy", weight)
    frame = pl.DataFrame(
        {
            "every": probabilities,
            "scores": logits.tolist(),
            **{f"p_{name}": probabilities[:, k] for k, name in enumerate(NAMES)},
            **{f"{name}.logit": logits[:, k] for k, name in enumerate(NAMES)},
            "number": labels,
            "animal": [NAMES[k] for k in labels],
            "weight": weight,
        }
    )
    frame.write_parquet(tmp_path / "scores.parquet")
    frame.drop("every", "scores").write_csv(tmp_path / "scores.csv")
    return tmp_path, probabilities, labels, weight


def figures(run, *arguments):
    result = run("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


def assert_is(found, expected):
    expected = expected.to_dict()
    assert found["classes"] == expected["classes"]
    for key in ("rows", "num_classes", "accuracy", "log_loss", "brier", "ece", "macro_f1"):
        assert found[key] == pytest.approx(expected[key], rel=1e-9), key
    assert found["per_class"]["support"] == expected["per_class"]["support"]


def test_arrays_of_probabilities_and_of_logits(run, scored):
    folder, probabilities, labels, weight = scored
    expected = ll.evaluate(probabilities, labels)
    assert_is(figures(run, "--probabilities", folder / "p.npy", "--labels", folder / "y.npy"), expected)
    assert_is(figures(run, "--logits", folder / "z.npy", "--labels", folder / "y.npy"), expected)
    weighted = figures(
        run, "--probabilities", folder / "p.npy", "--labels", folder / "y.npy", "--weight", folder / "w.npy"
    )
    assert_is(weighted, ll.evaluate(probabilities, labels, sample_weight=weight))


def test_a_column_of_lists(run, scored):
    folder, probabilities, labels, weight = scored
    table = folder / "scores.parquet"
    expected = ll.evaluate(probabilities, labels)
    assert_is(figures(run, table, "--probabilities", "every", "--label", "number"), expected)
    assert_is(figures(run, table, "--logits", "scores", "--label", "number"), expected)
    named = ll.evaluate(probabilities, [NAMES[k] for k in labels], classes=NAMES, sample_weight=weight)
    (folder / "names.txt").write_text("cat\ncow\ndog\n")
    for classes in ("cat, cow,dog", folder / "names.txt"):
        arguments = (table, "--logits", "scores", "--label", "animal", "--classes", classes, "--weight", "weight")
        assert_is(figures(run, *arguments), named)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_columns_whose_names_say_the_classes(run, scored, suffix):
    folder, probabilities, labels, _ = scored
    table = folder / f"scores.{suffix}"
    names = [NAMES[k] for k in labels]
    expected = ll.evaluate(probabilities, names, classes=NAMES)
    assert_is(figures(run, table, "--probabilities", "p_*", "--label", "animal"), expected)
    assert_is(figures(run, table, "--logits", "*.logit", "--label", "animal"), expected)
    listed = [f"p_{name}" for name in NAMES]
    renamed = ll.evaluate(probabilities, [f"p_{name}" for name in names], classes=listed)
    frame = pl.read_csv(folder / "scores.csv").with_columns(animal="p_" + pl.col("animal"))
    frame.write_csv(folder / "renamed.csv")
    assert_is(figures(run, folder / "renamed.csv", "--probabilities", ",".join(listed), "--label", "animal"), renamed)


def test_numbers_as_names(run, tmp_path):
    frame = pl.DataFrame({"p_0": [0.9, 0.2], "p_1": [0.1, 0.8], "y": [0, 1]})
    frame.write_csv(tmp_path / "d.csv")
    found = figures(run, tmp_path / "d.csv", "--probabilities", "p_*")
    assert (found["classes"], found["accuracy"]) == (["0", "1"], 1.0)


def test_rows_that_sum_to_something_else(refused, tmp_path):
    pl.DataFrame({"p_0": [0.9, 0.2], "p_1": [0.1, 0.5], "y": [0, 1]}).write_csv(tmp_path / "d.csv")
    message = refused("evaluate", tmp_path / "d.csv", "--probabilities", "p_*")
    assert "d.csv: row 1 (the first is 0): the row of columns p_0, p_1 sums to 0.7, expected 1 within 0.001" in message


def test_many_batches_are_one_evaluation(run, scored, monkeypatch):
    folder, probabilities, labels, _ = scored
    monkeypatch.setattr("lastlayer.cli.score_table._ENTRIES", 21)
    expected = ll.evaluate(probabilities, labels)
    assert_is(figures(run, folder / "scores.parquet", "--logits", "scores", "--label", "number"), expected)
    assert_is(figures(run, "--probabilities", folder / "p.npy", "--labels", folder / "y.npy"), expected)


def test_memory_is_that_of_a_batch(run, tmp_path, monkeypatch):
    monkeypatch.setattr("lastlayer.cli.score_table._ENTRIES", 1 << 14)
    np.save(tmp_path / "z.npy", np.zeros((100_000, 40), np.float32))  # 16 MB
    np.save(tmp_path / "y.npy", np.zeros(100_000, np.int64))
    arguments = ("--logits", tmp_path / "z.npy", "--labels", tmp_path / "y.npy")
    figures(run, *arguments)
    tracemalloc.start()
    figures(run, *arguments)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6_000_000


def test_gates(run, scored):
    folder, *_ = scored
    arguments = ("evaluate", "--logits", folder / "z.npy", "--labels", folder / "y.npy")
    assert run(*arguments, "--max-ece", "1", "--min-accuracy", "0").exit_code == 0
    failed = run(*arguments, "--min-accuracy", "1")
    assert failed.exit_code == 1
    assert failed.stderr.startswith("gate failed: accuracy 0.")
    assert max(map(len, failed.stdout.splitlines())) <= 80


def test_predictions_of_this_library_are_judged_as_its_head_is(run, table, model, tmp_path):
    out = tmp_path / "out.parquet"
    assert run("predict", model, table, "--probabilities", "--keep", "kind", "-o", out).exit_code == 0
    found = figures(run, out, "--probabilities", "probability_*", "--label", "kind")
    expected = json.loads(run("evaluate", model, table, "--json").stdout)
    assert found["classes"] == expected["classes"]
    for key in ("rows", "accuracy", "log_loss", "ece"):
        assert found[key] == pytest.approx(expected[key], rel=1e-6)


def test_trap_25_what_is_no_probability_is_refused_and_not_guessed(refused, scored):
    folder, *_ = scored
    message = refused("evaluate", folder / "scores.parquet", "--probabilities", "*.logit", "--label", "animal")
    assert "scores.parquet: row 0 (the first is 0): the row of columns cat.logit, cow.logit, dog.logit has" in message
    assert "expected numbers from 0 to 1; logits go to --logits." in message
    message = refused("evaluate", "--probabilities", folder / "z.npy", "--labels", folder / "y.npy")
    assert "row 0 (the first is 0): column z has" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--probabilities", "p.npy"], "names a file, since there is no DATA, expected --labels FILE beside it"),
        (["--probabilities", "p.npy", "--logits", "z.npy"], "--logits: stands beside --probabilities"),
        (["--labels", "y.npy"], "--labels: expected --probabilities or --logits beside it"),
        (["--classes", "a,b"], "--classes: expected --probabilities or --logits beside it"),
        (["--probabilities", "p.npy", "--label", "y"], "--label y: names a column, expected DATA that has it"),
        (["scores.csv", "--probabilities", "p_*", "--labels", "y.npy"], "stands beside DATA, expected --label COLUMN"),
        (["--probabilities", "p.npy", "--labels", "scores.csv"], "--labels scores.csv: is no .npy file"),
        (["--probabilities", "y.npy", "--labels", "p.npy"], "--probabilities y.npy: has the wrong number of dimen"),
        (["--probabilities", "p.npy", "--labels", "p.npy"], "a second file named p"),
        (["--probabilities", "p.npy", "--labels", "none.npy"], "none.npy: no such file"),
        (["scores.parquet", "--probabilities", "every", "--label", "animal"], "column animal is '"),
        (
            ["scores.parquet", "--probabilities", "every", "--label", "animal"],
            "(0 to 2); name the classes with --class",
        ),
        (["scores.parquet", "--probabilities", "every", "--label", "number", "--classes", "a,b"], "2 names, but"),
        (["scores.parquet", "--probabilities", "every", "--label", "number", "--classes", "a,b,a"], "'a' stands at 0"),
        (["scores.csv", "--probabilities", "p_*", "--label", "animal", "--classes", "a"], "stands beside columns that"),
        (["scores.csv", "--probabilities", "p_cat", "--label", "animal"], "expected lists of numbers"),
        (["scores.csv", "--probabilities", "q_*", "--label", "animal"], "no column 'q_*'"),
        (["scores.csv", "--probabilities", "animal,p_cat", "--label", "number"], "column animal holds String"),
        (["scores.csv", "--probabilities", "p_c*", "--label", "animal"], "expected one of the 2 classes (at, ow)"),
        (["scores.csv", "--probabilities", "p_*", "--label", "animal", "--weight", "wight"], "did you mean 'weight'?"),
        (["scores.csv", "--probabilities", "p_*"], "no column called label, labels or y"),
        (["scores.csv"], "expected MODEL and DATA, or --probabilities or --logits in place of MODEL"),
        ([], "DATA: no file given"),
    ],
)
def test_refusals(refused, scored, arguments, message, monkeypatch):
    monkeypatch.chdir(scored[0])
    assert message in refused("evaluate", *arguments)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([np.nan, 0.0, 1.0], "row 3 (the first is 0): column z has nan, expected finite logits"),
        ([np.inf, 0.0, 1.0], "row 3 (the first is 0): column z has inf, expected finite logits"),
        ([-np.inf, -np.inf, -np.inf], "row 3 (the first is 0): column z is all -inf"),
    ],
)
def test_bad_logits_are_named_where_they_weigh(run, refused, tmp_path, row, message):
    logits, labels, weight = np.zeros((5, 3)), np.arange(5) % 3, np.array([1.0, 1, 1, 0, 1])
    logits[3], labels[3] = row, 7
    for name, array in (("z", logits), ("y", labels), ("w", weight)):
        np.save(tmp_path / f"{name}.npy", array)
    arguments = ("--logits", tmp_path / "z.npy", "--labels", tmp_path / "y.npy")
    assert "column y is 7, which is no class" in refused("evaluate", *arguments)
    np.save(tmp_path / "y.npy", np.arange(5) % 3)
    assert message in refused("evaluate", *arguments)
    np.save(tmp_path / "y.npy", labels)
    assert figures(run, *arguments, "--weight", tmp_path / "w.npy")["rows"] == 4
    np.save(tmp_path / "w.npy", np.zeros(5))
    assert "column w is 0 in every row" in refused("evaluate", *arguments, "--weight", tmp_path / "w.npy")


def test_class_names(tmp_path):
    assert class_names("a, b") == ["a", "b"]
    (tmp_path / "names").write_bytes("\ufeffä b\r\nc,d\r\n".encode())
    assert class_names(str(tmp_path / "names")) == ["ä b", "c,d"]
    assert len(class_names("x," * 5000)) == 5001

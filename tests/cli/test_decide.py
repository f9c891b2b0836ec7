import json

import numpy as np
import polars as pl
import pytest

import lastlayer as ll
from lastlayer.decision import (
    Argmax,
    LeastCost,
    Thresholds,
    choose_abstention,
    choose_prediction_sets,
    choose_thresholds,
)
from lastlayer.metrics import ClassIndex

HELD_OUT = ("--where", "split = 'val'")


@pytest.fixture
def held_out(table, model):
    """The model, and probabilities and class indices of the held-out rows."""
    head, frame = ll.load(model), pl.read_parquet(table).filter(pl.col("split") == "val")
    p = head.predict_proba(frame.select("width", "height").to_numpy())
    return head, p, ClassIndex(head.classes_).find(frame["kind"].to_numpy().astype(str))


def decided(run, *arguments):
    result = run("decide", *arguments)
    assert result.exit_code == 0, result.output
    return result


def test_an_accuracy(run, table, model, held_out, tmp_path):
    out = tmp_path / "decided.safetensors"
    result = decided(run, model, table, *HELD_OUT, "--accuracy", ".9", "--confidence", ".8", "-o", out)
    _, p, labels = held_out
    rule = choose_abstention(p, labels, accuracy=0.9, confidence=0.8)
    assert ll.load(out).decision_ == rule
    assert "don't know where the largest probability is below" in result.stdout
    assert "on 150 rows" in result.stdout
    assert "with a confidence of 80%" in result.stdout
    document = json.loads(
        decided(run, model, table, *HELD_OUT, "--accuracy", ".9", "--confidence", ".8", "-o", out, "--json").stdout
    )
    assert document["decision"]["kind"] == "abstain"
    assert document["decision"]["threshold"] == rule.threshold
    assert document["decision"]["evidence"]["bound"] == 0.9
    info = run("info", out).stdout
    assert "don't know where" in info
    assert "chosen on" in info


def test_predict_answers_by_it(run, table, model, tmp_path):
    X = pl.read_parquet(table).select("width", "height").to_numpy()
    decided(run, model, table, *HELD_OUT, "--accuracy", ".9", "-o", model)
    head = ll.load(model)
    answers = head.decision_.apply(head.predict_proba(X))
    assert (answers < 0).any()
    expected = [None if k < 0 else head.classes_[k] for k in answers]
    for suffix, read in (("parquet", pl.read_parquet), ("csv", pl.read_csv), ("jsonl", pl.read_ndjson)):
        out = tmp_path / f"out.{suffix}"
        result = run("predict", model, table, "--probabilities", "-o", out)
        unknown = int((answers < 0).sum())
        assert f"don't know: {unknown} of 600 rows, {unknown / 600:.1%}" in result.stderr
        found = read(out)
        assert found["prediction"].to_list() == expected
        np.testing.assert_allclose(found["probability"], head.predict_proba(X).max(axis=1), rtol=1e-5)
        np.testing.assert_allclose(found["probability_cow"], head.predict_proba(X)[:, 1], rtol=1e-5, atol=1e-9)
    assert run("predict", model, table, "-q", "-o", out).stderr == ""
    top = run("predict", model, table, "--top", "1")
    assert top.stderr == ""
    assert ",," not in top.stdout


@pytest.mark.parametrize("by_class", [(), ("--by-class",)])
def test_sets_that_cover(run, table, model, held_out, tmp_path, by_class):
    out = tmp_path / "sets.safetensors"
    result = decided(run, model, table, *HELD_OUT, "--coverage", ".9", *by_class, "-o", out)
    _, p, labels = held_out
    assert ll.load(out).decision_ == choose_prediction_sets(p, labels, coverage=0.9, class_conditional=bool(by_class))
    assert "every class whose probability is at least" in result.stdout
    rows = [json.loads(line) for line in run("predict", out, table, *HELD_OUT, "--json").stdout.splitlines()]
    sets = ll.load(out).decision_.apply(p)
    assert [len(row["prediction"]) for row in rows] == sets.sum(axis=1).tolist()
    for row, chosen, each in zip(rows, sets, p, strict=True):
        names = np.array(["cat", "cow", "dog"])[chosen][np.argsort(-each[chosen])]
        assert row["prediction"] == names.tolist()
        assert row["probability"] == sorted(row["probability"], reverse=True)


def test_costs_need_no_rows(run, table, model, tmp_path):
    cost, out = tmp_path / "cost.csv", tmp_path / "decided.safetensors"
    cost.write_text("truth,dog,cow,cat\ncat,1,1,0\ncow,1,0,1\ndog,0,9,9\n")
    result = decided(run, model, "--cost", cost, "--abstain-cost", ".5", "-o", out)
    assert ll.load(out).decision_ == LeastCost([[0, 1, 1], [1, 0, 1], [9, 9, 0]], 0.5)
    assert "the class of the least expected cost; don't know where that is above 0.5" in result.stdout
    decided(run, out, "--argmax", "-o", out)
    assert ll.load(out).decision_ == Argmax()


@pytest.fixture
def posts(tmp_path, run):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 4)).astype(np.float32)
    chosen = X @ rng.standard_normal((4, 3)) + 0.5 * rng.standard_normal((400, 3)) > 0.4
    path, model = tmp_path / "posts.parquet", tmp_path / "feelings.safetensors"
    names = np.array(["fear", "joy", "love"])
    frame = pl.DataFrame(
        {"e": pl.Series(X, dtype=pl.Array(pl.Float32, 4)), "feels": [names[row].tolist() for row in chosen]}
    )
    frame.write_parquet(path)
    assert run("fit", path, "--labels", "feels", "-o", model, "-q").exit_code == 0
    return path, model, ll.load(model).predict_proba(X), chosen


@pytest.mark.parametrize(
    ("options", "chosen_by"),
    [
        (("--threshold", "f1"), {}),
        (("--threshold", "f1", "--per-label"), {"per_label": True}),
        (("--precision", ".9"), {"precision": 0.9}),
        (("--recall", ".95", "--per-label"), {"recall": 0.95, "per_label": True}),
    ],
)
def test_thresholds_of_many_labels(run, posts, tmp_path, options, chosen_by):
    path, model, p, answers = posts
    out = tmp_path / "decided.safetensors"
    decided(run, model, path, *options, "-o", out)
    rule = choose_thresholds(p, answers, **chosen_by)
    assert ll.load(out).decision_ == rule
    rows = [json.loads(line) for line in run("predict", out, path, "--json").stdout.splitlines()]
    assert [len(row["prediction"]) for row in rows] == rule.apply(p).sum(axis=1).tolist()


def test_a_threshold_that_is_given(run, posts):
    _, model, *_ = posts
    decided(run, model, "--threshold", "0.25", "-o", model)
    assert ll.load(model).decision_ == Thresholds(0.25)
    decided(run, model, "--argmax", "-o", model)
    assert ll.load(model).decision_ == Thresholds(0.5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "no aim: expected one of --accuracy, --coverage, --threshold"),
        (("--accuracy", ".9", "--argmax"), "--accuracy and --argmax: expected one of"),
        (("--accuracy", "1.5"), "--accuracy: received 1.5, expected a number between 0 and 1"),
        (("--coverage", ".9", "--confidence", ".9"), "--confidence: stands beside --coverage, expected --accuracy"),
        (("--argmax", "--per-label"), "--per-label: stands beside --argmax, expected --threshold or --precision"),
        (("--threshold", "f1"), "is of one label a row, expected one of --accuracy, --coverage, --cost"),
        (("--threshold", "high"), "--threshold: received 'high', expected f1 or a number from 0 to 1"),
        (("--accuracy", ".9999"), "150 rows, expected at least"),
        (("--argmax",), "DATA: --argmax is not chosen on rows, expected MODEL alone; leave"),
        (("--precision", ".9", "--unmet", "never"), "--unmet: expected --precision and --per-label beside it"),
        (("--threshold", ".3", "--per-label"), "--per-label: stands beside --threshold 0.3, expected f1; leave it out"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_the_model(refused, table, model, options, words):
    before = model.read_bytes()
    assert words in refused("decide", model, table, *HELD_OUT, *options, "-o", model)
    assert model.read_bytes() == before


def test_evaluate_says_what_the_answers_are_worth(run, table, model, tmp_path):
    decided(run, model, table, *HELD_OUT, "--accuracy", ".9", "-o", model)
    head, frame = ll.load(model), pl.read_parquet(table).filter(pl.col("split") == "test")
    p, kinds = head.predict_proba(frame.select("width", "height").to_numpy()), frame["kind"].to_numpy().astype(str)
    expected = ll.evaluate_decisions(head.decision_.apply(p), kinds, classes=head.classes_)
    page = tmp_path / "r.html"
    test = ("--where", "split = 'test'")
    text = run("evaluate", model, table, *test, "--report", page).stdout
    assert text.endswith(f"below {head.decision_.threshold:.4g}:\n{expected}\n")
    document = json.loads(run("evaluate", model, table, *test, "--json").stdout)
    assert document["decided"]["answered"] == expected.answered < 1
    assert document["decided"]["accuracy_answered"] == expected.accuracy_answered > document["accuracy"]
    html = page.read_text()
    assert "don&#x27;t know where the largest probability is below" in html
    assert f"{expected.answered:.1%} answered" in html
    decided(run, model, table, *HELD_OUT, "--coverage", ".9", "-o", model)
    sets = ll.evaluate_sets(ll.load(model).decision_.apply(p), kinds, classes=head.classes_)
    assert str(sets) in run("evaluate", model, table, *test).stdout


def test_many_labels_are_judged_by_their_thresholds(run, posts):
    path, model, p, answers = posts
    decided(run, model, path, "--threshold", "f1", "--per-label", "-o", model)
    rule = ll.load(model).decision_
    document = json.loads(run("evaluate", model, path, "--json").stdout)
    assert document["threshold"] == rule.threshold.tolist()
    expected = ll.evaluate_labels(p, answers, threshold=rule.threshold)
    assert document["micro_f1"] == pytest.approx(expected.micro_f1, abs=1e-12)
    assert document["macro_f1"] == pytest.approx(expected.macro_f1, abs=1e-12)
    assert "above its threshold" in run("evaluate", model, path).stdout


def test_files_that_cannot_be(refused, table, model):
    assert "none.csv: cannot be read" in refused("decide", model, "--cost", "none.csv", "-o", model)
    words = refused("decide", model, table, "--accuracy", ".9", "-o", "-")
    assert "-o -: is standard output, expected a file to write the model to" in words


def test_a_label_that_cannot_have_the_precision_is_never_answered(run, posts, tmp_path):
    path, model, p, answers = posts
    out, aim = tmp_path / "decided.safetensors", ("--precision", "1", "--per-label")
    refused = run("decide", model, path, *aim, "-o", out)
    assert refused.exit_code == 2
    assert not out.exists()
    decided(run, model, path, *aim, "--unmet", "never", "-o", out)
    expected = choose_thresholds(p, answers, precision=1, per_label=True, unmet="never")
    assert ll.load(out).decision_ == expected


def test_rows_are_asked_for_where_they_are_needed(refused, model):
    assert "DATA: no file given, expected rows with labels" in refused("decide", model, "--accuracy", ".9", "-o", model)


def test_the_output_is_no_file_of_data(refused, table, model):
    assert str(table) in refused("decide", model, table, "--accuracy", ".9", "-o", table)
    assert pl.read_parquet(table).height == 600


def test_a_rule_and_a_calibration_do_not_go_together(run, refused, table, model, tmp_path):
    decided(run, model, table, *HELD_OUT, "--accuracy", ".9", "-o", model)
    p = ll.load(model).predict_proba(pl.read_parquet(table).select("width", "height").to_numpy())
    labels = ClassIndex(np.array(["cat", "cow", "dog"])).find(pl.read_parquet(table)["kind"].to_numpy().astype(str))
    calibration = tmp_path / "c.json"
    ll.save_calibration(ll.fit_calibration(p, labels, scores_are="probabilities"), calibration)
    words = refused("predict", model, table, "--calibration", calibration)
    assert "stands beside the decision rule of" in words

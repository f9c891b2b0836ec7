"""Every JSON document of the command is, key by key, what docs/json.md says of it."""

import json
import math
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import lastlayer as ll

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S))
IS_OF = {
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value),
    "infinity": lambda value: value in ("Infinity", "-Infinity"),
    "text": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
}


def promised(command, table=None):
    """{key: type} of the tables in a section of the page, or of one of them."""
    tables = re.split(r"^\| key .*\n\|---.*\n", SECTIONS[command], flags=re.M)[1:]
    rows = "".join(tables if table is None else [tables[table]])
    return dict(re.findall(r"^\| `([\w.]+)` \| (.*?) \|", rows, re.M))


def is_of(kind, value):
    if kind.startswith("["):
        end = next(at for at in range(len(kind)) if kind[: at + 1].count("[") == kind[: at + 1].count("]"))
        inner, rest = kind[1:end], kind[end + 1 :].removeprefix(" / ")
        of_list = isinstance(value, list) and all(is_of(inner, entry) for entry in value)
        return of_list or bool(rest and is_of(rest, value))
    return any(IS_OF[name](value) for name in kind.split(" / "))


def flat(document):
    """Keys with dots for what lies in objects."""
    found = {}
    for key, value in document.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": entry for inner, entry in flat(value).items()}
        else:
            found[key] = value
    return found


def strict(text):
    return json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def printed(run, *arguments, stdin=None):
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def assert_as_promised(document, kinds):
    document = flat(document)
    assert list(document) == list(kinds)
    wrong = {key: (kind, document[key]) for key, kind in kinds.items() if not is_of(kind, document[key])}
    assert wrong == {}


@pytest.fixture
def lists(tmp_path):
    rng = np.random.default_rng(2)
    labels = np.arange(90) % 3
    frame = pl.DataFrame({"e": rng.standard_normal((90, 2)) + labels[:, None], "label": labels, "w": rng.random(90)})
    frame.write_parquet(tmp_path / "lists.parquet")
    return tmp_path / "lists.parquet"


@pytest.mark.parametrize("holdout", ["0", "0.2"])
def test_trap_33_fit(run, table, lists, tmp_path, holdout):
    options = ("--holdout", holdout, "-o", tmp_path / "m", "--json")
    of_one_c = {key: kind for key, kind in promised("fit").items() if not key.startswith("path.")}
    columns = strict(printed(run, "fit", table, "--label", "kind", "--features", "width,height", *options))
    assert_as_promised(columns, of_one_c)
    assert (columns["feature_columns"], columns["list_column"]) == (["width", "height"], None)
    assert (columns["log_loss_after"] is None) == (holdout == "0")
    one = strict(printed(run, "fit", table, "--label", "kind", "--features", "width", *options))
    assert one["feature_columns"] == ["width"]
    vectors = strict(printed(run, "fit", lists, "--weight", "w", *options))
    assert_as_promised(vectors, of_one_c)
    assert (vectors["feature_columns"], vectors["list_column"]) == (None, "e")


def test_trap_33_fit_with_a_path_of_c(run, table, tmp_path):
    arguments = ("fit", table, "--label", "kind", "--features", "width,height", "--C", "auto", "-o", tmp_path / "m")
    for options, folds in ((), 5), (("--where", "split <> 'val'", "--validation-where", "split = 'val'"), 1):
        document = strict(printed(run, *arguments, *options, "--json"))
        assert_as_promised(document, promised("fit"))
        assert document["path"]["folds"] == folds
        assert document["C"] in document["path"]["C"]


def test_trap_33_evaluate(run, table, model, lists, tmp_path):
    one_kind = strict(printed(run, "evaluate", model, table, "--where", "kind = 'cat'", "--json"))
    assert_as_promised(one_kind, promised("evaluate", 0))
    recall = one_kind["per_class"]["recall"]
    assert recall[1:] == [None, None]
    # As `jq '.per_class.recall | add'` does: null is its neutral element, and text would end it.
    assert sum(entry or 0 for entry in recall) == recall[0] > 0
    printed(run, "fit", lists, "-o", tmp_path / "m")
    weighted = strict(printed(run, "evaluate", tmp_path / "m", lists, "--weight", "w", "--json"))
    assert_as_promised(weighted, promised("evaluate", 0))
    assert weighted["classes"] == [0, 1, 2]
    assert any(isinstance(weight, float) for weight in weighted["per_class"]["support"])
    more = strict(printed(run, "evaluate", tmp_path / "m", lists, "--classwise", "--intervals", "0.9", "--json"))
    assert_as_promised(more, promised("evaluate", 0))
    assert (more["interval_confidence"], len(more["per_class"]["calibration_error"])) == (0.9, 3)
    np.save(tmp_path / "p.npy", [[1.0, 0.0], [0.5, 0.5]])
    np.save(tmp_path / "y.npy", [1, 0])
    arrays = ("--probabilities", tmp_path / "p.npy", "--labels", tmp_path / "y.npy")
    certain = strict(printed(run, "evaluate", *arrays, "--json"))
    assert_as_promised(certain, promised("evaluate", 0))
    assert (certain["log_loss"], certain["classes"]) == ("Infinity", None)


def test_trap_33_to_json_is_the_document_of_evaluate():
    for classes, labels in ((None, [1]), (["a", "b"], ["b"]), ([0.5, 1.5], [1.5]), ([False, True], [True])):
        document = strict(ll.evaluate([[1.0, 0.0]], labels, classes=classes).to_json())
        assert_as_promised(document, promised("evaluate", 0))


def test_trap_33_info(run, model, tmp_path):
    assert_as_promised(strict(printed(run, "info", model, "--json")), promised("info"))
    X = np.random.default_rng(0).standard_normal((60, 3))
    ll.SoftmaxClassifier().fit(X, X.argmax(axis=1)).save(tmp_path / "m")
    document = strict(printed(run, "info", tmp_path / "m", "--json"))
    assert_as_promised(document, promised("info"))
    assert document["feature_columns"] is document["list_column"] is document["label_column"] is None


def test_trap_33_decide(run, table, model, tmp_path):
    rows, out = ("--where", "split = 'val'"), ("-o", tmp_path / "m", "--json")
    (tmp_path / "cost.csv").write_text("truth,cat,cow,dog\ncat,0,1,1\ncow,1,0,1\ndog,1,1,0\n")
    cost = ("--cost", tmp_path / "cost.csv")
    for options in ((table, *rows, "--accuracy", ".9"), (table, *rows, "--coverage", ".9", "--by-class"), cost):
        assert_as_promised(strict(printed(run, "decide", model, *options, *out)), promised("decide"))
        assert_as_promised(strict(printed(run, "info", tmp_path / "m", "--json")), promised("info"))


def test_trap_33_evaluate_a_rule(run, table, model, tmp_path):
    rule = {key: kind for key, kind in promised("decide").items() if key.startswith("decision.")}
    (tmp_path / "cost.csv").write_text("truth,cat,cow,dog\ncat,0,1,1\ncow,1,0,1\ndog,1,1,0\n")
    rows = (table, "--where", "split = 'val'")
    aims = ((*rows, "--accuracy", ".9"), 1), (("--cost", tmp_path / "cost.csv"), 1), ((*rows, "--coverage", ".9"), 2)
    for aim, figures in aims:
        printed(run, "decide", model, *aim, "-o", tmp_path / "m")
        for more in ((), ("--weight", "id"), ("--unknown-label", "yak")):
            document = strict(printed(run, "evaluate", tmp_path / "m", table, *more, "--json"))
            assert_as_promised(document, promised("evaluate", 0) | rule | promised("evaluate", figures))


def test_trap_33_export(run, model, tmp_path):
    document = strict(printed(run, "export", model, "--onnx", tmp_path / "m.onnx", "--json"))
    assert_as_promised(document, promised("export"))
    assert [each["name"] for each in document["outputs"]] == ["label", "probabilities"]


@pytest.mark.parametrize("label", [False, True])
def test_trap_33_explain(run, label):
    kinds = {key: kind for key, kind in promised("explain").items() if label or not key.startswith("label.")}
    for scores in (("2.0", "1.0", "0.1"), ("2.0", "-inf", "0.1", "--beta", "500")):
        given = ("--label", "1") if label else ()
        document = strict(printed(run, "explain", *scores, *given, "--json"))
        assert_as_promised(document, kinds)
    assert document["exponential"] == ["Infinity", 0.0, pytest.approx(5.184705528587072e21)]
    assert document["score"][1] == "-Infinity"


def test_trap_33_predict(run, table, model):
    likeliest, every = promised("predict", 1), promised("predict", 0)
    kind = every.pop("probability_CLASS")
    classes = {f"probability_{name}": kind for name in ("cat", "cow", "dog")}
    second = {key.replace("1", "2"): kind for key, kind in likeliest.items()}
    for options, kinds in (((), every), (("--probabilities",), every | classes), (("--top", "2"), likeliest | second)):
        lines = printed(run, "predict", model, table, *options, "--json").splitlines()
        assert len(lines) == 600
        for line in lines[:20]:
            assert_as_promised(strict(line), kinds)


@pytest.mark.parametrize("method", ["temperature", "entropy-temperature", "vector"])
def test_trap_33_calibrate(run, tmp_path, method):
    rng = np.random.default_rng(3)
    logits = rng.standard_normal((90, 3)) * 2
    frame = pl.DataFrame({"z": logits, "label": (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)})
    frame.write_parquet(tmp_path / "t.parquet")
    arguments = (tmp_path / "t.parquet", "--from", "logits", "--method", method, "-o", tmp_path / "c", "--json")
    assert_as_promised(strict(printed(run, "calibrate", *arguments)), promised("calibrate"))
    applied = strict(
        printed(run, "calibrate", "--apply", tmp_path / "c", tmp_path / "t.parquet", "--json").split("\n")[0]
    )
    kinds = promised("predict", 0)
    kind = kinds.pop("probability_CLASS")
    assert_as_promised(applied, kinds | {f"probability_{k}": kind for k in range(3)})


def test_every_command_that_has_json_is_on_the_page():
    from lastlayer.cli.program import program

    context = program.make_context("lastlayer", [], resilient_parsing=True)
    commands = {name: program.get_command(context, name) for name in program.list_commands(context)}
    has_json = {name for name, command in commands.items() if any("--json" in each.opts for each in command.params)}
    assert has_json == set(SECTIONS)


def test_the_reader_of_types():
    assert is_of("[number / null] / null", None)
    assert is_of("[[number]] / [number] / number", [[1.0], []])
    assert is_of("[[number]] / [number] / number", [1.0])
    assert is_of("[[number]] / [number] / number", 1.0)
    assert not is_of("[[number]] / [number]", 1.0)
    assert is_of("[number / null] / null", [1, None])
    assert not is_of("[number / null]", None)
    assert not is_of("[number]", ["Infinity"])
    assert not is_of("integer", True)
    assert not is_of("number", "NaN")


def test_trap_33_of_many_labels(run, tmp_path):
    X = np.random.default_rng(0).standard_normal((60, 2))
    labels = [["a"] * int(x > 0) + ["b"] * int(y > 0) for x, y in X]
    pl.DataFrame({"x": X.tolist(), "kinds": labels}).write_parquet(tmp_path / "t.parquet")
    arguments = (tmp_path / "t.parquet", "--labels", "kinds", "--features", "x", "-o", tmp_path / "m", "--json")
    of_one_c = {key: kind for key, kind in promised("fit").items() if not key.startswith("path.")}
    assert_as_promised(strict(printed(run, "fit", *arguments)), of_one_c)
    assert_as_promised(strict(printed(run, "info", tmp_path / "m", "--json")), promised("info"))
    document = strict(printed(run, "evaluate", tmp_path / "m", tmp_path / "t.parquet", "--json"))
    assert_as_promised(document, promised("evaluate", 3))


def test_trap_33_with_rows_of_no_class_and_intervals_of_labels(run, tmp_path):
    np.save(tmp_path / "p.npy", [[0.9, 0.1], [0.5, 0.5], [0.3, 0.7]])
    np.save(tmp_path / "y.npy", [1, -1, 0])
    arrays = ("--probabilities", tmp_path / "p.npy", "--labels", tmp_path / "y.npy", "--unknown-label", "-1")
    document = strict(printed(run, "evaluate", *arrays, "--json"))
    assert_as_promised(document, promised("evaluate", 0))
    assert document["unknown_rows"] == len(document["risk_coverage"]["unknown_answered"]) - 1 == 1
    result = ll.evaluate_labels([[0.9, 0.1], [0.0, 0.2]], [[1, 0], [1, 0]], intervals=0.9)
    assert_as_promised(strict(result.to_json()), promised("evaluate", 3))
    assert len(result.micro_f1_interval) == 2
    nothing = ll.evaluate_labels([[0.1]], [[0]], intervals=0.9)
    assert_as_promised(strict(nothing.to_json()), promised("evaluate", 3))

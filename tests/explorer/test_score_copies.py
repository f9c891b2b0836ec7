"""What is copied runs as it stands and gives the shown numbers."""

import json
import math
import shlex

import numpy as np
import pytest
from click.testing import CliRunner

from lastlayer.cli.program import program
from lastlayer.explorer.fields import read_state
from lastlayer.explorer.score_copies import explain_command, is_a_word, scores_in_python
from lastlayer.explorer.scores_view import SCORES

STATES = [
    {"class": ["0", "1", "2"], "score": ["2.0", "1.0", "0.1"]},
    {"class": ["a,b", "it's", '"'], "score": ["0.95", "0.99", "-inf"], "beta": "1000", "label": "1", "precision": "1"},
    {"class": ["1", "0"], "score": ["-1e308", "1e-300"], "beta": "0.001", "label": "0"},
    {"class": ["-x", "<b>é🐻</b>"], "score": ["-3", "-4"], "label": "0"},
    {"class": ["x", "x"], "score": ["3", "3"], "label": "1"},
]
HOSTILE = ["<b>'\"\\", "a b", "$(touch x)", "--json"]


@pytest.mark.parametrize("state", STATES)
def test_the_python_gives_the_shown_numbers(state):
    given = SCORES.answer(read_state(SCORES.fields, state), None)
    names = {}
    exec(given["python"], names)
    assert names["classes"] == state["class"]
    np.testing.assert_allclose(names["probabilities"], given["softmax"], rtol=1e-12)
    assert names["winner"].argmax() == given["winner"]
    assert names["smooth_max"] == pytest.approx(given["smooth_max"]["smooth_max"], rel=1e-12)
    if "label" in state:
        assert names["loss"] == pytest.approx(given["loss"]["value"], rel=1e-12)
    if state.get("precision") == "1":
        shown = given["precision"]["float16"]["stable"][:-1]
        assert names["by_dtype"]["float16"].tolist() == [float(text) for text in np.array(shown, np.float16)]


@pytest.mark.parametrize("state", STATES)
def test_the_command_gives_the_shown_numbers(state):
    given = SCORES.answer(read_state(SCORES.fields, state), None)
    name, *words = shlex.split(given["command"])
    result = CliRunner().invoke(program, [*words, "--json"])
    assert (name, result.exit_code) == ("lastlayer", 0), result.output
    document = json.loads(result.output)
    np.testing.assert_allclose(document["softmax"], given["softmax"], rtol=1e-12)
    if "label" in state:
        assert document["label"]["index"] == int(state["label"])
        assert math.isclose(document["label"]["loss"], given["loss"]["value"], rel_tol=1e-12)


def test_python_gives_the_classes_and_scores_back():
    scores = [0.1, -np.inf, 1e308, -5e-324]
    names = {}
    exec(scores_in_python({"class": HOSTILE, "score": scores}), names)
    assert names["classes"] == HOSTILE
    assert names["scores"].tolist() == scores


@pytest.mark.parametrize(
    ("classes", "label", "words"),
    [
        (HOSTILE, 3, [f"--classes={','.join(HOSTILE)}", "--label=--json"]),
        (["a,b", "c", "d", "e"], 1, ["--label=1"]),
        (["a", "a", "d", "e"], 1, ["--classes=a,a,d,e", "--label=1"]),
        (["1", "a", "a", "e"], 1, ["--label=1"]),
        (["x" * 40_000] * 4, 0, ["--label=0"]),
        ([" a", "b", "d", "e"], None, []),
        (["", "b", "d", "e"], 0, ["--label=0"]),
        (["\x00", "b", "d", "e"], 0, ["--label=0"]),
        (["1", "0", "d", "e"], 0, ["--classes=1,0,d,e", "--label=1"]),
    ],
)
def test_command_names_the_classes_where_it_can(classes, label, words):
    command = shlex.split(explain_command([2.0, 1.0, -np.inf, -1e-9], classes, label=label))
    assert command == ["lastlayer", "explain", "2.0", "1.0", "-inf", "-1e-09", *words]
    result = CliRunner().invoke(program, [*command[1:], "--json"])
    assert result.exit_code == 0, result.output
    if label is not None:
        assert f'"index": {label}' in result.output


def test_command_leaves_out_names_that_no_command_line_holds():
    names = [f"{k:0200}" for k in range(1000)]
    words = shlex.split(explain_command([0.0] * 1000, names, label=7))
    assert words[-1] == "--label=7"
    assert max(map(len, words)) < 131_072
    # The option's own name is part of the word.
    assert is_a_word("--classes=" + "x" * 131_061)
    assert not is_a_word("--classes=" + "x" * 131_062)
    assert not is_a_word("é" * 65_536)

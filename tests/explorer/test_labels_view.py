import math
import shlex

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from lastlayer._json import json_text
from lastlayer.cli.explain import command as explain
from lastlayer.explorer.fields import Refused, read_state
from lastlayer.explorer.labels_view import LABELS
from tests.oracles import softmax as oracle


def answer(scores, threshold=0.5, classes=None):
    classes = [f"c{place}" for place in range(len(scores))] if classes is None else classes
    state = {"class": classes, "score": scores, "threshold": threshold}
    return LABELS.answer(read_state(LABELS.fields, state), None)


SCORES = st.lists(st.floats(-50, 50) | st.just(-math.inf), min_size=1, max_size=6).filter(
    lambda scores: max(scores) > -math.inf
)


@given(SCORES, st.floats(0, 1))
def test_every_number_and_answer_is_that_of_the_definition(scores, threshold):
    shown = answer(scores, threshold)
    softmax, sigmoid = oracle.softmax(scores), [oracle.sigmoid(score) for score in scores]
    np.testing.assert_allclose(shown["softmax"], [float(p) for p in softmax], rtol=1e-12)
    np.testing.assert_allclose(shown["sigmoid"], [float(p) for p in sigmoid], rtol=1e-12)
    assert [place for place, p in enumerate(shown["sigmoid"]) if p > threshold] == shown["answers"]["sigmoid"]
    largest = max(shown["softmax"])
    expected = [shown["softmax"].index(largest)] if largest >= threshold else []
    assert shown["answers"]["softmax"] == expected
    json_text(shown)


def test_worked_examples():
    # "softmax or sigmoid, in PyTorch": five scores and their probabilities; softmax picks one, sigmoid all above.
    five = answer([-0.401, 0.0468, -0.4071, 0.6252, 1.0899])
    assert five["text"]["sigmoid"] == ["0.4011", "0.5117", "0.3996", "0.6514", "0.7484"]
    assert five["text"]["answers"]["sigmoid"] == "c1, c3 and c4"
    animals = answer([2, 1, 0.1, -1], classes=["cat", "dog", "cow", "zebra"])
    assert animals["text"]["softmax"] == ["0.6381", "0.2347", "0.0954", "0.0318"]
    assert animals["text"]["sigmoid"] == ["0.8808", "0.7311", "0.5250", "0.2689"]
    assert animals["text"]["sum"] == {"softmax": "1.0000", "sigmoid": "2.4058"}
    assert animals["text"]["answers"] == {"softmax": "cat", "sigmoid": "cat, dog and cow"}


def test_nothing_is_sure_enough():
    text = answer([-2, -2.5, -3], 0.6, ["cat", "dog", "cow"])["text"]
    assert text["answers"] == {"softmax": "don't know", "sigmoid": "none"}
    assert text["why"] == {
        "softmax": "The largest probability, 0.5065 of cat, is below 0.6.",
        "sigmoid": "The largest probability, 0.1192 of cat, is not above 0.6.",
    }


def test_the_threshold_itself():
    # At the threshold softmax knows; sigmoid answers only above it.
    assert answer([0, 0], 0.5)["answers"] == {"softmax": [0], "sigmoid": []}
    why = answer([0, 0], 0.50001)["text"]["why"]
    assert why["softmax"] == "The largest probability, 0.5 of c0, is below 0.50001."
    why = answer([0, 1e-9], 0.5)["text"]["why"]
    assert "0.50000000025 of c1, is at least 0.5." in why["softmax"]


def test_two_classes_are_one_sigmoid():
    text = answer([1.2, 0.2])["text"]
    assert "sigmoid(1.0000) = 0.7311" in text["pair"]
    assert text["softmax"][0] == "0.7311"
    assert answer([1, 2, 3])["text"]["pair"] == ""
    assert "sigmoid(inf) = 1.0000" in answer([1e308, -1e308])["text"]["pair"]


def test_copied_python_gives_the_shown_numbers():
    shown = answer([2, 1, 0.1, -math.inf], 0.4)
    names = {}
    exec(shown["python"], names)
    for name in ("softmax", "sigmoid"):
        np.testing.assert_allclose(names[name], shown[name], rtol=1e-12)
    assert [names["one"]] == shown["answers"]["softmax"]
    assert np.flatnonzero(names["many"]).tolist() == shown["answers"]["sigmoid"]


def test_copied_commands_print_the_shown_numbers():
    shown = answer([2, -1], classes=["cat", "dog"])
    first, about, each = shown["command"].splitlines()
    assert about.startswith("# ")
    assert each == 'for score in 2.0 -1.0; do lastlayer explain "$score" 0; done'
    printed = CliRunner().invoke(explain, shlex.split(first)[2:]).output
    assert all(p in printed for p in shown["text"]["softmax"])
    for score, p in zip(("2.0", "-1.0"), shown["text"]["sigmoid"], strict=True):
        assert p in CliRunner().invoke(explain, [score, "0"]).output
    assert answer([3.0] * 21)["command"].endswith("lastlayer explain 3.0 0")


@pytest.mark.parametrize(
    ("state", "field", "sentence"),
    [
        ({"class": ["a"], "score": [1, 2]}, "score", "received 2 scores for 1 classes"),
        ({"class": ["a"], "score": [-math.inf]}, "score", "every class is impossible"),
        ({"class": ["a"], "score": [1], "threshold": 1.5}, "threshold", "expected a number from 0 to 1"),
        ({"class": ["a"] * 1001, "score": [1] * 1001}, "class", "received 1,001 entries, expected 1 to 1,000"),
    ],
)
def test_what_is_refused(state, field, sentence):
    with pytest.raises(Refused, match=sentence) as refused:
        LABELS.answer(read_state(LABELS.fields, state), None)
    assert refused.value.field == field

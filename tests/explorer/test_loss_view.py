import math
import shlex

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp

from lastlayer._json import json_text
from lastlayer.cli.explain import command as explain
from lastlayer.explorer.fields import Refused, read_state
from lastlayer.explorer.loss_view import LOSS
from tests.oracles import softmax as oracle

SCORES = st.lists(st.floats(-30, 30), min_size=1, max_size=6)


def answer(scores, label=0, smoothing=0.0, classes=None):
    classes = [f"c{place}" for place in range(len(scores))] if classes is None else classes
    state = {"class": classes, "score": scores, "label": label, "smoothing": smoothing}
    return LOSS.answer(read_state(LOSS.fields, state), None)


@given(SCORES, st.data())
def test_every_number_is_that_of_the_definition(scores, data):
    label = data.draw(st.integers(0, len(scores) - 1))
    smoothing = data.draw(st.sampled_from([0.0, 0.1, 0.75, 1.0]))
    shown = answer(scores, label, smoothing)
    with mp.workdps(oracle.DIGITS):
        p, log_p = oracle.softmax(scores), oracle.log_softmax(scores)
        target = [mp.mpf(smoothing) / len(scores) + (1 - mp.mpf(smoothing)) * (k == label) for k in range(len(scores))]
        loss = -mp.fsum(t * value for t, value in zip(target, log_p, strict=True))
        gradient = [value - t for value, t in zip(p, target, strict=True)]
        likelihood = mp.fsum(value for k, value in enumerate(p) if k != label)
        point = {
            "p": p[label],
            "loss": -log_p[label],
            "slope": -likelihood,
            "likelihood": likelihood,
            "likelihood_slope": -p[label] * likelihood,
        }
    np.testing.assert_allclose(shown["softmax"], [float(value) for value in p], rtol=1e-12)
    np.testing.assert_allclose(shown["loss"], float(loss), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(shown["gradient"], [float(value) for value in gradient], rtol=1e-12, atol=1e-15)
    for name, value in point.items():
        np.testing.assert_allclose(shown["point"][name], float(value), rtol=1e-11, atol=1e-300, err_msg=name)
    json_text(shown)


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.just(-math.inf), min_size=1, max_size=4).filter(
        lambda scores: max(scores) > -math.inf
    ),
    st.floats(0, 1),
)
def test_no_score_is_too_large(scores, smoothing):
    shown = answer(scores, len(scores) - 1, smoothing)
    assert shown["loss"] >= 0
    json_text(shown)


def test_worked_example():
    # "softmax activation tutorial": three logits; the loss is -log of the probability.
    shown = answer([2, 1, 0.1])
    assert shown["text"]["softmax"] == ["0.6590", "0.2424", "0.0986"]
    assert shown["text"]["loss"] == "0.4170"
    assert shown["text"]["gradient"] == ["-0.3410", "0.2424", "0.0986"]
    assert shown["text"]["point"]["likelihood"] == "0.3410"
    assert shown["text"]["sum"] == {"softmax": "1.0000", "target": "1.0000", "gradient": "0.0000"}


def test_smoothing_in_the_rows_own_numbers():
    text = answer([2, 1, 0.1], smoothing=0.1)["text"]
    # 0.9 * 0.41703 + 0.1 * (0.41703 + 1.41703 + 2.31703) / 3, and 1 - 0.1 + 0.1 / 3
    assert text["loss"] == "0.5137"
    assert text["target"] == ["0.9333", "0.0333", "0.0333"]
    assert "0.9 · 0.4170 + 0.1 · 1.3837 = 0.5137" in text["why"][1]
    assert "least at p = 0.9333" in text["why"][1]


@pytest.mark.parametrize(
    ("scores", "label", "smoothing", "loss", "sentence"),
    [
        ([-math.inf, 1], 0, 0, "inf", "The right class has probability 0"),
        ([-math.inf, 1], 1, 0.1, "inf", "Smoothing asks some probability of a class that has none"),
        ([-math.inf, 1], 1, 0, "0.0000", "1 - 1.0000 = 0.0000"),
        ([3], 0, 0.1, "0.0000", "1 - 1.0000 = 0.0000"),
        ([1e308, -1e308], 1, 0, "inf", "The right class has probability 0"),
    ],
)
def test_impossible_and_certain_classes(scores, label, smoothing, loss, sentence):
    shown = answer(scores, label, smoothing)
    assert shown["text"]["loss"] == loss
    assert sentence in shown["text"]["why"][-1]
    json_text(shown)


@pytest.mark.parametrize(("scores", "smoothing"), [([2, 1, 0.1], 0.0), ([2, -math.inf, 0.1], 0.0), ([3], 0.25)])
def test_copied_python_gives_the_shown_numbers(scores, smoothing):
    shown = answer(scores, len(scores) - 1, smoothing)
    names = {}
    exec(shown["python"], names)
    np.testing.assert_allclose(names["probabilities"], shown["softmax"], rtol=1e-12)
    np.testing.assert_allclose(names["losses"][0], shown["loss"], rtol=1e-12)
    np.testing.assert_allclose(names["gradient"][0], shown["gradient"], rtol=1e-12)
    np.testing.assert_allclose(names["likelihood_loss"], shown["point"]["likelihood"], rtol=1e-12)


def test_copied_command_prints_the_shown_loss():
    shown = answer([2, 1, 0.1], 1, classes=["cat", "dog", "cow"])
    printed = CliRunner().invoke(explain, shlex.split(shown["command"])[2:]).output
    assert f"loss of dog = -log {shown['text']['point']['p']} = {shown['text']['loss']}" in printed
    assert "# without label smoothing" in answer([2, 1], smoothing=0.5)["command"]


def test_a_label_without_a_class_is_refused():
    with pytest.raises(Refused, match=r"received 3, but there are 3 classes \(0 to 2\)") as refused:
        answer([1, 2, 3], 3)
    assert refused.value.field == "label"

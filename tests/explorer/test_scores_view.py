"""Scores to probabilities: what the library answers to a state."""

import math

import mpmath
import pytest

from lastlayer._json import json_text
from lastlayer.explorer.fields import Refused, read_state
from lastlayer.explorer.scores_view import SCORES
from tests.oracles.softmax import softmax


def answer(**state):
    return SCORES.answer(read_state(SCORES.fields, {"class": list("abcd")[: len(state["score"])], **state}), None)


def test_every_step_of_the_article():
    given = answer(score=["2.0", "1.0", "0.1"])
    text = given["text"]
    assert text["steps"]["exponential"] == ["7.3891", "2.7183", "1.1052"]
    assert text["steps"]["softmax"] == ["0.6590", "0.2424", "0.0986"]
    assert text["sum"] == {
        "exponential": "11.2125",
        "shifted_exponential": "1.5174",
        "softmax": "1.0000",
        "hardmax": "1",
    }
    assert (text["max"]["score"], given["winner"], given["overflow"], given["precision"]) == ("2.0000", 0, None, None)


@pytest.mark.parametrize("beta", [0.001, 1.0, 500.0, 10_000.0])
def test_probabilities_are_the_definition(beta):
    scores = [0.95, -math.inf, 0.99, 0.98]
    given = answer(score=scores, beta=beta)
    assert given["softmax"] == pytest.approx([float(p) for p in softmax(scores, beta)], rel=1e-12)


def test_an_exponential_beyond_float32_and_beyond_float64():
    assert answer(score=["0.95", "0.99", "0.98"], beta="500")["overflow"] == {
        "cells": [1, 1, 1],
        "sentence": "exp(495.0000) = 10^214.976 is above 10^38.53 (the largest float32). Without subtracting the "
        "maximum, softmax in float32 is inf / inf = NaN.",
    }
    beyond = answer(score=["0.95", "0", "0.98"], beta="1000")
    assert beyond["overflow"]["cells"] == [2, 0, 2]
    assert "(the largest float64)" in beyond["overflow"]["sentence"]
    assert beyond["text"]["sum"]["exponential"] == "10^425.609"


def test_a_power_of_ten_that_is_itself_beyond_reading():
    assert answer(score=["1e300", "0"])["text"]["steps"]["exponential"] == ["10^4.34e+299", "1.0000"]
    assert answer(score=["1e308", "0"], beta="10000")["text"]["sum"]["exponential"] == "10^inf"


def test_exponentials_whose_sum_alone_overflows():
    given = answer(score=["88.5", "88.5"])
    assert given["overflow"]["cells"] == [0, 0]
    assert given["overflow"]["sentence"].endswith("softmax in float32 is 0 for every class.")


@pytest.mark.parametrize("scores", [[1e308, -1e308], [1e308, 1e308], [-1e308, -math.inf], [5e-324, 0.0], [1e16, 1e16]])
def test_any_scores_have_an_answer_that_json_holds(scores):
    for beta in (0.001, 10_000.0):
        given = answer(score=scores, beta=beta)
        json_text(given)
        assert math.fsum(given["softmax"]) == pytest.approx(1)
        scale = given["scale"]
        assert scale["least"] < scale["most"]
        assert all(scale["least"] <= score <= scale["most"] for score in scores if score != -math.inf)


def test_the_label_has_a_loss():
    loss = answer(score=["2.0", "1.0", "0.1"], label="0")["loss"]
    assert (loss["text"], loss["softmax"]) == ("0.4170", "0.6590")
    assert loss["value"] == pytest.approx(float(-mpmath.log(softmax([2.0, 1.0, 0.1])[0])), rel=1e-12)


def test_many_classes_are_shown_in_part_and_summed_in_whole():
    count = 10_000
    state = {"class": ["x"] * count, "score": [str(i % 7) for i in range(count)], "order": "largest"}
    given = SCORES.answer(read_state(SCORES.fields, state), None)
    assert given["classes"] == count
    assert given["shown"][:3] == [6, 13, 20]
    assert len(given["shown"]) == len(given["softmax"]) == len(given["text"]["steps"]["softmax"]) == 1_000
    assert given["text"]["sum"]["softmax"] == "1.0000"
    state["order"] = "given"
    assert SCORES.answer(read_state(SCORES.fields, state), None)["shown"] == list(range(1_000))


@pytest.mark.parametrize(
    ("state", "field", "sentence"),
    [
        ({"score": ["1"]}, "score", "received 1 scores for 2 classes, expected one for each"),
        ({"score": ["-inf", "-inf"]}, "score", "every class is impossible (-inf), expected at least one finite score"),
        ({"score": ["1", "nan"]}, "score[1]", "expected a finite number, or -inf for an impossible class"),
        ({"score": ["1", "1,000"]}, "score[1]", "received '1,000'"),
        ({"score": ["1", "2"], "beta": "0"}, "beta", "received '0', expected a number from 0.001 to 10000"),
        ({"score": ["1", "2"], "label": "2"}, "label", "received 2, expected the number of a class, 0 to 1"),
        ({"score": ["1", "2"], "order": "up"}, "order", "expected one of given, largest"),
    ],
)
def test_a_state_without_an_answer_is_refused(state, field, sentence):
    with pytest.raises(Refused, match=field.replace("[", r"\[")) as refused:
        SCORES.answer(read_state(SCORES.fields, {"class": ["a", "b"], **state}), None)
    assert refused.value.field == field
    assert sentence in str(refused.value)

"""Every question is answered again here, from its own words and the definitions."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer._json import json_text
from lastlayer.explorer.fields import Refused, read_state
from lastlayer.explorer.quiz_view import QUIZ
from tests.oracles import softmax as oracle

MANY = 40
STATES = {
    "ordinary": [2, 1, 0.1, -1],
    "two": [0.3, -0.2],
    "one": [3],
    "equal": [1, 1, 1],
    "impossible": [2, -math.inf, 1],
    "saturated": [900, 100, -900],
    "huge": [1e308, -1e308, 5],
    "many": [math.sin(7 * place) for place in range(MANY)],
}
DIRECTIONS = ["It rises.", "It falls.", "It stays the same."]


def question(scores, view, quiz, **more):
    state = {"class": [f"c{place}" for place in range(len(scores))], "score": scores, "view": view, "quiz": quiz}
    return QUIZ.answer(read_state(QUIZ.fields, state | more), None)


def softmax(scores, beta=1.0):
    return [float(p) for p in oracle.softmax(scores, beta)]


def sigmoid(scores):
    return [float(oracle.sigmoid(score)) for score in scores]


def loss(scores, label, smoothing=0.0):
    losses = [-float(log_p) for log_p in oracle.log_softmax(scores)]
    if smoothing == 0:
        return losses[label]
    return (1 - smoothing) * losses[label] + smoothing * sum(losses) / len(losses)


def moved(scores, by, place=None):
    return [score + by if place in (None, k) else score for k, score in enumerate(scores)]


def change(before, after):
    """The right answer to a question of direction."""
    return 2 if abs(after - before) <= 1e-9 else 0 if after > before else 1


def names(text):
    return [int(place) for place in re.findall(r"c(\d+)", text)]


def answer_again(asked, options, scores, beta, threshold, label, smoothing):
    """The index of the right option."""
    places, number = names(asked), [float(text) for text in re.findall(r"(?<![c\w.])\d+(?:\.\d+)?", asked)]
    function = sigmoid if "sigmoid" in asked else softmax
    if asked.startswith("If beta doubles"):
        assert number == [beta, 2 * beta]
        return change(softmax(scores, beta)[places[0]], softmax(scores, 2 * beta)[places[0]])
    if match := re.match(r"If the score of c(\d+) rises by (\d), what does (softmax|sigmoid) of c(\d+)", asked):
        raised, by, place = int(match[1]), int(match[2]), int(match[4])
        assert raised != place
        rows = (scores, moved(scores, by, raised))
        values = [sigmoid(row) if match[3] == "sigmoid" else softmax(row, beta) for row in rows]
        return change(values[0][place], values[1][place])
    if asked.startswith("If 1 is added to every score, what does the sum"):
        return change(sum(function(scores)), sum(function(moved(scores, 1))))
    if asked.startswith("If 1 is added to every score"):
        return 2
    if asked.startswith("What do the softmax probabilities"):
        return options.index("To 1.")
    if asked.startswith("Which classes does sigmoid"):
        assert number[0] != threshold
        above = {place for place, p in enumerate(sigmoid(scores)) if p > number[0]}
        right = {f"With {len(above)} of them.", "With all of them." if len(above) == len(scores) else "With none."}
        exact = [place for place, option in enumerate(options) if set(names(option)) == above != set()]
        (place,) = exact or [place for place, option in enumerate(options) if option in right]
        return place
    if asked.startswith("What does softmax answer"):
        p = softmax(scores)
        top = p.index(max(p))
        return options.index(f"With c{top}." if max(p) >= number[0] else "With “don't know”.")
    if asked.startswith("Which loss") and "were it" in asked:
        first, second = (loss(scores, place) for place in places)
        return 0 if first > second else 1
    if asked.startswith("If label smoothing"):
        assert number[0] == smoothing
        return change(*(loss(scores, label, part) for part in number))
    if asked.startswith("If p of the right class is halved"):
        (right,) = [place for place, option in enumerate(options) if "log 2" in option]
        assert float(re.findall(r"\d\.\d+", options[right])[0]) == pytest.approx(-math.log(number[1]), abs=6e-3)
        return right
    if "the right class, rises by 1" in asked:
        assert places == [label]
        return change(loss(scores, label, smoothing), loss(moved(scores, 1, label), label, smoothing))
    assert asked.startswith("Which loss is larger at p ="), asked
    return 0 if -math.log(number[0]) > 1 - number[0] else 1


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("view", ["scores", "labels", "loss"])
def test_the_right_answer_is_that_of_the_definition(name, view):
    scores = STATES[name]
    settings = {"beta": 0.5, "threshold": 0.3, "label": len(scores) - 1, "smoothing": 0.1}
    asked = set()
    for quiz in range(1, 11):
        posed = question(scores, view, quiz, **settings)
        assert len(set(posed["options"])) == len(posed["options"]) > 1
        assert answer_again(posed["asked"], posed["options"], scores, **settings) == posed["right"], posed
        assert posed["numbers"]
        assert posed["why"].endswith((".", "”."))
        asked.add(posed["asked"].split(",")[0].split(" of ")[0])
    assert len(asked) >= (1 if len(scores) == 1 or name in ("huge", "saturated") else 3), asked


@given(
    st.sampled_from(["scores", "labels", "loss"]),
    st.integers(1, 1_000_000),
    st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.just(-math.inf), min_size=1, max_size=5).filter(
        lambda scores: max(scores) > -math.inf
    ),
    st.floats(0.001, 10_000),
    st.floats(0, 1),
)
def test_there_is_always_a_question(view, quiz, scores, beta, share):
    posed = question(scores, view, quiz, beta=beta, threshold=share, smoothing=share)
    assert 0 <= posed["right"] < len(posed["options"])
    assert len(set(posed["options"])) == len(posed["options"])
    json_text(posed)


def test_the_same_state_asks_the_same():
    assert question(STATES["ordinary"], "loss", 7) == question(STATES["ordinary"], "loss", 7)


def test_worked_example():
    # "interactive page, explaining softmax": beta sharpens; cat is the largest of cat, dog, cow and zebra.
    state = {"class": ["cat", "dog", "cow", "zebra"], "score": [2, 1, 0.1, -1], "view": "scores", "quiz": 5}
    posed = QUIZ.answer(read_state(QUIZ.fields, state), None)
    assert posed == {
        "asked": "If beta doubles, from 1 to 2, what does softmax of cat do?",
        "options": DIRECTIONS,
        "right": 0,
        "numbers": "0.6381 before, 0.8619 after.",
        "why": "Every ratio to the largest score's probability is squared, so what is below it shrinks and it gains.",
    }


def test_what_is_refused():
    with pytest.raises(Refused, match="label: received 4"):
        question([1, 2], "loss", 1, label=4)
    with pytest.raises(Refused, match="view: received 'model', expected one of scores, labels, loss"):
        question([1, 2], "model", 1)
    with pytest.raises(Refused, match="quiz: received 0"):
        question([1, 2], "loss", 0)

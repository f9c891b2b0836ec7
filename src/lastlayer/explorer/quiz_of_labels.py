"""Questions about softmax and sigmoid of the same scores. None where the printed digits would not show the answer."""

from typing import Any

import numpy as np

from lastlayer.decision import Abstain, Thresholds
from lastlayer.explanation import short
from lastlayer.explorer.class_scores import named
from lastlayer.explorer.question import Question, differ, which_way
from lastlayer.functions import sigmoid, softmax

_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9)
_MOST_NAMED = 4
_MOST_OPTIONS = 4
_LARGEST_SCORE = 1e6
_BY_ITSELF = "Sigmoid asks of each class by itself: any number of them may be above the threshold, or none."


def above_threshold(state: dict[str, Any], rng: np.random.Generator) -> Question:
    """Which classes sigmoid answers at another threshold."""
    classes, probabilities = state["class"], sigmoid(np.array(state["score"]))
    here = _count_above(probabilities, state["threshold"])
    changing = [other for other in _others(state) if _count_above(probabilities, other) != here]
    threshold = float(rng.choice(changing or _others(state)))
    count = _count_above(probabilities, threshold)
    near = [size for size in (count - 2, count - 1, count + 1, count + 2) if 0 <= size <= len(classes)]
    wrong = rng.choice(near, min(len(near), _MOST_OPTIONS - 1), replace=False).tolist()
    sizes = sorted([count, *wrong])
    falling = np.argsort(-probabilities, kind="stable")
    bounds = []
    if count:
        least = int(falling[count - 1])
        bounds.append(f"The lowest above is {short(float(probabilities[least]))} of {named(classes, [least])}.")
    if count < len(classes):
        most = int(falling[count])
        bounds.append(
            f"The highest that is not above is {short(float(probabilities[most]))} of {named(classes, [most])}."
        )
    return Question(
        f"Which classes does sigmoid answer with at threshold {threshold:g}?",
        [_told(classes, sorted(falling[:size].tolist())) for size in sizes],
        sizes.index(count),
        " ".join(bounds),
        _BY_ITSELF,
    )


def softmax_answer(state: dict[str, Any], rng: np.random.Generator) -> Question | None:
    """What softmax answers at another threshold."""
    classes, probabilities = state["class"], softmax(np.array(state["score"]))
    first, *rest = np.argsort(-probabilities, kind="stable")[:2].tolist()
    here = _answer_of(probabilities, state["threshold"])
    changing = [other for other in _others(state) if _answer_of(probabilities, other) != here]
    threshold = float(rng.choice(changing or _others(state)))
    options = [f"With {named(classes, [place])}." for place in (first, *rest)]
    shown = [float(probabilities[place]) for place in (first, *rest)]
    # Of equals the first wins, which no one could know.
    if len(set(options)) < len(options) or any(not differ(shown[0], p) for p in shown[1:]):
        return None
    is_known = _answer_of(probabilities, threshold) >= 0
    return Question(
        f"What does softmax answer with at threshold {threshold:g}?",
        [*options, "With “don't know”."],
        0 if is_known else len(options),
        f"The largest probability is {short(shown[0])} of {named(classes, [first])}.",
        "Softmax has one answer, the most probable class, and gives it where that is at least the threshold.",
    )


def sum_if_all_rise(state: dict[str, Any], rng: np.random.Generator) -> Question | None:
    """What becomes of the sum of all probabilities if all scores rise alike."""
    scores = np.array(state["score"])
    name, function = [("softmax", softmax), ("sigmoid", sigmoid)][int(rng.integers(2))]
    before, after = float(function(scores).sum()), float(function(scores + 1).sum())
    is_softmax = name == "softmax"
    if is_softmax == differ(before, after):
        return None
    return which_way(
        f"If 1 is added to every score, what does the sum of the {name} probabilities do?",
        before,
        after,
        why="Softmax shares exactly 1 among the classes."
        if is_softmax
        else "Each class is asked by itself, and the yes of each becomes more probable.",
    )


def another_rises(state: dict[str, Any], rng: np.random.Generator) -> Question | None:
    """What becomes of a class if the score of another rises."""
    scores, classes = np.array(state["score"]), state["class"]
    finite = np.flatnonzero(np.isfinite(scores))
    if len(finite) < 2 or np.abs(scores[finite]).max() > _LARGEST_SCORE:
        return None
    name, function = [("softmax", softmax), ("sigmoid", sigmoid)][int(rng.integers(2))]
    place, other = rng.choice(finite, 2, replace=False).tolist()
    moved = scores.copy()
    moved[other] += 2
    before, after = (float(function(row)[place]) for row in (scores, moved))
    if name == "softmax" and not differ(before, after):
        return None
    return which_way(
        f"If the score of {named(classes, [other])} rises by 2, what does {name} of {named(classes, [place])} do?",
        before,
        after,
        why="The classes share 1: what one gains, the others lose."
        if name == "softmax"
        else "Sigmoid of a class sees its own score alone.",
    )


def _others(state):
    """Thresholds that are told from the present one."""
    return [threshold for threshold in _THRESHOLDS if abs(threshold - state["threshold"]) > 0.04]


def _count_above(probabilities, threshold):
    return int(Thresholds(threshold).apply(probabilities[None]).sum())


def _answer_of(probabilities, threshold):
    return int(Abstain(threshold).apply(probabilities[None])[0])


def _told(classes, places):
    if not places:
        return "With none."
    if len(places) == len(classes) > 2:
        return "With all of them."
    return f"With {named(classes, places)}." if len(places) <= _MOST_NAMED else f"With {len(places):,} of them."


KINDS = (above_threshold, another_rises, softmax_answer, sum_if_all_rise, above_threshold)

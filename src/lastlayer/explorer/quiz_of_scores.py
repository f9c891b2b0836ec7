"""Questions about softmax of a row of scores. None where the printed digits would not show the answer."""

from typing import Any

import numpy as np

from lastlayer.explanation import short
from lastlayer.explorer.class_scores import named
from lastlayer.explorer.question import Question, differ, which_way
from lastlayer.functions import softmax

_LARGEST_BETA = 10_000
# Adding 1 to scores beyond these is lost to rounding.
_LARGEST_SCORE = 1e6


def beta_doubles(state: dict[str, Any], rng: np.random.Generator) -> Question | None:
    """What becomes of a class if beta doubles."""
    scores, beta = np.array(state["score"]), state["beta"]
    if 2 * beta > _LARGEST_BETA:
        return None
    before, after = softmax(scores, beta=beta), softmax(scores, beta=2 * beta)
    finite = scores[np.isfinite(scores)]
    if finite.min() == finite.max():
        place = int(rng.choice(np.flatnonzero(np.isfinite(scores))))
        why = "Equal scores share equally, whatever beta is."
    else:
        visible = np.array([differ(old, new) for old, new in zip(before, after, strict=True)])
        rising = bool(rng.integers(2))
        places = np.flatnonzero(visible & ((after > before) == rising))
        places = places if len(places) else np.flatnonzero(visible)
        if not len(places):
            return None
        place = int(rng.choice(places))
        why = _why_doubled(scores, before, after, place)
    name = named(state["class"], [place])
    return which_way(
        f"If beta doubles, from {beta:.12g} to {2 * beta:.12g}, what does softmax of {name} do?",
        before[place],
        after[place],
        why=why,
    )


def _why_doubled(scores, before, after, place):
    if scores[place] == scores.max():
        return "Every ratio to the largest score's probability is squared, so what is below it shrinks and it gains."
    if after[place] > before[place]:
        return "Its ratio to the largest is squared, but the classes below it lose still more."
    old, new = before[place] / before.max(), after[place] / after.max()
    return f"Its ratio to the largest is squared: {short(old)} becomes {short(new)}."


def all_rise(state: dict[str, Any], rng: np.random.Generator) -> Question | None:
    """What becomes of a class if all scores rise alike."""
    scores, beta = np.array(state["score"]), state["beta"]
    finite = np.isfinite(scores)
    if np.abs(scores[finite]).max() > _LARGEST_SCORE:
        return None
    place = int(rng.choice(np.flatnonzero(finite)))
    before, after = (float(softmax(moved, beta=beta)[place]) for moved in (scores, scores + 1))
    if short(before) != short(after):
        return None
    return which_way(
        f"If 1 is added to every score, what does softmax of {named(state['class'], [place])} do?",
        before,
        after,
        why="Softmax sees only the differences of scores: what is added to all cancels.",
    )


def another_rises(state: dict[str, Any], rng: np.random.Generator) -> Question | None:
    """What becomes of a class if the score of another rises."""
    scores, beta = np.array(state["score"]), state["beta"]
    finite = np.flatnonzero(np.isfinite(scores))
    if len(finite) < 2 or np.abs(scores[finite]).max() > _LARGEST_SCORE:
        return None
    place, other = rng.choice(finite, 2, replace=False).tolist()
    moved = scores.copy()
    moved[other] += 1
    before, after = (float(softmax(row, beta=beta)[place]) for row in (scores, moved))
    if not differ(before, after):
        return None
    classes = state["class"]
    return which_way(
        f"If the score of {named(classes, [other])} rises by 1, what does softmax of {named(classes, [place])} do?",
        before,
        after,
        why="The classes share 1: what one gains, the others lose.",
    )


def sum_of_all(state: dict[str, Any], rng: np.random.Generator) -> Question:
    """What all probabilities sum to."""
    count = len(state["score"])
    total = float(softmax(np.array(state["score"]), beta=state["beta"]).sum())
    options = ["To 1.", f"To {count:,}, one for each class.", "It depends on the scores."]
    return Question(
        "What do the softmax probabilities of all classes add up to?",
        options if count > 1 else options[::2],
        0,
        f"They add up to {short(total)}.",
        "Each is a share of the sum of all exponentials.",
    )


KINDS = (beta_doubles, all_rise, another_rises, sum_of_all)

"""Questions about the loss of a row of scores. None where the printed digits would not show the answer."""

import math
from typing import Any

import numpy as np

from lastlayer.explanation import short
from lastlayer.explorer.class_scores import named
from lastlayer.explorer.loss_curve import MINUS_LOG_P, losses_at
from lastlayer.explorer.question import Question, differ, which_way
from lastlayer.functions import log_softmax, softmax
from lastlayer.losses import cross_entropy

_LARGEST_SCORE = 1e6


def larger_loss(state: dict[str, Any], rng: np.random.Generator) -> Question | None:
    """Which of two classes costs more as the right one."""
    classes, losses = state["class"], _losses(state)
    first = state["label"]
    others = [place for place in range(len(classes)) if differ(losses[place], losses[first])]
    if not others:
        return None
    second = int(rng.choice(others))
    names = [named(classes, [place]) for place in (first, second)]
    if names[0] == names[1]:
        return None
    return Question(
        f"Which loss {MINUS_LOG_P} is larger: that of {names[0]}, were it the right class, or that of {names[1]}?",
        [f"That of {names[0]}.", f"That of {names[1]}.", "Both are the same."],
        0 if losses[first] > losses[second] else 1,
        f"{short(losses[first])} for {names[0]}, {short(losses[second])} for {names[1]}.",
        "The smaller the probability of the right class, the larger the loss.",
    )


def smoothing_grows(state: dict[str, Any], rng: np.random.Generator) -> Question | None:
    """What becomes of the loss if label smoothing grows."""
    scores, label, now = np.array(state["score"]), state["label"], state["smoothing"]
    then = round(now + float(rng.choice([0.1, 0.2])), 6)
    if then > 1:
        return None
    before, after = (float(_loss(scores, label, smoothing)) for smoothing in (now, then))
    if not math.isfinite(after) or not differ(before, after):
        return None
    losses = _losses(state)
    mean = float((losses / len(losses)).sum())  # which does not overflow
    more = "more" if after > before else "less"
    return which_way(
        f"If label smoothing goes from {now:.12g} to {then:.12g}, what does the loss do?",
        before,
        after,
        why=f"Smoothing mixes in the mean of {MINUS_LOG_P} over the classes, {short(mean)}, "
        f"which is {more} than the right class's own, {short(losses[label])}.",
    )


def halved(state: dict[str, Any], rng: np.random.Generator) -> Question:
    """What half the probability costs."""
    p = float(softmax(np.array(state["score"]))[state["label"]])
    whole = -math.log(p) if p else math.inf
    # Where doubling it, or half as much again, comes to the same as adding log 2, or where p is near an end.
    if not (0.01 < p < 0.95 and min(abs(whole - math.log(2)), abs(whole / 2 - math.log(2))) > 0.05):
        p = 0.2
    whole, half = (stop["loss"] for stop in losses_at((p, p / 2)))
    options = [
        f"It grows by log 2 to {short(half)}.",
        f"It doubles to {short(2 * whole)}.",
        f"It grows by half to {short(1.5 * whole)}.",
    ]
    order = rng.permutation(len(options)).tolist()
    return Question(
        f"If p of the right class is halved, from {short(p)} to {short(p / 2)}, what does {MINUS_LOG_P} do?",
        [options[place] for place in order],
        order.index(0),
        f"{short(whole)} before, {short(half)} after.",
        f"The log of a product is a sum: each halving costs another log 2 = {short(math.log(2))}.",
    )


def score_rises(state: dict[str, Any], rng: np.random.Generator) -> Question | None:
    """What becomes of the loss if the score of the right class rises."""
    scores, label, smoothing = np.array(state["score"]), state["label"], state["smoothing"]
    if not abs(scores[label]) < _LARGEST_SCORE:
        return None
    moved = scores.copy()
    moved[label] += 1
    before, after = (float(_loss(row, label, smoothing)) for row in (scores, moved))
    if not math.isfinite(before) or not differ(before, after):
        return None
    name = named(state["class"], [label])
    target = 1 - smoothing + smoothing / len(scores)
    return which_way(
        f"If the score of {name}, the right class, rises by 1, what does the loss do?",
        before,
        after,
        why=f"The probability of {name} goes beyond its smoothed target {short(target)}, where more of it costs more."
        if after > before
        else f"The probability of {name} comes nearer to its target {short(target)}.",
    )


def larger_at(state: dict[str, Any], rng: np.random.Generator) -> Question:
    """Which of the two losses is larger."""
    p = float(rng.choice([0.01, 0.1, 0.5, 0.9]))
    (stop,) = losses_at((p,))
    return Question(
        f"Which loss is larger at p = {p:g}?",
        [f"{MINUS_LOG_P}.", "1 - p.", "Both are the same."],
        0,
        f"{MINUS_LOG_P} is {short(stop['loss'])}, 1 - p is {short(stop['likelihood'])}.",
        f"{MINUS_LOG_P} has no bound as p goes to 0; 1 - p is its tangent at p = 1, and never above 1.",
    )


def _losses(state: dict[str, Any]) -> Any:
    """What each class would cost as the right one."""
    return 0.0 - log_softmax(np.array(state["score"]))


def _loss(scores, label, smoothing):
    return cross_entropy(scores[None], [label], label_smoothing=smoothing)[0]


KINDS = (larger_loss, smoothing_grows, halved, score_rises, larger_at)

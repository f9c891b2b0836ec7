"""Scores to probabilities, every step as text and as numbers."""

from typing import Any

import numpy as np

from lastlayer.explanation import explain, short
from lastlayer.explorer.class_scores import class_fields, require_pairs
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.fields import Choice, Field, Flag, Number, Refused, Whole
from lastlayer.explorer.precisions import in_precisions
from lastlayer.explorer.score_copies import explain_command, scores_in_python
from lastlayer.explorer.score_steps import overflows, score_scale, shown_places, step_texts
from lastlayer.explorer.smooth_closing import smooth_closing
from lastlayer.explorer.smooth_corner import smooth_corner

MOST_CLASSES = 10_000
LEAST_BETA, MOST_BETA = 0.001, 10_000.0

FIELDS: dict[str, Field] = {
    **class_fields(MOST_CLASSES),
    "beta": Number(LEAST_BETA, MOST_BETA, default=1.0),
    "label": Whole(-1, MOST_CLASSES - 1, default=-1),
    "order": Choice(("given", "largest"), default="given"),
    "precision": Flag(),
}


def _answer(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    require_pairs(state)
    count, label, beta = len(state["class"]), state["label"], state["beta"]
    if label >= count:
        raise Refused("label", f"received {label}, expected the number of a class, 0 to {count - 1}, or -1 for none")
    explanation = explain(state["score"], beta=beta, classes=state["class"])
    scores = explanation.score
    places = shown_places(scores, state["order"])
    return {
        "classes": count,
        "shown": places.tolist(),
        "winner": int(np.argmax(scores)),
        "softmax": explanation.softmax[places].tolist(),
        "text": step_texts(explanation, places),
        "overflow": overflows(explanation, places),
        "scale": score_scale(scores),
        "smooth_max": smooth_corner(scores, beta),
        "closing": smooth_closing(scores, beta),
        "loss": None if label < 0 else _loss(explanation, label),
        "precision": in_precisions(scores, beta, places) if state["precision"] else None,
        "python": _python(state),
        "command": explain_command(state["score"], state["class"], beta=beta, label=None if label < 0 else label),
    }


def _loss(explanation, label):
    value = float(explanation.loss[label])
    return {"value": value, "text": short(value), "softmax": short(explanation.softmax[label])}


def _python(state):
    """A program that gives the shown numbers."""
    lines = [
        f"beta = {state['beta']!r}",
        "",
        "shifted = np.exp(beta * (scores - scores.max()))",
        "probabilities = ll.softmax(scores, beta=beta)",
        "winner = ll.hardmax(scores)",
        "smooth_max = ll.smooth_max(scores, beta=beta)",
    ]
    if state["label"] >= 0:
        lines += [f"label = {state['label']}", "loss = ll.nll(ll.log_softmax(scores, beta=beta), label)"]
    if state["precision"]:
        lines.append(
            "by_dtype = {dtype: ll.softmax(scores.astype(dtype), beta=beta) "
            'for dtype in ("float64", "float32", "float16")}'
        )
    return scores_in_python(state) + "\n".join(lines) + "\n"


SCORES = Endpoint("scores", "Every step from scores to probabilities.", FIELDS, _answer)

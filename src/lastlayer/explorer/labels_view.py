"""The same scores as one label (softmax) and as many (sigmoid), and what each would answer."""

from typing import Any

import numpy as np

from lastlayer.decision import Abstain, Thresholds
from lastlayer.explanation import short
from lastlayer.explorer.class_scores import class_fields, named, require_pairs
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.fields import Number
from lastlayer.explorer.score_copies import explain_command, scores_in_python
from lastlayer.functions import logsumexp, sigmoid, softmax

FIELDS = class_fields() | {"threshold": Number(0.0, 1.0, default=0.5)}

# A process for each class: beyond these the command of one class stands for all.
_MOST_COMMANDS = 20


def _answer(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    require_pairs(state)
    classes, scores, threshold = state["class"], np.array(state["score"]), state["threshold"]
    probabilities = {"softmax": softmax(scores), "sigmoid": sigmoid(scores)}
    one = int(Abstain(threshold).apply(probabilities["softmax"][None])[0])
    many = np.flatnonzero(Thresholds(threshold).apply(probabilities["sigmoid"][None])[0]).tolist()
    total = float(logsumexp(scores))
    return {
        **{name: values.tolist() for name, values in probabilities.items()},
        "logsumexp": total,
        "threshold": threshold,
        "answers": {"softmax": [] if one < 0 else [one], "sigmoid": many},
        "text": {
            **{name: [short(value) for value in values] for name, values in probabilities.items()},
            "score": [short(score) for score in scores],
            "logsumexp": short(total),
            "threshold": f"{threshold:.12g}",
            "sum": {name: short(values.sum()) for name, values in probabilities.items()},
            "max": {name: short(values.max()) for name, values in probabilities.items()},
            "answers": {
                "softmax": "don't know" if one < 0 else named(classes, [one]),
                "sigmoid": named(classes, many),
            },
            "why": {
                "softmax": _why_one(classes, probabilities["softmax"], one, threshold),
                "sigmoid": _why_many(classes, probabilities["sigmoid"], many, threshold),
            },
            "pair": _pair(classes, scores),
        },
        "python": _python(state),
        "command": _command(state),
    }


def _why_one(classes, probabilities, one, threshold):
    top = int(probabilities.argmax())
    largest = f"{_beside(probabilities[top], threshold)} of {named(classes, [top])}"
    if one < 0:
        return f"The largest probability, {largest}, is below {threshold:.12g}."
    return f"The largest probability, {largest}, is at least {threshold:.12g}."


def _why_many(classes, probabilities, many, threshold):
    if many:
        share = "the only class" if len(probabilities) == 1 else f"{len(many):,} of {len(probabilities):,} classes"
        return f"Above {threshold:.12g}: {share}."
    top = int(probabilities.argmax())
    largest = f"{_beside(probabilities[top], threshold)} of {named(classes, [top])}"
    return f"The largest probability, {largest}, is not above {threshold:.12g}."


def _beside(probability, threshold):
    """A probability with the digits that it needs to be told from the threshold."""
    text = short(probability)
    return repr(float(probability)) if text == short(threshold) and probability != threshold else text


def _pair(classes, scores):
    """What binds softmax and sigmoid where there are two classes; empty for any other number."""
    if len(scores) != 2:
        return ""
    with np.errstate(over="ignore"):
        difference = float(scores[0] - scores[1])
    return (
        f"With two classes softmax is a sigmoid too, of the difference of the scores: "
        f"{named(classes, [0])} has sigmoid({short(difference)}) = {short(float(sigmoid(difference)))}."
    )


def _python(state):
    threshold = state["threshold"]
    return scores_in_python(state) + (
        "softmax = ll.softmax(scores)\nsigmoid = ll.sigmoid(scores)\n"
        f"one = ll.decision.Abstain({threshold!r}).apply(softmax[None])[0]\n"
        f"many = ll.decision.Thresholds({threshold!r}).apply(sigmoid[None])[0]\n"
        'print("one label:", "don\'t know" if one < 0 else classes[one])\n'
        'print("many labels:", [name for name, is_answer in zip(classes, many) if is_answer])\n'
    )


def _command(state):
    scores = [repr(score) for score in state["score"]]
    if len(scores) <= _MOST_COMMANDS:
        each = f'for score in {" ".join(scores)}; do lastlayer explain "$score" 0; done'
    else:
        each = f"lastlayer explain {scores[0]} 0"
    return f"{explain_command(state['score'], state['class'])}\n# sigmoid of a score is softmax of it beside 0:\n{each}"


LABELS = Endpoint("labels", "What softmax and sigmoid would answer to the same scores.", FIELDS, _answer)

"""What the probability of the right class costs, and which way the gradient pushes each score."""

import math
from typing import Any

import numpy as np

from lastlayer.explanation import short
from lastlayer.explorer.class_scores import MOST_CLASSES, class_fields, named, require_label, require_pairs
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.fields import Field, Number, Whole
from lastlayer.explorer.loss_curve import MINUS_LOG_P, loss_curve, loss_points
from lastlayer.explorer.score_copies import explain_command, scores_in_python
from lastlayer.functions import log_softmax, logsumexp, softmax
from lastlayer.losses import binary_likelihood_loss_value_and_grad, cross_entropy_value_and_grad

FIELDS: dict[str, Field] = {
    **class_fields(),
    "label": Whole(0, MOST_CLASSES - 1, default=0),
    "smoothing": Number(0.0, 1.0, default=0.0),
}


def _answer(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    require_pairs(state)
    require_label(state)
    scores, label, smoothing = np.array(state["score"]), state["label"], state["smoothing"]
    probabilities, losses = softmax(scores), 0.0 - log_softmax(scores)
    plain = cross_entropy_value_and_grad(scores[None], [label])
    smoothed = cross_entropy_value_and_grad(scores[None], [label], label_smoothing=smoothing)
    loss, gradient = float(smoothed.losses[0]), smoothed.gradient[0]
    target = np.full(len(scores), smoothing / len(scores))
    target[label] += 1 - smoothing
    others = np.delete(scores, label)
    rest = float(logsumexp(others)) if len(others) else -math.inf
    with np.errstate(over="ignore"):
        margin = scores[label : label + 1] - rest
    # softmax of a class is sigmoid of its score less the logsumexp of the others.
    likelihood = binary_likelihood_loss_value_and_grad(margin, [1])
    point = {
        "p": float(probabilities[label]),
        "loss": float(plain.losses[0]),
        "slope": float(plain.gradient[0][label]),
        "likelihood": float(likelihood.losses[0]),
        "likelihood_slope": float(likelihood.gradient[0]),
    }
    return {
        "softmax": probabilities.tolist(),
        "loss": loss,
        "gradient": gradient.tolist(),
        "point": point,
        "curve": loss_curve(scores, label, rest, smoothing),
        "text": {
            "softmax": [short(value) for value in probabilities],
            "losses": [short(value) for value in losses],
            "target": [short(value) for value in target],
            "gradient": [short(value) for value in gradient],
            "sum": {"softmax": short(probabilities.sum()), "target": short(target.sum()), "gradient": _sum(gradient)},
            "point": {name: short(value) for name, value in point.items()},
            "points": [{name: short(value) for name, value in other.items()} for other in loss_points()],
            "loss": short(loss),
            "label": named(state["class"], [label]),
            "why": _why(state, point, losses, loss, target[label]),
        },
        "python": _python(state),
        "command": _command(state),
    }


def _sum(gradient):
    """The sum of a gradient, which is 0 but for rounding."""
    total = float(gradient.sum())
    return short(0.0 if abs(total) < 1e-12 else total)


def _why(state, point, losses, loss, target):
    """Sentences: how the losses come of the row's own numbers."""
    p, smoothing = short(point["p"]), state["smoothing"]
    said = [
        f"Cross-entropy is {MINUS_LOG_P[:-1]}{p} = {short(point['loss'])} nats; "
        f"the likelihood loss is 1 - {p} = {short(point['likelihood'])}."
    ]
    if math.isinf(point["loss"]):
        said.append("The right class has probability 0: its loss is infinite.")
    elif smoothing and math.isinf(loss):
        said.append("Smoothing asks some probability of a class that has none: the smoothed loss is infinite.")
    elif smoothing and len(losses) > 1:
        mean = float((losses / len(losses)).sum())  # which does not overflow
        said.append(
            f"Smoothed it is {1 - smoothing:.6g} · {short(point['loss'])} + {smoothing:.6g} · {short(mean)} = "
            f"{short(loss)}, where {short(mean)} is the mean of {MINUS_LOG_P} over the classes; "
            f"it is least at p = {short(target)}, not at 1."
        )
    return said


def _python(state):
    likelihood = "ll.binary_likelihood_loss(scores[label] - ll.logsumexp(np.delete(scores, label)), 1)"
    return scores_in_python(state) + (
        f"label = {state['label']}\n"
        "probabilities = ll.softmax(scores)\n"
        "losses, gradient = ll.cross_entropy_value_and_grad(\n"
        f"    scores[None], [label], label_smoothing={state['smoothing']!r}\n)\n"
        f"likelihood_loss = {likelihood if len(state['score']) > 1 else '0.0'}\n"
        'print("loss:", losses[0], "gradient:", gradient[0])\n'
    )


def _command(state):
    command = explain_command(state["score"], state["class"], label=state["label"])
    return f"{command}\n# without label smoothing, which no command has" if state["smoothing"] else command


LOSS = Endpoint("loss", "The loss of a label, its gradient by class, and both along p.", FIELDS, _answer)

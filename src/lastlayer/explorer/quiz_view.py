"""The quiz beside the views of a row of scores: predict, then see. Questions are of the page's own state."""

from typing import Any

import numpy as np

from lastlayer.explorer import labels_view, loss_view, quiz_of_labels, quiz_of_loss, quiz_of_scores, scores_view
from lastlayer.explorer.class_scores import class_fields, require_label, require_pairs
from lastlayer.explorer.endpoint import Endpoint
from lastlayer.explorer.examined import Examined
from lastlayer.explorer.fields import Choice, Field, Whole
from lastlayer.explorer.scores_view import MOST_CLASSES

_KINDS = {"scores": quiz_of_scores.KINDS, "labels": quiz_of_labels.KINDS, "loss": quiz_of_loss.KINDS}

FIELDS: dict[str, Field] = {
    "view": Choice(tuple(_KINDS)),
    "quiz": Whole(1, 1_000_000, default=1),
    **class_fields(MOST_CLASSES),
    "beta": scores_view.FIELDS["beta"],
    "threshold": labels_view.FIELDS["threshold"],
    "label": Whole(0, MOST_CLASSES - 1, default=0),
    "smoothing": loss_view.FIELDS["smoothing"],
}


def _answer(state: dict[str, Any], examined: Examined | None) -> dict[str, Any]:
    require_pairs(state)
    require_label(state)
    kinds, number = _KINDS[state["view"]], state["quiz"]
    rng = np.random.default_rng(number)
    # One kind after the other; where one has nothing to ask of this state, the next. Each view has one that always has.
    for turn in range(len(kinds)):
        with np.errstate(over="ignore"):
            question = kinds[(number - 1 + turn) % len(kinds)](state, rng)
        if question is not None:
            break
    else:
        raise AssertionError(state["view"])
    return {
        "asked": question.asked,
        "options": list(question.options),
        "right": question.right,
        "numbers": question.numbers,
        "why": question.why,
    }


QUIZ = Endpoint(
    "quiz", "A question about what the page shows, and its answer by the library's numbers.", FIELDS, _answer
)

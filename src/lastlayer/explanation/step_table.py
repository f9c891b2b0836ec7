"""An explanation as the table of the command line."""

import math
from typing import TYPE_CHECKING

import numpy as np

from lastlayer._plain_table import plain_table
from lastlayer._text import shown
from lastlayer.explanation.step_texts import power_of_ten, short

if TYPE_CHECKING:
    from lastlayer.explanation.explanation import Explanation

# The headings of the columns after the first, by step.
HEADINGS = {
    "score": "score",
    "beta_score": "beta*score",
    "exponential": "exp",
    "shifted_exponential": "shifted",
    "softmax": "softmax",
    "hardmax": "hardmax",
    "loss": "-log p",
}
LEGEND = (
    "exp      exp(beta*score); inf above 10^38.53 in float32, 10^308.25 in float64\n"
    "shifted  exp(beta*(score - max)), never above 1; softmax is this over its sum"
)


def columns() -> list[str]:
    """The headings."""
    return ["class", *HEADINGS.values()]


def rows_of(explanation: "Explanation") -> tuple[list[list[str]], list[list[str]]]:
    """The cells of each class, row by row, and of the sum and max rows."""
    texts = explanation.texts()
    steps = [texts["steps"][step] for step in HEADINGS]
    body = [list(row) for row in zip(explanation.classes, *steps, strict=True)]
    foot: list[list[str]] = [
        ["sum", *(texts["sum"].get(step, "") for step in HEADINGS)],
        ["max", *(texts["max"].get(step, "") for step in HEADINGS)],
    ]
    return body, foot


def notes_of(explanation: "Explanation") -> list[str]:
    """A sentence where the plain exponential overflows, and one with the loss of the label."""
    notes = []
    largest = float(explanation.exponential_log10.max())
    kinds = [dtype.__name__ for dtype in (np.float32, np.float64) if largest > math.log10(np.finfo(dtype).max)]
    if kinds:
        most = short(explanation.beta_score.max())
        notes.append(f"exp({most}) = {power_of_ten(largest)} is inf in {' and '.join(kinds)}")
    label = explanation.label
    if label is not None:
        probability, loss = short(explanation.softmax[label]), short(explanation.loss[label])
        notes.append(f"loss of {shown(explanation.classes[label])} = -log {probability} = {loss}")
    return notes


def explanation_as_text(explanation: "Explanation") -> str:
    """The table, its notes and its legend: what the command prints where nobody watches."""
    rows, foot = rows_of(explanation)
    return "\n".join([plain_table(columns(), rows, foot=foot), *notes_of(explanation), LEGEND])

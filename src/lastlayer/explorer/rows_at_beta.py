"""The rows of the explorer at one inverse temperature: probabilities, and how good they are."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lastlayer as ll
from lastlayer.decision import abstention_score
from lastlayer.explorer.examined import Examined
from lastlayer.metrics import Evaluation

NO_CLASS = -1


@dataclass(frozen=True, eq=False)
class RowsAtBeta:
    """What the rows are at one beta.

    Attributes:
      probabilities: (N, K).
      evaluation: of the rows whose label is a class; None where there are none.
    """

    probabilities: NDArray[Any]
    evaluation: Evaluation | None


# Two of each: those of the model's own beta, and those of the one that is being looked at.
@lru_cache(maxsize=2)
def rows_at_beta(examined: Examined, beta: float) -> RowsAtBeta:
    """softmax(beta * scores) of every row, and its evaluation; kept for the next question."""
    probabilities = ll.softmax(examined.logits, beta=beta)
    labels = examined.labels
    evaluation = None
    if labels is not None and (labels != NO_CLASS).any():
        evaluation = ll.evaluate(probabilities, labels, unknown_label=unknown_label(labels))
    return RowsAtBeta(probabilities, evaluation)


@lru_cache(maxsize=4)
def sureness(examined: Examined, beta: float, score: Any) -> NDArray[np.float64]:
    """(N,) the score by which `lastlayer.decision.Abstain` answers or not; kept for the next threshold."""
    return abstention_score(rows_at_beta(examined, beta).probabilities, score)


def unknown_label(labels: NDArray[np.int64]) -> int | None:
    """The label of rows of no class; None, which is quicker, where there are none."""
    return NO_CLASS if (labels == NO_CLASS).any() else None

"""How right are the rows that a model is surest of? Accuracy against the share of rows that are answered."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lastlayer.metrics.odds_cells import lowest_of, num_cells

# Rows whose confidences are within 0.1 % of each other in what is missing to 1 (below 1/2: in themselves) are equals.
BITS = 10
_POINTS = 200
_TARGETS = (0.95, 0.97, 0.99)
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Accuracy and coverage where only rows of at least some confidence, the largest probability, are answered.

    At most 200 thresholds, about evenly spaced in coverage, the highest first; the last one answers every row. Each is
    a threshold whose coverage and accuracy are exactly these on these rows. They are counted on the rows themselves: a
    threshold that promises an accuracy for other rows is chosen by `lastlayer.decision`. Source: Geifman & El-Yaniv
    2017, Selective classification for deep neural networks.

    Attributes:
      threshold: (P,) a row is answered if its confidence is at least this.
      coverage: (P,) share of the rows, weighted, that are answered; rising, the last one is 1.
      accuracy: (P,) share of those whose prediction is right; the risk is 1 less this.
      targets: (3,) accuracies: 0.95, 0.97, 0.99.
      target_coverage: (3,) the largest share of rows that any threshold answers with at least that accuracy; 0 if none
        does.
      target_threshold: (3,) the threshold; NaN if there is none.
      unknown_answered: (P,) share of the rows of no class that would be answered; None where there are none.
    """

    threshold: NDArray[np.float64]
    coverage: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    targets: NDArray[np.float64]
    target_coverage: NDArray[np.float64]
    target_threshold: NDArray[np.float64]
    unknown_answered: NDArray[np.float64] | None = None

    @classmethod
    def from_cells(cls, right: NDArray[Any], wrong: NDArray[Any], unknown: NDArray[Any]) -> Self:
        """From weights of rows by their confidence, in cells of BITS bits: right answers, wrong ones, and no class."""
        filled, answered, correct = _surest_first(right, wrong)
        cells, share = np.arange(num_cells(BITS))[::-1][filled], answered / answered[-1]
        points = np.unique(np.searchsorted(share, np.arange(1, _POINTS + 1) / _POINTS - _ROUNDING))
        targets = np.array(_TARGETS)
        reached = correct >= (1 - _ROUNDING) * targets[:, None] * answered
        last = len(share) - 1 - reached[:, ::-1].argmax(axis=1)
        possible = reached.any(axis=1)
        all_unknown = float(unknown.sum())
        return cls(
            threshold=lowest_of(cells[points], BITS),
            coverage=share[points],
            accuracy=correct[points] / answered[points],
            targets=targets,
            target_coverage=np.where(possible, share[last], 0.0),
            target_threshold=np.where(possible, lowest_of(cells[last], BITS), np.nan),
            unknown_answered=np.cumsum(unknown[::-1])[filled][points] / all_unknown if all_unknown else None,
        )


def _surest_first(right, wrong):
    """(cells that are not empty, by place from the surest; weight so far; weight of right answers so far)."""
    of_cell = (right + wrong)[::-1]
    filled = np.flatnonzero(of_cell)
    return filled, np.cumsum(of_cell[filled]), np.cumsum(right[::-1][filled])


def area_under_risk(weight: NDArray[Any], wrong: NDArray[Any]) -> NDArray[np.float64]:
    """AURC: the mean over rows of the share of wrong answers among the rows that are at least as sure.

    It is from 0 to 1, less is better, and depends on the accuracy and on how well confidence ranks. Source: Geifman &
    El-Yaniv 2017, with every row's confidence as a threshold. A wrong answer among the surest rows weighs more than one
    among the others; see Traub et al. 2024, Overcoming common flaws in the evaluation of selective classification
    systems.

    Args:
      weight: (..., P) weight of each group of equally sure rows, the surest first, some above 0 in each row.
      wrong: (..., P) weight of its wrong answers.
    Returns: (...)
    """
    answered, mistaken = np.cumsum(weight, axis=-1), np.cumsum(wrong, axis=-1)
    risk = np.divide(mistaken, answered, out=np.zeros_like(answered), where=answered > 0)
    return (weight * risk).sum(axis=-1) / answered[..., -1]

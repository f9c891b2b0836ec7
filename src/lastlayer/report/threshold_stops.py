"""What each threshold answers, and how often rightly: the numbers that a slider moves along."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lastlayer.metrics.confidence_cells import ConfidenceCells
    from lastlayer.metrics.evaluation import Evaluation
    from lastlayer.metrics.risk_coverage import RiskCoverage


@dataclass(frozen=True)
class ThresholdStops:
    """Counts at P thresholds, which rise from 0.

    Attributes:
      threshold: (P,) rows of at least this confidence are answered.
      answered: (P,) how many rows of a class are.
      right: (P,) how many of them rightly.
      unknown: (P,) how many rows that belong to no class are answered too.
      rows: rows of a class in all.
      unknown_rows: rows of none in all.
    """

    threshold: NDArray[np.float64]
    answered: NDArray[Any]
    right: NDArray[Any]
    unknown: NDArray[Any]
    rows: float
    unknown_rows: float = 0


def stops_of_cells(cells: "ConfidenceCells") -> ThresholdStops:
    """The stops at the lower edges of the cells."""
    right, wrong, unknown = (np.cumsum(part[::-1])[::-1] for part in (cells.right, cells.wrong, cells.unknown))
    answered = right + wrong
    threshold = np.arange(len(answered)) / len(answered)
    return ThresholdStops(threshold, answered, right, unknown, answered[0], unknown[0])


def stops_of_curve(evaluation: "Evaluation", curve: "RiskCoverage") -> ThresholdStops:
    """The stops at the thresholds of the risk-coverage curve of an evaluation."""
    rows = float(evaluation.per_class.support.sum())
    unknown_rows = evaluation.unknown_rows or 0
    shares = np.zeros(len(curve.coverage)) if curve.unknown_answered is None else curve.unknown_answered
    answered = curve.coverage * rows
    threshold, answered, right, unknown = (
        part[::-1] for part in (curve.threshold, answered, answered * curve.accuracy, shares * unknown_rows)
    )
    return ThresholdStops(threshold, answered, right, unknown, rows, unknown_rows)

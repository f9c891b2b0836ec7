"""What a report shows beyond an evaluation: confusions, the worst mistakes, and confidence before calibration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer.metrics.accumulator import EvaluationAccumulator
from lastlayer.metrics.confidence_cells import CellCounter, ConfidenceCells
from lastlayer.metrics.confusions import ConfusionCounter, Confusions
from lastlayer.metrics.evaluation import Evaluation
from lastlayer.metrics.mistakes import Mistake, MistakeList
from lastlayer.metrics.reliability import Reliability, bin_of


@dataclass(frozen=True, eq=False)
class EvaluationDetail:
    """Counts of an evaluation that grow with its classes, with the pairs it confuses, and not with its rows.

    Attributes:
      cells: rows by confidence.
      confusions: pairs of classes.
      mistakes: the most confident wrong answers.
      before: reliability of the confidence before calibration; None where there is no other.
    """

    cells: ConfidenceCells
    confusions: Confusions
    mistakes: tuple[Mistake, ...]
    before: Reliability | None = None


class DetailedAccumulator:
    """Takes blocks of rows as an EvaluationAccumulator does, in one pass, and gives the evaluation and its detail."""

    def __init__(self, classes: ArrayLike, **options: Any):
        """Take what an EvaluationAccumulator takes; `classes` must be given."""
        self._evaluation = EvaluationAccumulator(classes=classes, **options)
        self._cells, self._mistakes = CellCounter(), MistakeList()
        self._confusions = ConfusionCounter(len(np.asarray(classes)))
        self._begin = 0
        self._before: NDArray[np.float64] | None = None

    @property
    def rows(self) -> int:
        """How many rows of a weight above 0 have been added."""
        return self._evaluation.rows

    def add(
        self,
        probabilities: ArrayLike,
        labels: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        before: NDArray[np.floating[Any]] | None = None,
        describe: Callable[[int], Mapping[str, object]] | None = None,
    ) -> None:
        """Add a block of n rows.

        Args:
          probabilities: (n, K).
          labels: (n,).
          sample_weight: (n,) or None.
          before: (n,) confidence in the same predictions before calibration; given for every block or for none.
          describe: function of a row of the block to what else is known of it, called for the few rows that are kept.
        """
        seen_rows = self._evaluation.add_seen(probabilities, labels, sample_weight)
        known = seen_rows.labels >= 0
        unknown, wrong = ~known, known & ~seen_rows.right
        self._cells.add(seen_rows.confidence[known], seen_rows.weight[known], seen_rows.right[known])
        self._cells.add_unknown(seen_rows.confidence[unknown], seen_rows.weight[unknown])
        self._confusions.add(seen_rows.labels[wrong], seen_rows.chosen[wrong], seen_rows.weight[wrong])
        false = wrong | unknown
        self._mistakes.add(
            seen_rows.rows[false],
            seen_rows.confidence[false],
            seen_rows.chosen[false],
            seen_rows.labels[false],
            np.where(known, seen_rows.of_label, np.nan)[false],
            self._begin,
            describe,
        )
        if before is not None:
            places = seen_rows.rows[known]
            self._add_before(np.asarray(before, np.float64)[places], seen_rows.weight[known], seen_rows.right[known])
        self._begin += len(np.asarray(probabilities))

    def result(self) -> tuple[Evaluation, EvaluationDetail]:
        """Of every row added so far. Raises: as EvaluationAccumulator.result."""
        evaluation = self._evaluation.result()
        before = None
        if self._before is not None:
            rows, confidence, right = self._before
            before = Reliability.from_sums(rows.astype(evaluation.reliability.rows.dtype), confidence, right)
        detail = EvaluationDetail(self._cells.result(), self._confusions.result(), self._mistakes.result(), before)
        return evaluation, detail

    def _add_before(self, confidence, weight, right):
        if self._before is None:
            self._before = np.zeros((3, self._evaluation.bins))
        bins = self._evaluation.bins
        place = bin_of(confidence, bins)
        for sums, values in zip(self._before, (1.0, confidence, right), strict=True):
            sums += np.bincount(place, weights=weight * values, minlength=bins)

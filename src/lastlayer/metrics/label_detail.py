"""What a report of many labels a row shows beyond an evaluation: any threshold's answers, and the worst mistakes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._indicator import as_indicator
from lastlayer.functions import sigmoid
from lastlayer.metrics.label_accumulator import LabelEvaluationAccumulator
from lastlayer.metrics.label_evaluation import LabelEvaluation
from lastlayer.metrics.mistakes import MOST, Mistake, MistakeList
from lastlayer.metrics.reliability import Reliability

CELLS = 200
# Labels that are counted each for itself, for the macro F1 of any threshold: 32 MB.
_MOST_LABELS = 10_000


@dataclass(frozen=True, eq=False)
class LabelDetail:
    """Counts of rows and labels together by probability; cell m of M holds m/M < p <= (m+1)/M, and the first one 0 too.

    Attributes:
      present: (M,) pairs of a row and a label that it has, or the sum of their weights.
      absent: (M,) pairs of a row and a label that it has not.
      macro_f1: (M,) mean F1 of the labels where those above m/M are predicted, of the labels that rows have or that are
        predicted; None of more than 10,000 labels.
      weight: the weight of all rows.
      mistakes: the most confident wrong answers.
      before: reliability of the probabilities before calibration; None where there are no others.
    """

    present: NDArray[Any]
    absent: NDArray[Any]
    macro_f1: NDArray[np.float64] | None
    weight: float
    mistakes: tuple[Mistake, ...]
    before: Reliability | None = None


class DetailedLabelAccumulator:
    """Takes blocks of rows as a LabelEvaluationAccumulator does, and gives the evaluation and its detail."""

    def __init__(self, classes: ArrayLike, *, bins: int = 15, **options: Any):
        """Take what a LabelEvaluationAccumulator takes; `classes` must be given."""
        self._evaluation = LabelEvaluationAccumulator(classes=classes, bins=bins, **options)
        self._num_labels, self._bins = len(np.asarray(classes)), bins
        self._each = self._num_labels if self._num_labels <= _MOST_LABELS else 1
        # Absent and present, by label and cell.
        self._counts = np.zeros((2, self._each, CELLS))
        self._weight, self._begin, self._mistakes = 0.0, 0, MistakeList()
        self._before: NDArray[np.float64] | None = None

    @property
    def rows(self) -> int:
        """How many rows of a weight above 0 have been added."""
        return self._evaluation.rows

    def add_logits(
        self,
        logits: NDArray[Any],
        answers: Any,
        sample_weight: NDArray[Any] | None = None,
        *,
        before: NDArray[Any] | None = None,
        describe: Callable[[int], Mapping[str, object]] | None = None,
    ) -> None:
        """Add a block of n rows.

        Args:
          logits: (n, K) scores that probabilities are the sigmoid of.
          answers: (n, K) indicator, dense or sparse.
          sample_weight: (n,) or None.
          before: (n, K) scores before calibration; given for every block or for none.
          describe: function of a row of the block to what else is known of it, called for the few rows that are kept.
        """
        self._evaluation.add_logits(logits, answers, sample_weight)
        truth = as_indicator(answers, "answers").toarray()
        weight = np.ones(len(truth)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        rows = np.flatnonzero(weight)
        truth, weight = truth[rows], weight[rows]
        p = sigmoid(np.asarray(logits)[rows].astype(np.float64))
        self._weight += float(weight.sum())
        labels = np.arange(p.shape[1]) if self._each > 1 else np.zeros(p.shape[1], np.int64)
        place = cell_of(p, CELLS) + CELLS * labels + self._counts[0].size * truth
        each = np.repeat(weight, p.shape[1])
        self._counts += np.bincount(place.ravel(), weights=each, minlength=self._counts.size).reshape(
            self._counts.shape
        )
        self._add_mistakes(rows, p, truth, describe)
        if before is not None:
            self._add_before(sigmoid(np.asarray(before)[rows].astype(np.float64)), truth, each)
        self._begin += len(np.asarray(logits))

    def result(self) -> tuple[LabelEvaluation, LabelDetail]:
        """Of every row added so far. Raises: as LabelEvaluationAccumulator.result."""
        evaluation = self._evaluation.result()
        kind = evaluation.reliability.rows.dtype
        absent, present = self._counts.sum(axis=1).astype(kind)
        before = None
        if self._before is not None:
            before = Reliability.from_sums(self._before[0].astype(kind), self._before[1], self._before[2])
        macro = _macro_f1(*self._counts) if self._num_labels <= _MOST_LABELS else None
        return evaluation, LabelDetail(present, absent, macro, self._weight, self._mistakes.result(), before)

    def _add_mistakes(self, rows, p, truth, describe):
        wrong = np.where(truth, 1 - p, p).ravel()
        few = np.flatnonzero(wrong > 0.5)
        if len(few) > MOST:
            few = np.sort(few[np.argpartition(-wrong[few], MOST - 1)[:MOST]])
        row, label = np.divmod(few, p.shape[1])
        has_it = truth[row, label].astype(np.int64)
        self._mistakes.add(rows[row], wrong[few], label, has_it, p[row, label], self._begin, describe)

    def _add_before(self, p, truth, each):
        if self._before is None:
            self._before = np.zeros((3, self._bins))
        place = cell_of(p, self._bins).ravel()
        for sums, values in zip(self._before, (1.0, p.ravel(), truth.ravel()), strict=True):
            sums += np.bincount(place, weights=each * values, minlength=self._bins)


def cell_of(p: NDArray[np.float64], cells: int) -> NDArray[np.int64]:
    """The cell m of M, m/M < p <= (m+1)/M, of each probability."""
    place = np.clip(np.ceil(p * cells).astype(np.int64) - 1, 0, cells - 1)
    place -= (place > 0) & (p <= place / cells)  # the product may have been rounded across an edge
    place += (place < cells - 1) & (p > (place + 1) / cells)
    return place


def _macro_f1(absent, present):
    """(M,) of (K, M) counts."""
    right, false = (np.cumsum(part[:, ::-1], axis=1)[:, ::-1] for part in (present, absent))
    both = right + false + right[:, :1]
    f1 = np.divide(2 * right, both, out=np.zeros_like(both), where=both > 0)
    known = (both > 0).sum(axis=0)
    return np.divide(f1.sum(axis=0), known, out=np.full(known.shape, np.nan), where=known > 0)

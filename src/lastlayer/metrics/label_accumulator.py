"""The evaluation of many labels a row, gathered block by block: counts a label, in memory that the rows do not grow."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer, Number, as_float_array, as_sample_weight, positive_integer
from lastlayer._indicator import as_indicator
from lastlayer._threads import run_blocks
from lastlayer.decision.checked_threshold import as_threshold
from lastlayer.functions import log_sigmoid, sigmoid
from lastlayer.kernels.label_ranking import rank_labels
from lastlayer.kernels.odds_cells import add_columns_by_odds
from lastlayer.metrics.average_precision import average_precision, average_precisions, bits_for
from lastlayer.metrics.class_index import ClassIndex
from lastlayer.metrics.intervals import ENOUGH, as_confidence, quantiles, resample_seeds, resampled
from lastlayer.metrics.label_evaluation import LabelEvaluation
from lastlayer.metrics.odds_cells import num_cells
from lastlayer.metrics.per_class import PerClass
from lastlayer.metrics.reliability import Reliability, bin_of

# Probabilities that are looked at together, about, and that are worth a dispatch to another thread.
_BLOCK, _DISPATCH = 1 << 20, 1 << 17
# What two accumulators add up.
_SUMS = "_rows", "_weight", "_exact", "_log_loss", "_squared_error", "_ranking", "_bins", "_counts", "_by_odds"


def evaluate_labels(
    probabilities: ArrayLike,
    answers: Any,
    *,
    classes: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    threshold: Number | ArrayLike = 0.5,
    bins: Integer = 15,
    intervals: Number | None = None,
    random_state: Integer | np.random.Generator | None = 0,
) -> LabelEvaluation:
    """How good probabilities of many labels a row are: F1, average precision, ranking, log-loss in nats, calibration.

    Memory beyond the arguments is O(N + K): probabilities are counted by label in cells, and those of a cell are equals
    to the average precision. A cell holds p, or 1 - p above 1/2, within 0.1 % of each other for up to 38 labels, within
    3 % for 1,000 and a factor of 2 for more than 20,000. Ranks within a row are exact.

    Args:
      probabilities: (N, K) float from 0 to 1, each for itself.
      answers: (N, K) indicator of 0 and 1, dense or sparse: the labels that a row has.
      classes: (K,) names of the labels; None for 0..K-1.
      sample_weight: (N,) weights >= 0 of the rows; a row of weight 0 is as good as absent.
      threshold: above which a label is predicted, from 0 to 1: one for all labels, or (K,) one for each.
      bins: equal-width bins of probability for the calibration error.
      intervals: with which confidence, such as 0.95, intervals are to hold exact match, micro F1 and log-loss; None for
        none. They take 1,000 resamples of the rows.
      random_state: what the resamples are drawn by: a seed, a numpy Generator, or None for a seed of the system's.
    Returns: a `LabelEvaluation`, which defines each figure.
    Raises: ValueError for another shape, a probability outside 0 to 1, naming the row, or no rows.
    >>> result = evaluate_labels([[0.9, 0.2], [0.6, 0.7]], [[1, 0], [0, 1]])
    >>> result.exact_match, round(result.micro_f1, 4), round(result.log_loss, 4)
    (0.5, 0.8, 0.4004)
    """
    accumulator = LabelEvaluationAccumulator(
        classes=classes, threshold=threshold, bins=bins, intervals=intervals, random_state=random_state
    )
    accumulator.add(probabilities, answers, sample_weight)
    return accumulator.result()


class LabelEvaluationAccumulator:
    """Takes blocks of rows in any number and size, and gives the evaluation of them all.

    Between calls it holds O(K + bins) numbers, about 64 MB at most for up to 20,000 labels, and with `intervals` six
    for each row. A call that raises has added nothing.
    """

    def __init__(
        self,
        *,
        classes: ArrayLike | None = None,
        threshold: Number | ArrayLike = 0.5,
        bins: Integer = 15,
        intervals: Number | None = None,
        random_state: Integer | np.random.Generator | None = 0,
    ):
        """Take what `evaluate_labels` takes; the number of labels is that of `classes`, else of the first block."""
        self._classes = None if classes is None else ClassIndex(classes).classes
        self._threshold = as_threshold(threshold)
        self._rows, self._weight, self._is_weighted = 0, 0.0, False
        self._exact = self._log_loss = self._squared_error = 0.0
        self._confidence, self._random_state = as_confidence(intervals), random_state
        self._resampled: list[NDArray[np.float64]] = []
        self._ranking = np.zeros(3)
        self._bins = np.zeros((3, positive_integer(bins, "bins")))
        self._counts = None
        if self._classes is not None:
            self._expect(len(self._classes))

    @property
    def rows(self) -> int:
        """How many rows of a weight above 0 have been added."""
        return self._rows

    def add(self, probabilities: ArrayLike, answers: Any, sample_weight: ArrayLike | None = None) -> None:
        """Add (n, K) probabilities, their (n, K) answers and (n,) weights."""
        self._add(as_float_array(probabilities, "probabilities"), answers, sample_weight, _losses_of_probabilities)

    def add_logits(self, logits: ArrayLike, answers: Any, sample_weight: ArrayLike | None = None) -> None:
        """Add the (n, K) scores that probabilities are the sigmoid of: losses are finite however sure they are."""
        given = as_float_array(logits, "logits").astype(np.float64, copy=False)
        self._add(sigmoid(given), answers, sample_weight, _losses_of_logits(given))

    def _add(self, given, answers, sample_weight, losses_of):
        if given.ndim != 2 or given.shape[1] == 0:
            raise ValueError(f"probabilities: shape is {given.shape}, expected (N, K), one column for each label.")
        num_rows, num_labels = given.shape
        if self._counts is not None and self._counts.shape[1] != num_labels:
            raise ValueError(
                f"probabilities: {num_labels} columns, expected {self._counts.shape[1]}, one for each label."
            )
        truth = as_indicator(answers, "answers").tocsr()
        if truth.shape != given.shape:
            raise ValueError(f"answers: shape is {truth.shape}, expected {given.shape} like the probabilities.")
        weight = as_sample_weight(sample_weight, num_rows, some_rows=True)
        outside = ~((given >= 0) & (given <= 1))
        if weight is not None:
            outside[weight == 0] = False
        if outside.any():
            row, k = map(int, np.argwhere(outside)[0])
            raise ValueError(
                f"probabilities: row {row} has {given[row, k]:.6g} for label {k}, expected numbers from 0 to 1; pass "
                "sigmoid(logits) if these are logits."
            )
        if self._counts is None:
            self._expect(num_labels)
        self._is_weighted |= weight is not None
        weight = np.ones(num_rows) if weight is None else weight
        step = max(1, _BLOCK // num_labels)
        for start in range(0, num_rows, step):
            rows = np.flatnonzero(weight[start : start + step]) + start
            p, truth_here = given[rows].astype(np.float64), truth[rows].toarray()
            self._tally(p, truth_here, weight[rows], losses_of(p, truth_here, rows))

    def merge(self, other: "LabelEvaluationAccumulator") -> None:
        """Add the rows of another accumulator, made with the same arguments, after those of this one.

        Raises: ValueError if it was made for other classes, thresholds, bins or intervals.
        """
        ours, theirs = self._made_for(), other._made_for()
        for name, value in ours.items():
            if value != theirs[name]:
                raise ValueError(
                    f"other: is made for {name} {theirs[name]!r}, expected {value!r}, as this one; make both alike."
                )
        if other._counts is None:
            return
        if self._counts is None:
            self._expect(other._counts.shape[1])
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self._resampled += other._resampled
        self._is_weighted |= other._is_weighted

    def _made_for(self):
        return {
            "classes": None if self._classes is None else self._classes.tolist(),
            "threshold": np.asarray(self._threshold).tolist(),
            "bins": self._bins.shape[1],
            "intervals": self._confidence,
        }

    def _expect(self, num_labels):
        if np.shape(self._threshold) not in ((), (num_labels,)):
            raise ValueError(
                f"threshold: shape is {np.shape(self._threshold)}, expected one number, or ({num_labels},), one for "
                "each label."
            )
        self._counts, self._bits = np.zeros((3, num_labels)), bits_for(num_labels)
        self._by_odds = np.zeros((num_labels, 2, num_cells(self._bits)))

    def _tally(self, p, truth, weight, losses):
        predicted = p > self._threshold
        exact = (predicted == truth).all(axis=1)
        self._rows += len(weight)
        self._weight += float(weight.sum())
        self._exact += float(weight[exact].sum())
        self._rank(p, truth, weight)
        if self._confidence is not None:
            of_rows = (exact, (predicted & truth).sum(axis=1), predicted.sum(axis=1), truth.sum(axis=1))
            self._resampled.append(weight * np.stack([np.ones(len(weight)), *of_rows, losses.mean(axis=1)]))
        self._counts += np.stack([weight @ (predicted & truth), weight @ predicted, weight @ truth])
        self._log_loss += float((weight @ losses).sum())
        self._squared_error += float((weight @ np.square(p - truth)).sum())
        place, each, bins = bin_of(p.ravel(), self._bins.shape[1]), np.repeat(weight, p.shape[1]), self._bins.shape[1]
        for sums, values in zip(self._bins, (each, each * p.ravel(), each * truth.ravel()), strict=True):
            sums += np.bincount(place, weights=values, minlength=bins)

    def _rank(self, p, truth, weight):
        num_rows, num_labels = p.shape
        found, bits, cells = np.empty((3, num_rows)), self._bits, self._by_odds

        def count(first, last):
            add_columns_by_odds(p, truth, weight, first, last, bits, cells)

        def rank(start, stop):
            rows, own, counts = slice(start, stop), np.empty(num_labels), np.empty((2, num_labels + 1), np.int64)
            rank_labels(p[rows], truth[rows], own, counts, found[0, rows], found[1, rows], found[2, rows])

        # Over ranges of labels, so that no two threads add to one sum.
        run_blocks(count, num_labels, items_per_block=max(1, _DISPATCH // max(1, num_rows)))
        run_blocks(rank, num_rows, items_per_block=max(1, _DISPATCH // num_labels))
        self._ranking += found @ weight

    def _intervals(self):
        """Of exact match, micro F1 and log-loss."""
        if self._confidence is None:
            return None, None, None
        columns = np.concatenate(self._resampled, axis=1)
        infinite = np.isinf(columns[5])
        columns[5, infinite] = 0.0
        seeds = resample_seeds(np.random.default_rng(self._random_state))
        sums = resampled(columns, np.array([0, columns.shape[1]]), seeds)[:, 0]
        total, exact, right, predicted, support, losses = sums.T
        for row in np.flatnonzero(infinite)[:ENOUGH]:
            losses[resampled(columns[:1], np.array([row, row + 1]), seeds)[:, 0, 0] > 0] = np.inf
        with np.errstate(invalid="ignore", divide="ignore"):  # few rows may all be left out: NaN
            figures = exact / total, 2 * right / (predicted + support), losses / total
        return tuple(quantiles(values, self._confidence) for values in figures)

    def result(self) -> LabelEvaluation:
        """The `LabelEvaluation` of every row added so far. Raises ValueError if there is none, or if all weigh 0."""
        if not self._rows or self._counts is None:
            raise ValueError("probabilities: no rows of a weight above 0, expected at least one row to evaluate.")
        kind = np.float64 if self._is_weighted else np.int64
        right, predicted, support = self._counts
        precisions = average_precisions(self._by_odds)
        per_label = PerClass.from_counts(right, predicted, support.astype(kind), average_precision=precisions)
        reliability = Reliability.from_sums(self._bins[0].astype(kind), self._bins[1], self._bins[2])
        every = PerClass.from_counts(*(counts.sum(keepdims=True) for counts in self._counts))
        entries = self._weight * len(support)
        known = per_label.f1[~np.isnan(per_label.f1)]
        ranking, coverage, ranking_precision = (self._ranking / self._weight).tolist()
        exact_match, micro_f1, log_loss = self._intervals()
        return LabelEvaluation(
            rows=self._rows,
            num_labels=len(support),
            threshold=self._threshold,
            labels_per_row=float(support.sum()) / self._weight,
            predicted_per_row=float(predicted.sum()) / self._weight,
            exact_match=self._exact / self._weight,
            micro_precision=float(every.precision[0]),
            micro_recall=float(every.recall[0]),
            micro_f1=float(every.f1[0]),
            macro_f1=float(known.mean()) if known.size else float("nan"),
            log_loss=self._log_loss / entries,
            brier=self._squared_error / entries,
            ece=reliability.expected_calibration_error,
            per_label=per_label,
            reliability=reliability,
            classes=self._classes,
            micro_average_precision=float(average_precision(self._by_odds.sum(axis=0))),
            macro_average_precision=float(np.nanmean(precisions)) if support.any() else math.nan,
            ranking_loss=ranking,
            coverage_error=coverage,
            label_ranking_average_precision=ranking_precision,
            interval_confidence=self._confidence,
            exact_match_interval=exact_match,
            micro_f1_interval=micro_f1,
            log_loss_interval=log_loss,
        )


def _losses_of_probabilities(p, truth, rows):
    with np.errstate(divide="ignore"):
        return -np.where(truth, np.log(p), np.log1p(-p))


def _losses_of_logits(logits):
    return lambda p, truth, rows: -log_sigmoid(np.where(truth, logits[rows], -logits[rows]))

"""An evaluation gathered block by block, in memory that grows with the classes and not with the rows."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer, Number, as_float_array, as_sample_weight, positive_integer
from lastlayer._blocks import dense_blocks, without_read_only_flag
from lastlayer._threads import run_blocks
from lastlayer.kernels.classwise import add_classwise_gaps
from lastlayer.kernels.odds_cells import add_by_odds
from lastlayer.metrics.class_index import ClassIndex
from lastlayer.metrics.evaluated_rows import evaluated_rows
from lastlayer.metrics.evaluation import Evaluation
from lastlayer.metrics.intervals import as_confidence, bootstrap_intervals
from lastlayer.metrics.odds_cells import area_under_roc, num_cells
from lastlayer.metrics.per_class import PerClass
from lastlayer.metrics.reliability import Reliability, bin_of
from lastlayer.metrics.risk_coverage import BITS, RiskCoverage, area_under_risk
from lastlayer.metrics.row_labels import label_indices
from lastlayer.metrics.seen_rows import SeenRows
from lastlayer.metrics.smooth_calibration import CELLS, add_differences, smooth_calibration_error
from lastlayer.metrics.unknown_label import check_unknown_label, rows_of_no_class

# Weights within which neither a sum over all rows nor a product with a loss leaves float64.
_SMALLEST_WEIGHT, _LARGEST_WEIGHT = 1e-150, 1e150
# Probabilities worth a dispatch to another thread.
_DISPATCH = 1 << 17


def evaluate(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    top_k: Integer = 5,
    bins: Integer = 15,
    classwise: bool = False,
    intervals: Number | None = None,
    random_state: Integer | np.random.Generator | None = 0,
    unknown_label: object = None,
) -> Evaluation:
    """How good probabilities are, by one label a row: accuracy, log-loss in nats, calibration, risk against coverage.

    Probabilities are taken as they are, neither clipped nor divided by their sum. Memory beyond the arguments is
    O(N + K), and K times `bins` more with `classwise`; a file larger than memory goes through `EvaluationAccumulator`
    in blocks.

    Args:
      probabilities: (N, K) float, K >= 1, every row a distribution: entries from 0 to 1 that sum to 1 within 1e-3. Two
        classes are two columns.
      labels: (N,) integers 0..K-1, or members of `classes` where that is given.
      classes: (K,) distinct names, integers or booleans, the meaning of the columns; None for 0..K-1.
      sample_weight: (N,) weights >= 0 of the rows, by which every mean, share and count is weighted; None weighs all
        alike. A row of weight 0 is as good as absent: neither its probabilities nor its label are read.
      top_k: how many classes the top-k accuracy counts; K where there are fewer.
      bins: how many equal-width bins of confidence the expected calibration error uses.
      classwise: whether to work out the calibration error of the probability of each class too, which takes another
        pass.
      intervals: with which confidence, such as 0.95, intervals are to hold the accuracy, the log-loss, the calibration
        error and the area under the risk-coverage curve; None for no intervals. They take 1,000 resamples.
      random_state: what the resamples are drawn by: a seed, a numpy Generator, or None for a seed of the system's.
      unknown_label: the label of rows that belong to no class, such as "out_of_scope", or -1 where classes are just
        numbers. They are left out of every figure but `unknown_rows`, `unknown_auroc` and
        `risk_coverage.unknown_answered`. None where every label must be a class.
    Returns: an `Evaluation`, which defines each figure.
    Raises: ValueError if a row is no distribution or a label no class, naming the first such row, if there are no
      rows or all weigh 0; TypeError for arrays of the wrong kind.
    >>> result = evaluate([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], [0, 1])
    >>> result.accuracy, round(result.log_loss, 6), round(result.brier, 6)
    (0.5, 0.780324, 0.5)
    >>> evaluate([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], [0, 1], sample_weight=[3, 1]).accuracy
    0.75
    >>> evaluate([[0.9, 0.1], [0.6, 0.4]], ["cat", "emu"], classes=["cat", "dog"], unknown_label="emu").unknown_auroc
    1.0
    """
    accumulator = EvaluationAccumulator(
        classes=classes,
        top_k=top_k,
        bins=bins,
        classwise=classwise,
        intervals=intervals,
        random_state=random_state,
        unknown_label=unknown_label,
    )
    accumulator.add(probabilities, labels, sample_weight)
    return accumulator.result()


# What rows add to.
_SUMS = (
    *("_bin_weight", "_bin_right", "_bin_confidence", "_cells", "_by_odds", "_unknown_rows", "_rows", "_weight"),
    *("_right", "_right_in_top_k", "_log_loss", "_squared_error", "_support", "_predicted", "_right_of_class"),
)


class EvaluationAccumulator:
    """Takes blocks of rows in any number and size, and gives the evaluation of them all.

    Between calls it holds O(K + bins) numbers and 3 MB, with `classwise` K times bins, and with `intervals` four for
    each row. A call that raises has added nothing. Rows that are added without weights weigh 1.

    >>> accumulator = EvaluationAccumulator(classes=["cat", "dog"])
    >>> accumulator.add([[0.9, 0.1], [0.4, 0.6]], ["cat", "cat"])
    >>> accumulator.add([[0.2, 0.8]], ["dog"])
    >>> accumulator.result().rows
    3
    """

    def __init__(
        self,
        *,
        classes: ArrayLike | None = None,
        top_k: Integer = 5,
        bins: Integer = 15,
        classwise: bool = False,
        intervals: Number | None = None,
        random_state: Integer | np.random.Generator | None = 0,
        unknown_label: object = None,
    ):
        """Take what `evaluate` takes; the number of classes is that of `classes`, else of the first block."""
        self._top_k = positive_integer(top_k, "top_k")
        self._index = None if classes is None else ClassIndex(classes)
        # Sums of weights, each 1 unless given: in float64, which counts exactly to 2^53.
        self._bin_weight, self._bin_right, self._bin_confidence = np.zeros((3, positive_integer(bins, "bins")))
        self._classwise, self._gaps = classwise, None
        self._confidence, self._random_state = as_confidence(intervals), random_state
        self._resampled: list[tuple[NDArray[Any], ...]] = []
        self._cells = np.zeros(CELLS)
        # Right answers, wrong ones and, where there can be any, rows of no class, by confidence.
        self._by_odds = np.zeros((2 if unknown_label is None else 3, num_cells(BITS)))
        self._unknown_label, self._unknown_rows = unknown_label, 0
        self._rows, self._is_weighted = 0, False
        self._weight = self._right = self._right_in_top_k = self._log_loss = self._squared_error = 0.0
        self._num_classes = None
        if self._index is not None:
            if unknown_label is not None:
                check_unknown_label(unknown_label, self._index)
            self._expect(len(self._index.classes))

    @property
    def rows(self) -> int:
        """How many rows of a weight above 0 have been added, those of the unknown label aside."""
        return self._rows

    @property
    def bins(self) -> int:
        """How many bins of confidence the calibration error uses."""
        return len(self._bin_weight)

    def add(self, probabilities: ArrayLike, labels: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add (n, K) probabilities, their (n,) labels and weights; errors count rows from the start of this block."""
        self.add_seen(probabilities, labels, sample_weight)

    def add_seen(self, probabilities: ArrayLike, labels: ArrayLike, sample_weight: ArrayLike | None = None) -> SeenRows:
        """Add as `add` does, and return what was seen of each row that weighs."""
        # An array is converted block by block; anything else must become an array first.
        if not isinstance(probabilities, np.ndarray):
            probabilities = as_float_array(probabilities, "probabilities")
        if probabilities.ndim != 2 or probabilities.shape[1] == 0:
            raise ValueError(
                f"probabilities: shape is {probabilities.shape}, expected (N, K), one column for each class."
            )
        num_rows, num_classes = probabilities.shape
        if self._num_classes not in (None, num_classes):
            raise ValueError(f"probabilities: {num_classes} columns, expected {self._num_classes}, one for each class.")
        weight = _as_weight(sample_weight, num_rows)
        unknown = self._rows_of_no_class(labels, num_rows, num_classes, weight)
        present = slice(None)
        if len(unknown) or (weight is not None and not weight.all()):
            present = np.setdiff1d(np.arange(num_rows) if weight is None else np.flatnonzero(weight), unknown)
        labels = label_indices(labels, self._index, num_classes, num_rows, present, "probabilities")
        if len(unknown):
            labels[unknown] = 0  # any class: only the confidence is looked at
        of_rows: tuple[Any, ...] = evaluated_rows(probabilities, labels)
        self._expect(num_classes)
        self._is_weighted |= weight is not None
        weight = np.ones(num_rows) if weight is None else weight
        self._tally(weight[present], labels[present], *(array[present] for array in of_rows))
        if len(unknown):
            self._unknown_rows += len(unknown)
            confidence = of_rows[1][unknown]
            add_by_odds(confidence, np.full(len(unknown), 2, np.uint8), weight[unknown], BITS, self._by_odds)
        if self._classwise:
            of_classes = weight.copy()
            of_classes[unknown] = 0.0
            self._add_classwise(probabilities, labels, of_classes)
        seen = np.arange(num_rows)[present]
        if len(unknown):
            labels[unknown] = -1
            seen = np.sort(np.concatenate([seen, unknown]))
        chosen, confidence, of_label, above_label, _ = (array[seen] for array in of_rows)
        return SeenRows(seen, weight[seen], labels[seen], chosen, confidence, of_label, above_label == 0)

    def merge(self, other: "EvaluationAccumulator") -> None:
        """Add the rows of another accumulator, made with the same arguments, after those of this one.

        Raises: ValueError if it was made for other classes, bins or figures.
        """
        ours, theirs = self._made_for(), other._made_for()
        for name, value in ours.items():
            if value != theirs[name]:
                raise ValueError(
                    f"other: is made for {name} {theirs[name]!r}, expected {value!r}, as this one; make both alike."
                )
        if other._num_classes is None:
            return
        self._expect(other._num_classes)
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other._gaps is not None:
            self._gaps = other._gaps.copy() if self._gaps is None else self._gaps + other._gaps
        self._resampled += other._resampled
        self._is_weighted |= other._is_weighted

    def _made_for(self):
        return {
            "classes": None if self._index is None else self._index.classes.tolist(),
            "top_k": self._top_k,
            "bins": self.bins,
            "classwise": self._classwise,
            "intervals": self._confidence,
            "unknown_label": self._unknown_label,
        }

    def result(self) -> Evaluation:
        """The `Evaluation` of every row added so far. Raises ValueError if there is none, or if all weigh 0."""
        if not self._rows and self._unknown_rows:
            raise ValueError(
                f"labels: all {self._unknown_rows:,} are {self._unknown_label!r}, the unknown label, expected at least "
                "one of a class."
            )
        if not self._rows and self._is_weighted:
            raise ValueError("sample_weight: every weight is zero, expected at least one above it.")
        if not self._rows:
            raise ValueError("probabilities: no rows, expected at least one row to evaluate.")
        kind = np.float64 if self._is_weighted else np.int64
        errors = None if self._gaps is None else np.abs(self._gaps).sum(axis=1) / self._weight
        per_class = PerClass.from_counts(self._right_of_class, self._predicted, self._support.astype(kind), errors)
        reliability = Reliability.from_sums(self._bin_weight.astype(kind), self._bin_confidence, self._bin_right)
        right, wrong, *others = self._by_odds
        unknown = others[0] if others else np.zeros_like(right)
        curve = RiskCoverage.from_cells(right, wrong, unknown)
        filled = np.flatnonzero(right + wrong)[::-1]
        aurc = float(area_under_risk((right + wrong)[filled], wrong[filled]))
        for array in (*vars(per_class).values(), *vars(reliability).values(), *vars(curve).values()):
            if array is not None:
                array.setflags(write=False)
        intervals = None
        if self._confidence is not None:
            confidence, weight, loss, is_right = (np.concatenate(part) for part in zip(*self._resampled, strict=True))
            bins = len(self._bin_weight)
            intervals = bootstrap_intervals(
                confidence, weight, loss, is_right, bins, aurc, self._confidence, self._random_state
            )
        return Evaluation(
            rows=self._rows,
            num_classes=len(self._support),
            accuracy=self._right / self._weight,
            top_k=min(self._top_k, len(self._support)),
            top_k_accuracy=self._right_in_top_k / self._weight,
            log_loss=self._log_loss / self._weight,
            brier=self._squared_error / self._weight,
            ece=reliability.expected_calibration_error,
            mean_confidence=float(self._bin_confidence.sum()) / self._weight,
            balanced_accuracy=float(np.nanmean(per_class.recall)),
            macro_f1=float(np.nanmean(per_class.f1)),
            weighted_f1=float(np.average(np.nan_to_num(per_class.f1), weights=per_class.support)),
            per_class=per_class,
            reliability=reliability,
            classes=None if self._index is None else self._index.classes,
            smooth_ece=smooth_calibration_error(self._cells, self._weight),
            classwise_ece=math.nan if errors is None else float(errors.mean()),
            interval_confidence=self._confidence,
            log_loss_interval=None if intervals is None else intervals.log_loss,
            ece_interval=None if intervals is None else intervals.ece,
            accuracy_interval=None if intervals is None else intervals.accuracy,
            aurc_interval=None if intervals is None else intervals.aurc,
            aurc=aurc,
            risk_coverage=curve,
            unknown_rows=None if self._unknown_label is None else self._unknown_rows,
            unknown_auroc=area_under_roc(unknown, right + wrong),
        )

    def _expect(self, num_classes):
        if self._num_classes is None:
            self._num_classes = num_classes
            self._support, self._predicted, self._right_of_class = np.zeros((3, num_classes))

    def _rows_of_no_class(self, labels, num_rows, num_classes, weight):
        """Indices of the rows that have the unknown label and a weight above 0."""
        if self._unknown_label is None:
            return np.empty(0, np.int64)
        if self._index is None:
            check_unknown_label(self._unknown_label, num_classes)
        return rows_of_no_class(labels, self._unknown_label, num_rows, weight)

    def _tally(self, weight, labels, chosen, confidence, of_label, above_label, squared_error):
        right = above_label == 0
        self._rows += len(labels)
        self._weight += float(weight.sum())
        self._right += float(weight[right].sum())
        self._right_in_top_k += float(weight[above_label < self._top_k].sum())
        with np.errstate(divide="ignore"):
            losses = -np.log(of_label)
        self._log_loss += float((weight * losses).sum())
        self._squared_error += float((weight * squared_error).sum())
        # np.add.at costs O(n) where np.bincount costs O(n + K), which matters for small blocks of many classes.
        np.add.at(self._support, labels, weight)
        np.add.at(self._predicted, chosen, weight)
        np.add.at(self._right_of_class, labels[right], weight[right])
        bins = len(self._bin_weight)
        place = bin_of(confidence, bins)
        self._bin_weight += np.bincount(place, weights=weight, minlength=bins)
        self._bin_right += np.bincount(place[right], weights=weight[right], minlength=bins)
        self._bin_confidence += np.bincount(place, weights=weight * confidence, minlength=bins)
        add_differences(self._cells, confidence, weight * (right - confidence))
        add_by_odds(confidence, (~right).view(np.uint8), weight, BITS, self._by_odds)
        if self._confidence is not None:
            self._resampled.append((confidence, weight, losses, right))

    def _add_classwise(self, probabilities, labels, weight):
        num_rows, num_classes = probabilities.shape
        if self._gaps is None:
            self._gaps = np.zeros((num_classes, len(self._bin_weight)))
        gaps, labels = self._gaps, without_read_only_flag(labels)
        for part, block in dense_blocks(probabilities, 0, num_rows, "probabilities"):
            # Over ranges of classes, so that no two threads add to one sum.
            run_blocks(
                lambda first, last, part=part, block=block: add_classwise_gaps(
                    block, labels[part], weight[part], first, last, gaps
                ),
                num_classes,
                items_per_block=max(1, _DISPATCH // max(1, len(block))),
            )


def _as_weight(sample_weight, num_rows):
    """`sample_weight` as `as_sample_weight` has it, of a size whose sums and products stay within float64."""
    weight = as_sample_weight(sample_weight, num_rows, some_rows=True)
    if weight is not None:
        extreme = (weight != 0) & ((weight < _SMALLEST_WEIGHT) | (weight > _LARGEST_WEIGHT))
        if extreme.any():
            row = int(extreme.argmax())
            raise ValueError(
                f"sample_weight: row {row} is {weight[row]}, expected 0 or a number from {_SMALLEST_WEIGHT} to "
                f"{_LARGEST_WEIGHT}; multiply all weights by one number, which changes no mean."
            )
    return weight

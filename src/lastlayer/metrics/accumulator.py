"""An evaluation gathered block by block, in memory that grows with the classes and not with the rows."""

import numpy as np

from lastlayer._arrays import as_float_array, as_labels
from lastlayer._blocks import dense_blocks, without_read_only_flag
from lastlayer._threads import run_blocks
from lastlayer.kernels.evaluation import evaluate_rows
from lastlayer.metrics.class_index import ClassIndex
from lastlayer.metrics.evaluation import Evaluation
from lastlayer.metrics.per_class import PerClass
from lastlayer.metrics.reliability import Reliability, bin_of

# Wide enough for float16 rows, which sum to 1 within about 5e-4; far too narrow for logits.
_TOLERANCE = 1e-3
# Probabilities worth a dispatch to another thread.
_DISPATCH = 1 << 17


def evaluate(probabilities, labels, *, classes=None, top_k=5, bins=15):
    """How good probabilities are, judged by one label a row: accuracy, log-loss in nats, Brier score, calibration.

    Probabilities are taken as they are, neither clipped nor divided by their sum. Memory beyond the arguments is
    O(N + K); a file larger than memory goes through `EvaluationAccumulator` in blocks.

    Args:
      probabilities: (N, K) float, K >= 1, every row a distribution: entries from 0 to 1 that sum to 1 within 1e-3. Two
        classes are two columns.
      labels: (N,) integers 0..K-1, or members of `classes` where that is given.
      classes: (K,) distinct names, integers or booleans, the meaning of the columns; None for 0..K-1.
      top_k: how many classes the top-k accuracy looks at; K where there are fewer.
      bins: how many equal-width bins of confidence the expected calibration error uses.
    Returns: an `Evaluation`, which defines each figure.
    Raises: ValueError if a row is no distribution or a label no class, naming the first such row, or if there are no
      rows; TypeError for arrays of the wrong kind.
    >>> result = evaluate([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], [0, 1])
    >>> result.accuracy, round(result.log_loss, 6), round(result.brier, 6)
    (0.5, 0.780324, 0.5)
    """
    accumulator = EvaluationAccumulator(classes=classes, top_k=top_k, bins=bins)
    accumulator.add(probabilities, labels)
    return accumulator.result()


class EvaluationAccumulator:
    """Takes blocks of rows in any number and size, and gives the evaluation of them all.

    Between calls it holds O(K + bins) numbers. A call that raises has added nothing.

    >>> accumulator = EvaluationAccumulator(classes=["cat", "dog"])
    >>> accumulator.add([[0.9, 0.1], [0.4, 0.6]], ["cat", "cat"])
    >>> accumulator.add([[0.2, 0.8]], ["dog"])
    >>> accumulator.result().rows
    3
    """

    def __init__(self, *, classes=None, top_k=5, bins=15):
        """Take what `evaluate` takes; the number of classes is that of `classes`, else of the first block."""
        self._top_k = _positive_integer(top_k, "top_k")
        self._index = None if classes is None else ClassIndex(classes)
        self._bin_rows = np.zeros(_positive_integer(bins, "bins"), np.int64)
        self._bin_right = np.zeros_like(self._bin_rows)
        self._bin_confidence = np.zeros(len(self._bin_rows))
        self._rows = self._right = self._right_in_top_k = 0
        self._log_loss = self._squared_error = 0.0
        self._num_classes = None
        if self._index is not None:
            self._expect(len(self._index.classes))

    def add(self, probabilities, labels):
        """Add (n, K) probabilities and their (n,) labels; errors count rows from the start of this block."""
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
        labels = self._indices(labels, num_rows, num_classes)
        judged = _judge(probabilities, labels)
        self._expect(num_classes)
        self._tally(labels, *judged)

    def result(self):
        """The `Evaluation` of every row added so far. Raises ValueError if there is none."""
        if not self._rows:
            raise ValueError("probabilities: no rows, expected at least one row to evaluate.")
        per_class = PerClass.from_counts(self._right_of_class, self._predicted, self._support.copy())
        reliability = Reliability.from_sums(self._bin_rows.copy(), self._bin_confidence, self._bin_right)
        for array in (*vars(per_class).values(), *vars(reliability).values()):
            array.setflags(write=False)
        return Evaluation(
            rows=self._rows,
            num_classes=len(self._support),
            accuracy=self._right / self._rows,
            top_k=min(self._top_k, len(self._support)),
            top_k_accuracy=self._right_in_top_k / self._rows,
            log_loss=self._log_loss / self._rows,
            brier=self._squared_error / self._rows,
            ece=reliability.expected_calibration_error,
            mean_confidence=float(self._bin_confidence.sum()) / self._rows,
            balanced_accuracy=float(np.nanmean(per_class.recall)),
            macro_f1=float(np.nanmean(per_class.f1)),
            weighted_f1=float(np.average(np.nan_to_num(per_class.f1), weights=per_class.support)),
            per_class=per_class,
            reliability=reliability,
            classes=None if self._index is None else self._index.classes,
        )

    def _expect(self, num_classes):
        if self._num_classes is None:
            self._num_classes = num_classes
            self._support = np.zeros(num_classes, np.int64)
            self._predicted = np.zeros(num_classes, np.int64)
            self._right_of_class = np.zeros(num_classes, np.int64)

    def _indices(self, labels, num_rows, num_classes):
        if self._index is None:
            return as_labels(labels, num_classes, (num_rows,), scores="probabilities")
        indices = self._index.find(labels)
        if len(indices) != num_rows:
            raise ValueError(f"labels: {len(indices)} of them, expected {num_rows}, one for each row of probabilities.")
        return indices

    def _tally(self, labels, chosen, confidence, of_label, above_label, squared_error):
        right = above_label == 0
        self._rows += len(labels)
        self._right += int(right.sum())
        self._right_in_top_k += int((above_label < self._top_k).sum())
        with np.errstate(divide="ignore"):
            self._log_loss -= float(np.log(of_label).sum())
        self._squared_error += float(squared_error.sum())
        # np.add.at costs O(n) where np.bincount costs O(n + K), which matters for small blocks of many classes.
        np.add.at(self._support, labels, 1)
        np.add.at(self._predicted, chosen, 1)
        np.add.at(self._right_of_class, labels[right], 1)
        bins = len(self._bin_rows)
        place = bin_of(confidence, bins)
        self._bin_rows += np.bincount(place, minlength=bins)
        self._bin_right += np.bincount(place[right], minlength=bins)
        self._bin_confidence += np.bincount(place, weights=confidence, minlength=bins)


def _judge(probabilities, labels):
    """What `evaluate_rows` writes, for all rows."""
    labels = without_read_only_flag(labels)
    num_rows, num_classes = probabilities.shape
    judged = tuple(np.empty(num_rows, kind) for kind in (np.int64, np.float64, np.float64, np.int64, np.float64))

    def work(start, stop):
        for part, block in dense_blocks(probabilities, start, stop, "probabilities"):
            bad = evaluate_rows(block, labels[part], _TOLERANCE, *(array[part] for array in judged))
            if bad >= 0:
                return part.start + bad
        return None

    for bad_row in run_blocks(work, num_rows, items_per_block=max(1, _DISPATCH // num_classes)):
        if bad_row is not None:
            raise ValueError(_what_is_wrong(bad_row, probabilities))
    return judged


def _what_is_wrong(row, probabilities):
    values = np.asarray(probabilities[row], np.float64)
    remedy = "pass softmax(logits) if these are logits."
    outside = ~((values >= 0) & (values <= 1 + _TOLERANCE))
    if outside.any():
        k = int(outside.argmax())
        return f"probabilities: row {row} has {values[k]:.6g} for class {k}, expected numbers from 0 to 1; {remedy}"
    return f"probabilities: row {row} sums to {values.sum():.6g}, expected 1 within {_TOLERANCE}; {remedy}"


def _positive_integer(value, name):
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: received {value!r}, expected a whole number of at least 1.")
    if value < 1:
        raise ValueError(f"{name}: received {value}, expected a whole number of at least 1.")
    return int(value)

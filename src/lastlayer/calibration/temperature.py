"""Temperature scaling: the one number by which all logits are multiplied so that confidence becomes accuracy."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer, as_float_array, as_labels, as_sample_weight
from lastlayer._blocks import dense_blocks, without_read_only_flag
from lastlayer._threads import run_blocks
from lastlayer.kernels.temperature import temperature_rows

# Where uniform probabilities are best: beta times the typical standard deviation of the logits within a row.
_ALL_BUT_UNIFORM = 1e-3
# Newton's step is quadratic: one of this relative size leaves an error of about its square.
_SMALL_STEP = 1e-7
# One step goes no further than this factor; after so many passes every other step halves the bracket instead, so that
# the search ends whatever the data.
_FARTHEST, _PATIENCE = 32.0, 24
# Logits worth a dispatch to another thread.
_DISPATCH = 1 << 15


class TemperatureWarning(UserWarning):
    """No inverse temperature is the best one; the message says why, and what was returned instead."""


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """The inverse temperature beta > 0 for which softmax(beta * logits) has the least mean -ln p(label).

    Fit it on rows that the model was not trained on. The loss is convex in beta; its derivatives are exact, in
    float64 whatever the dtype of the logits, and the optimum is found to 1e-12 relative in 3 to 10 passes over the
    logits. No array of their size is formed. Multiplying all logits by s divides the result by s: beta = 1 means
    that the logits are calibrated as they are, and 1 / beta is the temperature T of the literature.

    Three kinds of data have no best beta, and a warning says so. Where every label is its row's largest logit the loss
    falls for ever as beta grows; the result is the beta at which it has fallen to 1 / (N + 1) nats, since N right
    answers do not tell an error rate much below 1 / N. Where the labels score on average no higher than the mean of
    their row, nothing beats uniform probabilities; the result is all but uniform, 1e-3 over the root mean square of
    the rows' standard deviations. Where the logits of every row are all equal, the result is 1.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.

    Args:
      logits: (N, K) scores, K >= 2; -inf marks a class as impossible. Scores s of a binary model, whose probability is
        sigmoid(s), are the two columns (0, s).
      labels: (N,) integers 0..K-1.
      sample_weight: (N,) weights >= 0 of the rows; None weighs all alike. A row of weight 0 is not read.
    Returns: beta, a float.

    Raises:
      ValueError: if there are no rows or fewer than two classes, or if a row holds NaN or +inf or nothing but -inf or
        its label is impossible or out of range; it names the first such row.
      TypeError: if the logits are no real numbers or the labels no integers.

    Warns:
      TemperatureWarning: if there is no best beta.

    >>> import numpy as np
    >>> logits = np.array([[0.0, 2.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0]])
    >>> beta = fit_temperature(logits, [1, 1, 1, 0])  # right 3 times in 4: sigmoid(2 beta) = 3/4
    >>> round(beta, 12), round(np.log(3).item() / 2, 12)
    (0.549306144334, 0.549306144334)
    """
    rows = _Rows(logits, labels, sample_weight)
    rows.sweep(0.0)
    rows.check()
    if rows.curvature == 0:
        _warn("the logits of every row are all equal, so every beta gives the same loss; beta is 1.")
        return 1.0
    if rows.slope >= 0:
        beta = _ALL_BUT_UNIFORM / math.sqrt(rows.curvature)
        _warn(
            "labels score on average no higher than the mean of their row, so uniform probabilities are best; beta is "
            f"{beta:.6g}, all but uniform; check that labels and columns of logits are in the same order."
        )
        return beta
    first = -rows.slope / rows.curvature
    if rows.shortfall > 0:
        # The slope rises from a negative to a positive value: there is one root.
        return _search(rows, first, _towards_the_optimum)
    beta = _search(rows, first, _towards_the_remainder)
    _warn(
        "every label is its row's largest logit, so the loss falls for ever as beta grows; beta is "
        f"{beta:.6g}, where it is 1 / (rows + 1) nats; calibrate on more rows, or keep beta = 1."
    )
    return beta


def _towards_the_optimum(rows: "_Rows", beta: float) -> tuple[bool, float]:
    """(is beta at or above the optimum, logarithm of the factor to it by Newton's step).

    The slope is shortfall - pull(beta), pull = -E_p[d] falling towards 0. A step in ln(beta) on ln(pull / shortfall)
    follows both its straight beginning and its exponential tail, where steps on the slope itself are short.
    """
    pull = rows.shortfall - rows.slope
    if pull <= 0 or rows.curvature <= 0:  # softmax has saturated
        return True, -math.inf
    return rows.slope >= 0, math.log(pull / rows.shortfall) * pull / (beta * rows.curvature)


def _towards_the_remainder(rows: "_Rows", beta: float) -> tuple[bool, float]:
    """The same for the beta at which the loss is 1 / (N + 1), where every label is its row's largest logit."""
    remainder = 1 / (rows.count + 1)
    if rows.loss <= 0 or rows.slope >= 0:  # softmax has saturated
        return True, -math.inf
    return rows.loss <= remainder, math.log(remainder / rows.loss) * rows.loss / (beta * rows.slope)


def _search(rows: "_Rows", beta: float, newton_step: Callable[["_Rows", float], tuple[bool, float]]) -> float:
    """The root that `newton_step` approaches: steps in ln(beta), inside a bracket that only shrinks."""
    below, above = 0.0, math.inf
    farthest = math.log(_FARTHEST)
    passes = 0
    while True:
        passes += 1
        rows.sweep(beta)
        too_large, exponent = newton_step(rows, beta)
        if too_large:
            above = beta
        else:
            below = beta
        following = beta * math.exp(min(max(exponent, -farthest), farthest))
        if abs(following - beta) <= _SMALL_STEP * beta:
            return following
        if not below < following < above or (passes > _PATIENCE and passes % 2):
            following = math.sqrt(max(below, beta / _FARTHEST) * min(above, beta * _FARTHEST))
        beta = following


class _Rows:
    """The rows to calibrate on, and the weighted means over them at the last beta that was swept.

    `loss` is the mean of -ln p(label), `slope` and `curvature` its derivatives with respect to beta, `shortfall` the
    mean of how far the label's logit lies below the largest, `count` the number of rows whose weight is not 0.
    """

    def __init__(self, logits: ArrayLike, labels: ArrayLike, sample_weight: ArrayLike | None):
        # An array is converted block by block; anything else must become an array first.
        self._logits = logits if isinstance(logits, np.ndarray) else as_float_array(logits, "logits")
        if self._logits.ndim != 2:
            raise ValueError(f"logits: shape is {self._logits.shape}, expected (N, K), a row of scores for each label.")
        num_rows, num_classes = self._logits.shape
        if num_classes < 2:
            raise ValueError(
                f"logits: shape is {self._logits.shape}, expected at least 2 columns; binary scores s are the two "
                "columns (0, s)."
            )
        if num_rows == 0:
            raise ValueError("logits: no rows, expected at least one row to calibrate on.")
        self._labels = without_read_only_flag(as_labels(labels, num_classes, (num_rows,)))
        weight = as_sample_weight(sample_weight, num_rows)
        self._kept = np.arange(num_rows) if weight is None else np.flatnonzero(weight)
        self._weight = None if weight is None else weight[self._kept]
        self._of_rows = tuple(np.empty(num_rows) for _ in range(4))
        self.count = len(self._kept)
        self.loss = self.slope = self.curvature = self.shortfall = math.nan

    def sweep(self, beta: float) -> None:
        """Work out the means at `beta` >= 0, in one pass over the logits."""
        run_blocks(
            lambda start, stop: self._sweep_range(beta, start, stop),
            len(self._labels),
            items_per_block=max(1, _DISPATCH // self._logits.shape[1]),
        )
        self.loss, self.slope, self.curvature, self.shortfall = (
            float(np.average(values[self._kept], weights=self._weight)) for values in self._of_rows
        )

    def check(self) -> None:
        """Raise ValueError, naming the first row, unless every row had a finite loss and derivatives."""
        fine = np.isfinite(sum(self._of_rows))[self._kept]
        if not fine.all():
            row = int(self._kept[fine.argmin()])
            raise ValueError(_what_is_wrong(row, self._logits[row], self._labels[row]))

    def _sweep_range(self, beta: float, start: int, stop: int) -> None:
        for part, block in dense_blocks(self._logits, start, stop, "logits"):
            temperature_rows(block, self._labels[part], beta, *(values[part] for values in self._of_rows))


def _what_is_wrong(row: int, logits: NDArray[Any], label: Integer) -> str:
    bad = np.isnan(logits) | (logits == np.inf)
    if bad.any():
        k = int(bad.argmax())
        return f"logits: row {row} has {logits[k]} for class {k}, expected a finite number, or -inf where impossible."
    if logits.max() == -np.inf:
        return f"logits: row {row} is all -inf, expected at least one possible class; drop the row."
    if logits[label] == -np.inf:
        return f"labels: row {row} is class {label}, whose logit is -inf, expected a possible class; drop the row."
    return f"logits: row {row} spans more than float64 can square, expected less than 1e154; divide logits by a number."


def _warn(reason: str) -> None:
    warnings.warn(f"fit_temperature: {reason}", TemperatureWarning, stacklevel=3)

"""Temperature scaling: the one number by which all logits are multiplied so that confidence becomes accuracy."""

import math
import warnings

import numpy as np

from lastlayer._arrays import as_float_array, as_labels, as_sample_weight
from lastlayer._threads import run_blocks
from lastlayer.kernels.temperature import temperature_rows

# Bounds of beta times the typical standard deviation of the logits within a row. At the lower one every row is all
# but uniform, at the upper one all but one-hot.
_LOWEST, _HIGHEST = 1e-3, 1e3
# Newton's step is quadratic: one of this relative size leaves an error of about its square.
_SMALL_STEP = 1e-7
# Passes after which every other step halves the bracket, so that the search ends whatever the data.
_PATIENCE = 16
# Logits that a kernel call takes, which is what a float16 or strided block is copied to, and logits worth a dispatch.
_BLOCK, _DISPATCH = 1 << 17, 1 << 15


class TemperatureWarning(UserWarning):
    """fit_temperature found no interior optimum and stopped at a bound of its search; the message says why."""


def fit_temperature(logits, labels, *, sample_weight=None):
    """The inverse temperature beta > 0 for which softmax(beta * logits) has the least mean -ln p(label).

    Fit it on rows that the model has not been trained on. The loss is convex in beta; its derivatives are exact, in
    float64 whatever the dtype of the logits, and the optimum is found to about 1e-12 relative in 4 to 10 passes over
    the logits. No array of their size is formed. A common scale s of all logits divides the result by s, so beta = 1
    means that the logits are calibrated as they are, and 1 / beta is the temperature T of the literature.

    There is no optimum if every label is its row's largest logit (the loss falls for ever as beta grows), or if the
    labels score no higher than their row's mean (uniform probabilities are best). Then, and if the optimum lies beyond
    them, the search stops at a bound, 1e3 or 1e-3 over the root mean square of the rows' standard deviations, and
    warns.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.

    Args:
      logits: (N, K) scores, K >= 2; -inf marks a class as impossible. Scores s of a binary model, whose probability is
        sigmoid(s), are the two columns (0, s).
      labels: (N,) integers 0..K-1.
      sample_weight: (N,) weights >= 0 of the rows; None weighs all alike. A row of weight 0 is not looked at.
    Returns: beta, a float.

    Raises:
      ValueError: if there are no rows or fewer than two classes, or if a row holds NaN or +inf or nothing but -inf or
        its label is impossible or out of range; it names the first such row.
      TypeError: if the logits are no real numbers or the labels no integers.

    Warns:
      TemperatureWarning: if the search stopped at a bound, or the logits within each row are all equal (beta is 1).

    >>> import numpy as np
    >>> logits = np.array([[0.0, 2.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0]])
    >>> beta = fit_temperature(logits, [1, 1, 1, 0])  # right 3 times in 4: sigmoid(2 beta) = 3/4
    >>> round(beta, 12), round(np.log(3).item() / 2, 12)
    (0.549306144334, 0.549306144334)
    """
    loss = _MeanLoss(logits, labels, sample_weight)
    slope, curvature = loss.derivatives(0.0)
    loss.check()
    if curvature == 0:
        _warn("the logits within each row are all equal, so every beta gives the same loss; beta is 1.")
        return 1.0
    unit = 1 / math.sqrt(curvature)
    lowest, highest = _LOWEST * unit, _HIGHEST * unit
    if slope >= 0:
        _warn(
            "labels score on average no higher than the mean of their row, so no beta > 0 beats uniform probabilities; "
            f"beta stopped at {lowest:.6g}; check that labels and columns of logits are in the same order."
        )
        return lowest
    if loss.shortfall == 0:
        _warn(
            f"every label is its row's largest logit, so the loss falls for ever as beta grows; beta stopped at "
            f"{highest:.6g}; calibrate on more rows, or keep beta = 1."
        )
        return highest
    beta = min(max(-slope / curvature, lowest), highest)
    beta, inside = _safeguarded_newton(loss, beta, lowest, highest)
    if not inside:
        extent = "almost without exception" if beta == highest else "hardly at all"
        _warn(f"labels follow the logits {extent}; beta stopped at {beta:.6g}, beyond which the least loss lies.")
    return beta


def _safeguarded_newton(loss, beta, lowest, highest):
    """(root of the slope, True), from a first guess; (lowest or highest, False) if the root lies beyond."""
    below, above = 0.0, math.inf  # the slope is negative at the one, positive at the other
    passes = 0
    while True:
        passes += 1
        slope, curvature = loss.derivatives(beta)
        if slope < 0:
            below = beta
        else:
            above = beta
        if below == highest or above == lowest:
            return beta, False
        following = min(max(_newton_step(beta, slope, curvature, loss.shortfall), lowest), highest)
        if abs(following - beta) <= _SMALL_STEP * beta:
            return following, True
        if not below < following < above or (passes > _PATIENCE and passes % 2):
            following = math.sqrt(max(below, lowest) * min(above, highest))
        beta = following


def _newton_step(beta, slope, curvature, shortfall):
    """Where the slope would vanish if its varying part were a power of beta; positive and at most 20 times away.

    The slope is shortfall - pull(beta), pull = -E_p[d] falling towards 0. Steps in ln(beta) on ln(pull / shortfall)
    follow both its straight beginning and its exponential tail, where steps on the slope itself creep.
    """
    pull = shortfall - slope
    if pull <= 0 or curvature <= 0:  # softmax has saturated: beta is far too large
        return beta / 20
    exponent = pull * math.log1p(max(-slope / shortfall, -0.999)) / (beta * curvature)
    return beta * math.exp(min(max(exponent, -3.0), 3.0))


class _MeanLoss:
    """The weighted mean over rows of -ln p(label), as a function of beta."""

    def __init__(self, logits, labels, sample_weight):
        # An array is converted block by block; anything else must become an array first.
        self._logits = logits if isinstance(logits, np.ndarray) else as_float_array(logits, "logits")
        if self._logits.ndim != 2:
            raise ValueError(f"logits: shape is {self._logits.shape}, expected (N, K), a row of scores for each label.")
        num_rows, num_classes = self._logits.shape
        if num_classes < 2:
            raise ValueError(
                f"logits: {num_classes} classes, expected at least 2; binary scores s are the two columns (0, s)."
            )
        if num_rows == 0:
            raise ValueError("logits: no rows, expected at least one row to calibrate on.")
        self._labels = as_labels(labels, num_classes, (num_rows,))
        weight = as_sample_weight(sample_weight, num_rows)
        self._kept = slice(None) if weight is None else np.flatnonzero(weight)
        self._weight = None if weight is None else weight[self._kept]
        self._slope, self._curvature, self._shortfall = (np.empty(num_rows) for _ in range(3))
        self.shortfall = math.nan

    def derivatives(self, beta):
        """First and second derivative with respect to beta, and as a by-product the mean shortfall of the labels."""
        run_blocks(
            lambda start, stop: self._sweep(beta, start, stop),
            len(self._labels),
            items_per_block=max(1, _DISPATCH // self._logits.shape[1]),
        )
        self.shortfall = self._mean(self._shortfall)
        return self._mean(self._slope), self._mean(self._curvature)

    def check(self):
        """Raise ValueError, naming the first row, unless the loss of every row is finite; after a first sweep."""
        fine = np.isfinite(self._slope + self._curvature)[self._kept]
        if not fine.all():
            row = int(np.arange(len(self._labels))[self._kept][fine.argmin()])
            raise ValueError(_what_is_wrong(row, self._logits[row], self._labels[row]))

    def _sweep(self, beta, start, stop):
        rows_per_block = max(1, _BLOCK // self._logits.shape[1])
        for first in range(start, stop, rows_per_block):
            part = slice(first, min(first + rows_per_block, stop))
            block = np.ascontiguousarray(as_float_array(self._logits[part], "logits"))
            temperature_rows(
                block, self._labels[part], beta, self._slope[part], self._curvature[part], self._shortfall[part]
            )

    def _mean(self, values):
        return float(np.average(values[self._kept], weights=self._weight))


def _what_is_wrong(row, logits, label):
    bad = np.isnan(logits) | (logits == np.inf)
    if bad.any():
        k = int(bad.argmax())
        return f"logits: row {row} has {logits[k]} for class {k}, expected a finite number, or -inf where impossible."
    if logits.max() == -np.inf:
        return f"logits: row {row} is all -inf, expected at least one possible class; drop the row."
    if logits[label] == -np.inf:
        return f"labels: row {row} is class {label}, whose logit is -inf, expected a possible class; drop the row."
    return f"logits: row {row} spans more than float64 can square, expected less than 1e154; divide logits by a number."


def _warn(reason):
    warnings.warn(f"fit_temperature: {reason}", TemperatureWarning, stacklevel=3)

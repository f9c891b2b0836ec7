"""Temperature scaling: the one number by which all logits are multiplied so that confidence becomes accuracy."""

import math
import warnings
from collections.abc import Callable

from numpy.typing import ArrayLike

from lastlayer.calibration.rows import CalibrationRows

# Where uniform probabilities are best: beta times the typical standard deviation of the logits within a row.
_ALL_BUT_UNIFORM = 1e-3
# Newton's step is quadratic: one of this relative size leaves an error of about its square.
_SMALL_STEP = 1e-6
# One step goes no further than this factor; after so many passes every other step halves the bracket instead, so that
# the search ends whatever the data.
_FARTHEST, _PATIENCE = 32.0, 24
# Of more logits than these, a share of the rows says where to begin: so many rows, at least.
_LARGE, _SHARE, _FEWEST = 1 << 22, 32, 1 << 14
# A correction of this relative size leaves an error of a millionth, and so a loss that is right to 1e-12.
_CLOSE = 1e-2


class TemperatureWarning(UserWarning):
    """No inverse temperature is the best one, or rows are too few to tell; the message says why, and what it is now."""


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """The inverse temperature beta > 0 for which softmax(beta * logits) has the least mean -ln p(label).

    Fit it on rows that the model was not trained on. The loss is convex in beta; its derivatives are exact, in
    float64 whatever the dtype of the logits, and the optimum is found to 1e-11 relative in 3 to 10 passes over the
    logits. Of millions of logits it is found to about 1e-6, at which the loss is the least one to 1e-11, in one pass,
    after several over a share of the rows. No array of their size is formed. Multiplying all logits by s divides the
    result by s: beta = 1 means that the logits are calibrated as they are, and 1 / beta is the temperature T of the
    literature.

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
    beta, reason = solve_temperature(CalibrationRows(logits, labels, sample_weight))
    if reason is not None:
        warnings.warn(f"fit_temperature: {reason}", TemperatureWarning, stacklevel=2)
    return beta


def solve_temperature(rows: CalibrationRows) -> tuple[float, str | None]:
    """The best beta of these rows, and None; or another beta, and why there is no best one. See `fit_temperature`."""
    beta, is_close = _from_a_share(rows)
    if beta is not None:
        return beta if is_close else _search(rows, beta, _towards_the_optimum), None
    rows.sweep(0.0)
    rows.check()
    if rows.curvature == 0:
        return 1.0, "the logits of every row are all equal, so every beta gives the same loss; beta is 1."
    if rows.slope >= 0:
        beta = _ALL_BUT_UNIFORM / math.sqrt(rows.curvature)
        return beta, (
            "labels score on average no higher than the mean of their row, so uniform probabilities are best; beta is "
            f"{beta:.6g}, all but uniform; check that labels and columns of logits are in the same order."
        )
    first = -rows.slope / rows.curvature
    if rows.shortfall > 0:
        # The slope rises from a negative to a positive value: there is one root.
        return _search(rows, first, _towards_the_optimum), None
    beta = _search(rows, first, _towards_the_remainder)
    return beta, (
        "every label is its row's largest logit, so the loss falls for ever as beta grows; beta is "
        f"{beta:.6g}, where it is 1 / (rows + 1) nats; calibrate on more rows, or keep beta = 1."
    )


def _from_a_share(rows: CalibrationRows) -> tuple[float | None, bool]:
    """A beta near the optimum of many rows, from one pass over them all and several over a share; whether it is close.

    The share alone errs by some thousandths. What the slope and the curvature of all rows differ by from its own, at
    its optimum, corrects that: what is left is the square of the correction times the share's error in the third
    derivative. None for few rows, or where the share has no optimum or its correction is large.
    """
    num_rows, num_classes = rows.shape
    if num_rows * num_classes < _LARGE or num_rows < 2 * _FEWEST:
        return None, False
    share = rows.every(min(_SHARE, num_rows // _FEWEST))
    if share.count == 0:
        return None, False
    share.sweep(0.0)
    if not (share.curvature > 0 and share.slope < 0 and 0 < share.shortfall < math.inf):
        return None, False
    beta = first = _search(share, -share.slope / share.curvature, _towards_the_optimum, small_step=_CLOSE)
    rows.sweep(beta)
    rows.check()
    share.sweep(beta)
    slope, curvature = rows.slope - share.slope, rows.curvature - share.curvature
    for _ in range(2):
        beta -= (share.slope + slope + curvature * (beta - first)) / (share.curvature + curvature)
        if not first / 2 < beta < 2 * first:
            return None, False
        share.sweep(beta)
    beta -= (share.slope + slope + curvature * (beta - first)) / (share.curvature + curvature)
    return beta, abs(beta - first) <= _CLOSE * first


def _towards_the_optimum(rows: CalibrationRows, beta: float) -> tuple[bool, float]:
    """(is beta at or above the optimum, logarithm of the factor to it by Newton's step).

    The slope is shortfall - pull(beta), pull = -E_p[d] falling towards 0. A step in ln(beta) on ln(pull / shortfall)
    follows both its straight beginning and its exponential tail, where steps on the slope itself are short.
    """
    pull = rows.shortfall - rows.slope
    if pull <= 0 or rows.curvature <= 0:  # softmax has saturated
        return True, -math.inf
    return rows.slope >= 0, math.log(pull / rows.shortfall) * pull / (beta * rows.curvature)


def _towards_the_remainder(rows: CalibrationRows, beta: float) -> tuple[bool, float]:
    """The same for the beta at which the loss is 1 / (N + 1), where every label is its row's largest logit."""
    remainder = 1 / (rows.count + 1)
    if rows.loss <= 0 or rows.slope >= 0:  # softmax has saturated
        return True, -math.inf
    return rows.loss <= remainder, math.log(remainder / rows.loss) * rows.loss / (beta * rows.slope)


def _search(
    rows: CalibrationRows,
    beta: float,
    newton_step: Callable[[CalibrationRows, float], tuple[bool, float]],
    *,
    small_step: float = _SMALL_STEP,
) -> float:
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
        if abs(following - beta) <= small_step * beta:
            return following
        if not below < following < above or (passes > _PATIENCE and passes % 2):
            following = math.sqrt(max(below, beta / _FARTHEST) * min(above, beta * _FARTHEST))
        beta = following

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
# How near the share's optimum is found, from that of a share of its own; what is left, some square of it, is corrected
# with the rest, in so many steps.
_CLOSE, _SHARE_OF_SHARE, _CORRECTIONS = 3e-2, 16, 2
# What beta may cost above the least loss, in nats, and how many passes over all rows may be made before a search.
_FINE, _ATTEMPTS = 5e-10, 2
# The third derivative of a share is right to within this part and twice what its curvature is wrong by; one that is
# wrong by more than an eighth says nothing.
_UNLIKE, _MOST_UNLIKE = 1 / 16, 1 / 8
# Of more logits than these a search in float32 pays, though the one in float64 after it takes a pass; to this step.
_SKIMMED, _NEAR = 1 << 15, 1e-4


class TemperatureWarning(UserWarning):
    """No inverse temperature is the best one, or rows are too few to tell; the message says why, and what it is now."""


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """The inverse temperature beta > 0 for which softmax(beta * logits) has the least mean -ln p(label).

    Fit it on rows that the model was not trained on. The loss is convex in beta. The optimum is found to 1e-11 relative
    in 3 to 10 passes over the logits, the last of which is in float64 whatever their dtype. Of millions of logits it is
    found to about 1e-6, at which the loss is the least one to 1e-11, in one pass after several over a share of the
    rows; where a bound on what that leaves, float32 roundings in it, is not below 1e-9 nats, in more passes. No array
    of their size is formed. Multiplying all logits by s divides the result by s: beta = 1 means that the logits are
    calibrated as they are, and 1 / beta is the temperature T of the literature.

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
        if rows.single and rows.shape[0] * rows.shape[1] >= _SKIMMED:
            first = _search(rows, first, _towards_the_optimum, skim=True, small_step=_NEAR)
        return _search(rows, first, _towards_the_optimum), None
    beta = _search(rows, first, _towards_the_remainder)
    return beta, (
        "every label is its row's largest logit, so the loss falls for ever as beta grows; beta is "
        f"{beta:.6g}, where it is 1 / (rows + 1) nats; calibrate on more rows, or keep beta = 1."
    )


def too_few_rows(num_rows: int, num_classes: int, beta: float) -> str | None:
    """Why these are too few rows to trust their best beta, or None."""
    if num_rows >= num_classes:
        return None
    return (
        f"{num_rows} rows, fewer than the {num_classes} classes, so that some classes were never the label; beta is "
        f"{beta:.6g}, from so few rows; calibrate on more."
    )


def _from_a_share(rows: CalibrationRows) -> tuple[float | None, bool]:
    """A beta near the optimum of many rows, from a pass or two over them all and several over a share; is it close?

    With s the share's slope, beta' its optimum, and e and f what slope and curvature of all rows differ by from the
    share's there, the root of s(beta) + e + f (beta - beta') errs by the third derivative's difference alone. Newton's
    step on the slope of all rows errs by the whole third derivative. So the distance of the two, times the part of it
    in which the share may differ, bounds what is left, and rounding adds to it. None for few rows, or where the share
    has no optimum or is unlike the rest.
    """
    num_rows, num_classes = rows.shape
    if num_rows * num_classes < _LARGE or num_rows < 2 * _FEWEST:
        return None, False
    share = rows.every(min(_SHARE, num_rows // _FEWEST))
    beta = _optimum_of(share, _optimum_of(share.every(_SHARE_OF_SHARE)))
    if beta is None:
        return None, False
    for attempt in range(_ATTEMPTS):
        rows.skim(beta)
        if attempt == 0:
            rows.check()
        following = _corrected(rows, share, beta)
        if following is None:
            return (beta, False) if attempt else (None, False)
        root, unlike = following
        left = unlike * abs(root - (beta - rows.slope / rows.curvature)) + share.rounding(beta) / rows.curvature
        beta = root
        if rows.curvature / 2 * left**2 <= _FINE:
            return beta, True
    return beta, False


def _optimum_of(share: CalibrationRows, near: float | None = None) -> float | None:
    """Nearly the best beta of a share, or None if there is none; the search begins `near` it where that is known."""
    if share.count == 0:
        return None
    share.skim(0.0)
    if not (share.curvature > 0 and share.slope < 0 and 0 < share.shortfall < math.inf):
        return None
    first = -share.slope / share.curvature if near is None else near
    return _search(share, first, _towards_the_optimum, skim=True, small_step=_CLOSE)


def _corrected(rows: CalibrationRows, share: CalibrationRows, first: float) -> tuple[float, float] | None:
    """The root of the share's slope, corrected by what that of all rows, skimmed at `first`, differs by from it.

    With the part in which the share's third derivative may differ from that of all rows.
    """
    share.skim(first)
    slope, curvature = rows.slope - share.slope, rows.curvature - share.curvature
    if not abs(curvature) < _MOST_UNLIKE * rows.curvature:
        return None
    beta = first
    for correction in range(_CORRECTIONS):
        if correction:
            share.skim(beta)
        beta -= (share.slope + slope + curvature * (beta - first)) / (share.curvature + curvature)
        if not first / 2 < beta < 2 * first:
            return None
    return beta, _UNLIKE + 2 * abs(curvature) / rows.curvature


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
    skim: bool = False,
    small_step: float = _SMALL_STEP,
) -> float:
    """The root that `newton_step` approaches: steps in ln(beta), inside a bracket that only shrinks.

    With `skim` the figures are in float32 where the logits are, and what they are wrong by the root is, too.
    """
    below, above = 0.0, math.inf
    farthest = math.log(_FARTHEST)
    passes = 0
    while True:
        passes += 1
        (rows.skim if skim else rows.sweep)(beta)
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

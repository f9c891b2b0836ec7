"""How far a head can be from the optimum, at most: the duality gap of softmax regression.

For any distributions P over the classes, one a row, with sum_i s_i (p_i - y_i) = 0 where an intercept is free, the
dual objective  sum_i s_i H(p_i) - ||X'S(P - Y)||² / (2 lambda)  is at most F*, the least value of

    F(W, b) = sum_i s_i CE_i + lambda/2 ||W||²,   sum_i s_i = 1

(Shalev-Shwartz & Zhang 2014, Accelerated proximal stochastic dual coordinate ascent, section 2). The head's own
probabilities serve as P. Where an intercept is not quite at its optimum, they are first mixed with as little as
possible of one common distribution q that repairs the condition. Last, P is moved towards Y as far as pays, which
bounds F - F* by F itself at the worst.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy


def duality_gap(
    loss: ArrayLike,
    weight: NDArray[Any],
    intercept: NDArray[Any] | None,
    gradient: NDArray[Any],
    residual_sum: NDArray[Any],
    class_sums: NDArray[Any],
    shares: NDArray[Any],
    penalty: ArrayLike,
) -> NDArray[np.float64]:
    """Bounds on F - F*, >= 0, (...), exact up to the rounding of `gradient`; no pass over the data.

    Args:
      loss: (...), the weighted mean cross-entropy of each head.
      weight: (..., K, D) for features about their weighted mean.
      intercept: (..., K), or None if there is no intercept; then features are as they are.
      gradient: (..., K, D), X'S(P - Y).
      residual_sum: (..., K), sum_i s_i (p_i - y_i).
      class_sums: (..., K, D), X'SY.
      shares: (..., K), sum_i s_i y_i.
      penalty: (...), lambda, >= 0.
    Returns: the bounds; inf without a penalty, where there is none, and where NaN or overflow leaves none.
    """
    loss, penalty = np.asarray(loss, np.float64), np.asarray(penalty, np.float64)
    weight, gradient = np.asarray(weight, np.float64), np.asarray(gradient, np.float64)
    with np.errstate(all="ignore"):
        objective = loss + 0.5 * penalty * _inner(weight, weight)
        entropy = loss - _inner(gradient, weight)
        if intercept is not None:
            entropy = entropy - np.vecdot(residual_sum, intercept)
            predicted = shares + residual_sum
            share_too_many = residual_sum / np.maximum(predicted, np.finfo(float).tiny)
            mixed = np.clip(share_too_many.max(axis=-1), 0.0, 1.0)[..., None]
            common = np.where(mixed > 0, np.maximum((shares - (1 - mixed) * predicted) / mixed, 0.0), shares)
            total = common.sum(axis=-1, keepdims=True)
            # Where next to nothing is mixed in, rounding may have left nothing of it.
            common = np.where(total > 0, common / total, shares / shares.sum(axis=-1, keepdims=True))
            # Entropy is concave: a mixture has at least the mixture of the entropies.
            entropy = (1 - mixed[..., 0]) * entropy - mixed[..., 0] * xlogy(common, common).sum(axis=-1)
            if (mixed > 0).any():
                gradient = (1 - mixed[..., None]) * gradient - mixed[..., None] * class_sums
        quadratic = _inner(gradient, gradient) / (2 * penalty)
        towards = np.where(quadratic > 0, np.minimum(1.0, np.maximum(0.0, entropy) / (2 * quadratic)), 1.0)
        bound = np.maximum(0.0, objective - towards * entropy + towards * towards * quadratic)
        # A NaN or an overflow on the way leaves no bound, whatever a maximum made of it.
        known = np.isfinite(objective) & np.isfinite(entropy) & np.isfinite(quadratic) & (penalty > 0)
    return np.where(known, bound, np.inf)


def _inner(left, right):
    """The sums of products of the last two axes."""
    shape = (*left.shape[:-2], left.shape[-2] * left.shape[-1])
    return np.vecdot(left.reshape(shape), right.reshape(shape))

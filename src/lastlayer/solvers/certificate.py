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
from numpy.typing import NDArray


def duality_gap(
    loss: float,
    weight: NDArray[Any],
    intercept: NDArray[Any] | None,
    gradient: NDArray[Any],
    residual_sum: NDArray[Any],
    class_sums: NDArray[Any],
    shares: NDArray[Any],
    penalty: float,
) -> float:
    """A bound on F - F*, >= 0, exact up to the rounding of `gradient`; no pass over the data.

    Args:
      loss: the weighted mean cross-entropy of the head.
      weight: (K, D) for features about their weighted mean.
      intercept: (K,), or None if there is no intercept; then features are as they are.
      gradient: (K, D), X'S(P - Y).
      residual_sum: (K,), sum_i s_i (p_i - y_i).
      class_sums: (K, D), X'SY.
      shares: (K,), sum_i s_i y_i.
      penalty: lambda, >= 0.
    Returns: the bound; inf without a penalty, where there is none, and where NaN or overflow leaves none.
    """
    if penalty == 0:
        return np.inf
    weight, gradient = np.asarray(weight, np.float64), np.asarray(gradient, np.float64)
    objective = loss + 0.5 * penalty * np.vdot(weight, weight)
    entropy = loss - np.vdot(gradient, weight)
    if intercept is not None:
        entropy -= np.dot(residual_sum, intercept)
        predicted = shares + residual_sum
        mixed = np.clip(np.max(residual_sum / np.maximum(predicted, np.finfo(float).tiny)), 0.0, 1.0)
        if mixed > 0:
            common = np.maximum((shares - (1 - mixed) * predicted) / mixed, 0.0)
            common = common[common > 0] / common.sum()
            # Entropy is concave: a mixture has at least the mixture of the entropies.
            entropy = (1 - mixed) * entropy - mixed * float(np.dot(common, np.log(common)))
            gradient = (1 - mixed) * gradient - mixed * class_sums
    quadratic = np.vdot(gradient, gradient) / (2 * penalty)
    # Of a NaN and a number, Python's max and min return whichever comes first: no bound may pass through them before
    # this line.
    if not np.isfinite([objective, entropy, quadratic]).all():
        return np.inf
    towards = min(1.0, max(0.0, entropy) / (2 * quadratic)) if quadratic > 0 else 1.0
    return max(0.0, float(objective - towards * entropy + towards * towards * quadratic))

"""A temperature for each row, by how sure its model is: linear in the entropy of the row's own probabilities.

With h from 0 to 1 the entropy of softmax(beta * logits) over ln K, the row's inverse temperature is
(1 - h) certain + h uncertain. The loss is convex in the two. Both are positive, so no prediction changes.

Source: Balanya, Maroñas & Ramos 2022, Adaptive Temperature Scaling for Robust Calibration of Deep Neural Networks,
whose entropy-based temperature is a power of the entropy; decisions/0014-calibration.md says why it is linear here.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer._threads import run_blocks
from lastlayer.calibration.rows import CalibrationRows
from lastlayer.functions import log_softmax, softmax

# How far from the common beta either may be; no prediction changes, and a row of its own kind cannot turn it over.
_FARTHEST = 20.0
_STEPS, _SMALL_STEP = 50, 1e-8
_BLOCK, _DISPATCH = 1 << 16, 1 << 17


class EntropyBetas(NamedTuple):
    """The inverse temperature of a row whose entropy is 0, and of one whose entropy is ln K."""

    certain: float
    uncertain: float


def fit_entropy_betas(rows: CalibrationRows, beta: float) -> EntropyBetas:
    """The two with the least mean -ln p(label), by Newton's method from `beta` on, the best single one."""
    mixture = rows.entropies(beta)[:, np.newaxis] * [-1.0, 1.0] + [1.0, 0.0]
    found = np.array([beta, beta])
    loss, gradient, curvature = _derivatives(rows, mixture, found)
    low, high = beta / _FARTHEST, beta * _FARTHEST
    for _ in range(_STEPS):
        # At a bound that the gradient points beyond there is nothing to gain.
        free = ((found > low) | (gradient < 0)) & ((found < high) | (gradient > 0))
        step = np.zeros(2)
        step[free] = np.linalg.lstsq(curvature[np.ix_(free, free)], gradient[free], rcond=1e-12)[0]
        share = 1.0
        while True:
            candidate = np.clip(found - share * step, low, high)
            following = _derivatives(rows, mixture, candidate)
            if following[0] <= loss or share < 1e-6:
                break
            share /= 2
        moved = np.abs(candidate - found).max()
        if following[0] > loss:
            break
        found, (loss, gradient, curvature) = candidate, following
        if moved <= _SMALL_STEP * beta:
            break
    return EntropyBetas(*found.tolist())


def apply_entropy_betas(logits: NDArray[Any], beta: float, betas: EntropyBetas) -> NDArray[Any]:
    """Softmax of (N, K) logits, each row at its own inverse temperature: (N, K) in their dtype."""
    result = np.empty_like(logits, order="C")
    num_rows, num_classes = logits.shape

    def work(start, stop):
        step = max(1, _BLOCK // num_classes)
        for first in range(start, stop, step):
            block = logits[first : min(first + step, stop)]
            entropy = _entropy(block, beta)[:, np.newaxis]
            own = ((1 - entropy) * betas.certain + entropy * betas.uncertain).astype(block.dtype)
            softmax(block * own, out=result[first : first + len(block)])

    run_blocks(work, num_rows, items_per_block=max(1, _DISPATCH // num_classes))
    return result


def _entropy(logits, beta):
    """(n,) float64 from 0 to 1: that of softmax(beta * logits) over ln K."""
    logits = logits.astype(np.float64)
    logarithms = log_softmax(logits, beta=beta)
    np.maximum(logarithms, -1e300, out=logarithms)  # of an impossible class, whose share is 0
    entropy = -np.einsum("nk,nk->n", np.exp(logarithms), logarithms)
    return np.clip(entropy / math.log(logits.shape[1]), 0, 1)


def _derivatives(rows, mixture, betas):
    """The mean loss, its gradient (2,) and its Hessian (2, 2) in the two inverse temperatures."""
    rows.sweep(mixture @ betas)
    of_rows = mixture[rows.kept]
    gradient = np.array([rows.mean(rows.slopes * of_rows[:, i]) for i in range(2)])
    curvature = np.array(
        [[rows.mean(rows.curvatures * of_rows[:, i] * of_rows[:, j]) for i in range(2)] for j in range(2)]
    )
    return rows.loss, gradient, curvature

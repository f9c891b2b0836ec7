"""Vector scaling: a factor and a shift for each class, shrunk towards the temperature as far as held-out rows ask.

The logits of a row, their mean taken off, become beta (1 + w_k) z_k + b_k; what is minimised is the mean of
-ln p(label) + shrinkage / 2 (|w|^2 + |b|^2). Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section
4.2; the shrinkage is after Kull et al. 2019, Beyond temperature scaling, section 3, and it ends at the temperature.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer._threads import run_blocks
from lastlayer.calibration.rows import CalibrationRows
from lastlayer.calibration.temperature import solve_temperature
from lastlayer.functions import softmax
from lastlayer.losses import cross_entropy, cross_entropy_value_and_grad

# From weak to strong; the last is the temperature itself.
_SHRINKAGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, math.inf)
_FOLDS, _SEED, _ITERATIONS = 3, 0, 200
_BLOCK, _DISPATCH = 1 << 16, 1 << 17


class VectorScaling(NamedTuple):
    """The logit of class k, its row's mean taken off, becomes factors[k] * z_k + shifts[k]."""

    factors: tuple[float, ...]
    shifts: tuple[float, ...]


def fit_vector_scaling(
    logits: NDArray[Any], labels: NDArray[np.int64], weight: NDArray[np.float64] | None, beta: float
) -> VectorScaling:
    """The factors and shifts of (N, K) logits with (N,) labels and weights > 0, by a shrinkage that 3 folds choose.

    Memory is three float64 arrays of the shape of the logits.
    """
    logits = _centred(logits)
    weight = np.ones(len(labels)) if weight is None else weight
    fold = np.random.default_rng(_SEED).permutation(len(labels)) % _FOLDS
    losses = np.zeros(len(_SHRINKAGES))
    for k in range(_FOLDS):
        inside, outside = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not len(inside) or not len(outside):
            continue
        of_fold, reason = solve_temperature(CalibrationRows(logits[inside], labels[inside], weight[inside]))
        if reason is not None:
            of_fold = beta
        path = _path(logits[inside], labels[inside], weight[inside], of_fold, _SHRINKAGES)
        for i, parameters in enumerate(path):
            scaled = _scaled(logits[outside], of_fold, parameters)
            losses[i] += weight[outside] @ cross_entropy(scaled, labels[outside])
    # The first of equals from the strong end: what gains nothing is left out.
    best = len(_SHRINKAGES) - 1 - int(np.argmin(losses[::-1]))
    changes, shifts = _path(logits, labels, weight, beta, _SHRINKAGES[best:])[0]
    return VectorScaling(tuple((beta * (1 + changes)).tolist()), tuple(shifts.tolist()))


def apply_vector_scaling(logits: NDArray[Any], scaling: VectorScaling) -> NDArray[Any]:
    """Softmax of the scaled (N, K) logits, in their dtype."""
    result = np.empty_like(logits, order="C")
    factors, shifts = np.array(scaling.factors), np.array(scaling.shifts)
    num_rows, num_classes = logits.shape

    def work(start, stop):
        step = max(1, _BLOCK // num_classes)
        for first in range(start, stop, step):
            block = logits[first : min(first + step, stop)]
            result[first : first + len(block)] = softmax(_centred(block) * factors + shifts)

    run_blocks(work, num_rows, items_per_block=max(1, _DISPATCH // num_classes))
    return result


def _centred(logits):
    """In float64, less the mean of each row's possible classes."""
    logits = logits.astype(np.float64)
    possible = np.isfinite(logits)
    mean = np.mean(logits, axis=1, keepdims=True, where=possible)
    return logits - mean


def _scaled(logits, beta, parameters):
    changes, shifts = parameters
    return logits * (beta * (1 + changes)) + shifts


def _path(logits, labels, weight, beta, shrinkages):
    """(changes, shifts) of centred logits for each of `shrinkages`, each begun where the next stronger one ended."""
    # A fifth of a second, which help pages and every worker of Ray would take to start if it stood above.
    from scipy.optimize import minimize

    num_classes = logits.shape[1]
    parameters = np.zeros(2 * num_classes)
    path = []
    for shrinkage in reversed(shrinkages):
        if math.isfinite(shrinkage):
            objective = _Objective(logits, labels, weight, beta, shrinkage)
            options = {"maxiter": _ITERATIONS}
            parameters = minimize(objective, parameters, jac=True, method="L-BFGS-B", options=options).x
        path.append((parameters[:num_classes], parameters[num_classes:]))
    return path[::-1]


class _Objective:
    """The penalised mean loss of centred logits and its gradient, in blocks of rows."""

    def __init__(self, logits, labels, weight, beta, shrinkage):
        self.logits, self.labels, self.weight = logits, labels, weight
        self.beta, self.shrinkage = beta, shrinkage

    def __call__(self, parameters):
        changes, shifts = np.split(parameters, 2)
        num_rows, num_classes = self.logits.shape

        def work(start, stop):
            loss, gradient = 0.0, np.zeros(2 * num_classes)
            step = max(1, _BLOCK // num_classes)
            for first in range(start, stop, step):
                rows = slice(first, min(first + step, stop))
                own = self.beta * self.logits[rows]
                losses, slopes = cross_entropy_value_and_grad(own * (1 + changes) + shifts, self.labels[rows])
                loss += self.weight[rows] @ losses
                own[own == -np.inf] = 0  # an impossible class, whose slope is 0
                gradient[:num_classes] += self.weight[rows] @ (slopes * own)
                gradient[num_classes:] += self.weight[rows] @ slopes
            return loss, gradient

        parts = run_blocks(work, num_rows, items_per_block=max(1, _DISPATCH // num_classes))
        total = self.weight.sum()
        loss = sum(part[0] for part in parts) / total + self.shrinkage / 2 * parameters @ parameters
        return loss, sum(part[1] for part in parts) / total + self.shrinkage * parameters

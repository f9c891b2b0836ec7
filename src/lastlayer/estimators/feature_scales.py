"""A warning where features are in units so different that the penalty, on weights in those units, costs accuracy.

Ranges tell units apart, since they do not depend on how rare a word or a bright pixel is, as standard deviations do.
What the penalty costs is known at the optimum without another pass: the gradient of the mean loss is -lambda W there,
so that one weight free of the penalty would lower the loss by about (lambda w)² / (2 m v), where v is its feature's
variance and m the mean of p (1 - p) of its class, at most the class's share times that of the others.
decisions/0008-scaling.md has the figures.
"""

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer.linear import working_dtype
from lastlayer.solvers import Optimum, SoftmaxRegression, standard_deviations

# Ranges so many times apart are suspicious (pixels of 8 bits are not), and so many in any case: there the square of one
# feature leaves no digit of another's in float32.
_FAR, _TOO_FAR = 256.0, 1e4
# The share of the objective from which on the penalty's cost is worth a warning.
_COSTLY = 0.01
# The features that are measured on every row, at most.
_MOST_MEASURED = 8
# The sample that ranges are taken from: entries and rows at most, and rows at least.
_MOST_ENTRIES, _MOST_ROWS, _FEWEST_ROWS = 1 << 20, 1024, 16


class ScalingWarning(UserWarning):
    """Features are in units so different that the penalty falls on few of them; standardize=True corrects it.

    Attributes:
      column: the feature that is furthest out of scale, by its index.
    """

    def __init__(self, message: str, column: int):
        super().__init__(message, column)
        self.column: int = column

    def __str__(self) -> str:
        return self.args[0]


def warn_of_scales(
    X: Any,
    row_weight: NDArray[np.float64],
    problem: SoftmaxRegression,
    weight: NDArray[Any],
    optimum: Optimum,
    names: NDArray[Any] | None,
    stacklevel: int,
) -> None:
    """Warn of the feature that is furthest out of scale, where that costs accuracy. It reads a sample of rows.

    Args:
      X: (N, D) array or CSR matrix.
      row_weight: (N,) >= 0.
      problem: the SoftmaxRegression of X as it is.
      weight: (K, D), its head's weights.
      optimum: its Optimum.
      names: (D,) the features' names, or None.
      stacklevel: as in warnings.warn, counted from here.
    """
    if problem.penalty == 0:
        return
    rows = _sample(X, row_weight)
    ranges, deviations = _scales(X[rows], row_weight[rows])
    columns = np.flatnonzero(deviations)
    ranges, deviations = ranges[columns], deviations[columns]
    if columns.size < 2:
        return
    # Medians of the others: the lower one for a range above it, the upper one for a range below.
    lower, upper = np.sort(ranges)[[(columns.size - 1) // 2, columns.size // 2]]
    long, short = ranges > _FAR * lower, ranges < upper / _FAR
    if not (long.any() or short.any()):
        return
    costs = _costs(problem, weight[:, columns], deviations)
    enough = _COSTLY * optimum.objective
    # Costs are compared so that one which is no number counts as high.
    stuck = optimum.stopped in ("max_iter", "noise")
    if long.any() and (stuck or ranges.max() > _TOO_FAR * lower or not costs[~long].sum() < enough):
        worst, others, more = int(ranges.argmax()), lower, int(long.sum()) - 1
        what, effect = f"{_times(ranges[worst] / lower)} times", "holds back the others and hardly this one"
    else:
        # A sample says little of a rare feature: those that seem to cost the most are measured on every row.
        costly = np.flatnonzero(short & ~(costs < enough))
        if not costly.size:
            return
        columns, others = columns[costly[np.argsort(costs[costly])[::-1][:_MOST_MEASURED]]], upper
        rows = np.flatnonzero(row_weight)
        # Of a dense X one column at a time, which holds a number a row.
        parts = [columns] if sp.issparse(X) else np.split(columns, columns.size)
        measured = [_scales(X[:, part][rows], row_weight[rows]) for part in parts]
        ranges, deviations = np.concatenate(measured, axis=1)
        costly = (ranges < upper / _FAR) & ~(_costs(problem, weight[:, columns], deviations) < enough)
        if not costly.any():
            return
        worst, more = int(costly.argmax()), int(costly.sum()) - 1
        what, effect = f"1/{_times(upper / ranges[worst])} of", "all but leaves it out"
    column = int(columns[worst])
    name = column if names is None else repr(names[column])
    message = (
        f"X: feature {name} ranges over {ranges[worst]:.3g}, {what} the other features' median ({others:.3g})"
        f"{f', and {more} more are like it' if more else ''}, so that the penalty {effect}; pass standardize=True "
        "(--standardize in a shell), or scale the features."
    )
    warnings.warn(ScalingWarning(message, column), stacklevel=stacklevel + 1)


def _costs(problem, weight, deviations):
    """What the penalty on its weights (K, D) costs each feature, in nats: see the top of this file."""
    variances = np.maximum(problem.shares * (1 - problem.shares), 1e-12)
    gradient = problem.penalty * weight.astype(np.float64) / deviations
    return (gradient**2 / (2 * variances[:, None])).sum(axis=0)


def _sample(X, row_weight):
    """Indices of rows, of those that have a weight."""
    rows = np.flatnonzero(row_weight)
    size = max(_FEWEST_ROWS, min(_MOST_ROWS, _MOST_ENTRIES // X.shape[1]))
    if rows.size <= size:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, size, replace=False, shuffle=False))


def _scales(X, row_weight):
    """The range and the standard deviation of each column, all rows having a weight."""
    X = X.astype(working_dtype(X.dtype), copy=False)
    lowest, highest = X.min(axis=0), X.max(axis=0)
    if sp.issparse(X):
        lowest, highest = lowest.toarray().ravel(), highest.toarray().ravel()
    with np.errstate(over="ignore"):
        ranges = highest.astype(np.float64) - lowest
    return ranges, standard_deviations(X, row_weight)


def _times(ratio):
    return f"{ratio:,.0f}" if ratio < 1e9 else f"{ratio:.0e}"

"""Softmax regression to its optimum: preconditioned L-BFGS with exact line searches on the logits.

    F(W, b) = sum_i s_i CE(x_i W' + b, y_i) + lambda/2 ||W||²,   sum_i s_i = 1,   the intercept b free.

Two things make the passes few. The Hessian's shape is known beforehand (`curvature`), and logits are affine in the
step, so that the best step along a direction costs no product with the features (`logit_line`), as long as logits
fit in memory; beyond that, steps are tried, mostly of 1 (`trial_step`). An iteration is two products, X D' for the
direction and R'X for the gradient. Features are centred implicitly: the work is done in (W, c = b + W mean), where
weights and intercepts are all but independent.
decisions/0003-solver.md has the figures.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._blas import on_one_blas_thread
from lastlayer._stopwatch import stopwatch
from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.optimum import LOOSE, Optimum
from lastlayer.solvers.softmax_search import SearchState, SoftmaxSearch
from lastlayer.solvers.training_rows import TrainingRows


def minimise(
    problem: "SoftmaxRegression",
    *,
    tol: float,
    max_iter: int,
    start: SearchState | None = None,
    report: Callable[[Optimum], object] | None = None,
    keep: Callable[[SearchState], object] | None = None,
) -> tuple[NDArray[Any], NDArray[np.float64], Optimum]:
    """Minimise F until `tol` is met, or for `max_iter` iterations.

    It is met where no entry of the gradient exceeds 0.45 tol and the quadratic model of F predicts a decrease below
    100 tol F; or, whatever the gradient's scale, where it predicts less than tol F / 100. Without a penalty it is met,
    too, where no entry exceeds 0.45 tol and every row's class has more than half of the probability, which proves that
    there is no optimum. A KeyboardInterrupt ends the search at the best head so far.

    Args:
      problem: SoftmaxRegression.
      tol: accuracy, > 0.
      max_iter: iterations at most, those of `start` among them.
      start: where to start from; None starts from weight 0 and the classes' shares.
      report: called with an Optimum before each iteration.
      keep: called after each iteration with the state that a later call may start from.
    Returns: weight (K, D), intercept (K,) and an Optimum.
    """
    return on_one_blas_thread(_minimise, problem, tol, max_iter, start, report, keep)


def _minimise(problem, tol, max_iter, start, report, keep):
    seconds = stopwatch()
    search = SoftmaxSearch(problem, start, coarse=True)
    iterations, stopped, idle = 0 if start is None else start.iterations, "max_iter", 0
    predicted_decrease, gap = math.inf, None

    def optimum():
        point, certified = search.point, gap
        if certified is None:
            certified = math.inf if search.is_coarse else point.gap(problem)
        return Optimum(
            objective=point.objective,
            gradient_norm=float(np.abs(point.objective_gradient).max()),
            gap=certified,
            iterations=iterations,
            seconds=seconds(),
            stopped=stopped,
            expected=predicted_decrease,
        )

    try:
        while True:
            if report is not None:
                report(optimum())
            direction, predicted_decrease, gradient_norm = search.direction()
            ended = _ended(search, problem, tol, predicted_decrease, gradient_norm)
            if ended is None and iterations >= max_iter:
                ended = "max_iter"
            if ended is None:
                before = search.point.objective
                moved = search.advance(direction)
                iterations += moved
                if keep is not None and moved:
                    keep(search.state(iterations))
                idle = idle + 1 if before - search.point.objective <= search.rounding * before else 0
                ended = "noise" if not moved or idle == 2 else None
            if ended is not None:
                idle = 0
                if not search.refine():
                    stopped = ended
                    break
        if stopped == "separable":
            gap = predicted_decrease = search.point.objective
        elif not predicted_decrease >= 0:
            predicted_decrease = math.inf
        search.optimise_intercepts(predicted_decrease)
        if problem.penalty > 0 and not (
            math.isfinite(predicted_decrease) and search.point.gap(problem) <= LOOSE * predicted_decrease
        ):
            expected_by_model, (gap, predicted_decrease) = predicted_decrease, search.sharpened_gap(iterations)
            # Next to no predicted decrease at a gradient that is not small, beside a minorant that falls by a percent:
            # rounding has hidden the small curvatures beside the large ones.
            doubted = expected_by_model <= 0.01 * tol * search.point.objective and gradient_norm > 0.45 * tol
            if stopped == "converged" and doubted and predicted_decrease > 100 * tol * search.point.objective:
                stopped = "noise"
    except KeyboardInterrupt:
        stopped = "interrupted"
    return *search.point.head(problem), optimum()


def _ended(search, problem, tol, predicted_decrease, gradient_norm):
    """Why the search ends at its point, or None."""
    share = predicted_decrease / max(search.point.objective, np.finfo(float).tiny)
    if gradient_norm <= 0.45 * tol and search.point.loss < problem.loss_of_separable:
        return "separable"
    if not predicted_decrease >= 0:
        # Rounding has made it a direction of ascent.
        return "noise"
    least = max(0.01 * tol, search.rounding if search.is_coarse else 0.0)
    if share <= least or (gradient_norm <= 0.45 * tol and share <= 100 * tol):
        return "converged"
    return None


class SoftmaxRegression:
    """The data of one fit and what is known of it beforehand.

    Args:
      rows: TrainingRows.
      penalty: lambda of the objective with weights that sum to 1.
      fit_intercept: whether there is an intercept.
      generator: numpy.random.RandomState that samples the rows of which the features' covariance is taken.
      curvature: that of rows like these, in place of a decomposition of their own; None takes one.

    Attributes:
      epsilon: the rounding of the features' dtype.
      loss_of_separable: a loss below it has every row's class above one half; 0 with a penalty.
      mean: (D,) what features are taken about, their weighted mean or 0.
      class_sums: (K, D), the weighted sum of each class's features about it.
    """

    def __init__(
        self,
        rows: TrainingRows,
        penalty: float,
        *,
        fit_intercept: bool,
        generator: np.random.RandomState,
        curvature: Curvature | None = None,
    ):
        self.rows: TrainingRows = rows
        self.penalty: float = penalty
        self.fit_intercept: bool = fit_intercept
        self.epsilon: float = float(np.finfo(rows.dtype).eps)
        self.loss_of_separable: float = 0.0 if penalty > 0 else float(rows.lightest * np.log(2))
        self.shares: NDArray[np.float64] = rows.shares
        sums = rows.class_sums()
        self.mean: NDArray[np.float64] = sums.sum(axis=0) if fit_intercept else np.zeros(rows.shape[1])
        self.class_sums: NDArray[np.float64] = sums - np.outer(self.shares, self.mean)
        self.curvature: Curvature = rows.curvature(self.mean, generator) if curvature is None else curvature

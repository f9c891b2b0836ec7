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
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer._blas import on_one_blas_thread
from lastlayer._stopwatch import stopwatch
from lastlayer.linear import FeatureMatrix, SparseFeatures
from lastlayer.solvers.certificate import duality_gap
from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.exact_step import exact_step
from lastlayer.solvers.lbfgs import StepHistory
from lastlayer.solvers.logit_line import LogitLine
from lastlayer.solvers.minorant import sharpened_gap
from lastlayer.solvers.trial_step import trial_step

# A bound is loose if it exceeds what is expected by this factor.
_LOOSE = 10
# Rows whose class sums are taken at once.
_BLOCK = 8192
# Penalty that the preconditioner assumes at least, as a share of the typical curvature: without one, directions in
# which the features do not vary would have none.
_LEAST_PENALTY = 1e-6
# Passes over the logits, at most, that bring the intercepts to their optimum in the end.
_MOST_INTERCEPT_STEPS = 10
# Weights p (1 - p) leave out the rows that a class is sure of: their mean goes about half of the way from the common
# mean to the mean under p (measured: 0.4 to 0.8 cost the same number of passes, 0 and 1 cost a third more).
_STEP_TO_CLASS_MEAN = 0.5


@dataclass(frozen=True)
class Optimum:
    """What is known about a fitted head: a certificate, not a "converged" flag.

    Attributes:
      objective: F, in nats; of a sampled fit the log-loss of held-out rows and the penalty; of partial_fit the mean
        loss of the last call's rows, before a step was taken along them.
      gradient_norm: largest absolute entry of F's gradient, for features about their mean; NaN where it is not known.
      gap: a bound on F - F*, in nats (see solvers/certificate.py and solvers/minorant.py); the least value F* lies in
        [objective - gap, objective], up to the rounding of the features' dtype; inf where there is no bound. In what
        `report` is shown it is the head's own duality gap, which can be far above the bound in the end.
      iterations: number of directions taken; of a sampled fit, passes over the rows; of partial_fit, steps.
      seconds: wall time of the fit, without that in which kernels were compiled.
      stopped: "converged"; "max_iter"; "noise", if rounding hides any further decrease; "separable", if there is no
        penalty and every row's class has more than half of the probability, so that F* = 0 is never reached;
        "interrupted"; of a sampled fit also "held_out", if the log-loss of held-out rows falls no more, and
        "unwritable", if its checkpoint could not be written; "partial_fit" of what that has made; "unknown" of a head
        that another library has fitted.
      expected: what the solver's quadratic model expects F - F* to be, in nats: an estimate, no bound; inf where there
        is none, as in files of earlier versions.
    """

    objective: float
    gradient_norm: float
    gap: float
    iterations: int
    seconds: float
    stopped: str
    expected: float = math.inf

    def certificate(self) -> str:
        """What is known of F - F*, in a few words."""
        if not math.isfinite(self.gap):
            return "no bound on its distance from the optimum"
        loose = f" (a loose bound, {self.expected:.1e} is expected)" if self.gap > _LOOSE * self.expected else ""
        return f"at most {self.gap:.1e} above the optimum{loose}"


def minimise(
    problem: "SoftmaxRegression",
    *,
    tol: float,
    max_iter: int,
    start: tuple[NDArray[Any], NDArray[Any]] | None = None,
    report: Callable[[Optimum], object] | None = None,
) -> tuple[NDArray[Any], NDArray[np.float64], Optimum]:
    """Minimise F until `tol` is met, or for `max_iter` iterations.

    It is met where no entry of the gradient exceeds 0.45 tol and the quadratic model of F predicts a decrease below
    100 tol F; or, whatever the gradient's scale, where it predicts less than tol F / 100. Without a penalty it is met,
    too, where no entry exceeds 0.45 tol and every row's class has more than half of the probability, which proves that
    there is no optimum. A KeyboardInterrupt ends the search at the best head so far.

    Args:
      problem: SoftmaxRegression.
      tol: accuracy, > 0.
      max_iter: iterations at most.
      start: (weight, intercept) to start from; None starts from weight 0 and the classes' shares.
      report: called with an Optimum before each iteration.
    Returns: weight (K, D), intercept (K,) and an Optimum.
    """
    return on_one_blas_thread(_minimise, problem, tol, max_iter, start, report)


def _minimise(problem, tol, max_iter, start, report):
    seconds = stopwatch()
    search = _Search(problem, start)
    iterations, stopped, idle = 0, "max_iter", 0
    tiny = np.finfo(float).tiny
    predicted_decrease, gap = math.inf, None

    def optimum():
        point = search.point
        return Optimum(
            objective=point.objective,
            gradient_norm=float(np.abs(point.objective_gradient).max()),
            gap=point.gap(problem) if gap is None else gap,
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
            share = predicted_decrease / max(search.point.objective, tiny)
            if gradient_norm <= 0.45 * tol and search.point.loss < problem.loss_of_separable:
                stopped, gap, predicted_decrease = "separable", search.point.objective, search.point.objective
                break
            if not predicted_decrease >= 0:
                # Rounding has made it a direction of ascent.
                stopped, predicted_decrease = "noise", math.inf
                break
            if share <= 0.01 * tol or (gradient_norm <= 0.45 * tol and share <= 100 * tol):
                stopped = "converged"
                break
            if iterations >= max_iter:
                break
            before = search.point.objective
            moved = search.advance(direction)
            iterations += moved
            # Rounding of the losses averages out over rows: what is left is far below one unit of the dtype.
            idle = idle + 1 if before - search.point.objective <= 0.1 * problem.epsilon * before else 0
            if not moved or idle == 2:
                stopped = "noise"
                break
        search.optimise_intercepts()
        if problem.penalty > 0 and not (
            math.isfinite(predicted_decrease) and search.point.gap(problem) <= _LOOSE * predicted_decrease
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


class SoftmaxRegression:
    """The data of one fit and what is known of it beforehand.

    Args:
      features: DenseFeatures or SparseFeatures, (N, D).
      labels: (N,) int64 in 0..num_classes - 1.
      row_weight: (N,) float64 >= 0, not all 0.
      num_classes: K >= 2.
      penalty: lambda of the objective with weights that sum to 1.
      fit_intercept: whether there is an intercept.
      generator: numpy.random.RandomState that samples the rows of which the features' covariance is taken.
      curvature: that of rows like these, in place of a decomposition of their own; None takes one.
    """

    features: FeatureMatrix
    labels: NDArray[np.int64]
    penalty: float
    fit_intercept: bool
    epsilon: float
    row_weight: NDArray[np.float64]
    loss_of_separable: float
    shares: NDArray[Any]
    mean: NDArray[np.float64]
    class_sums: NDArray[np.float64]
    curvature: Curvature

    def __init__(
        self,
        features: FeatureMatrix,
        labels: NDArray[np.int64],
        row_weight: NDArray[np.float64],
        num_classes: int,
        penalty: float,
        *,
        fit_intercept: bool,
        generator: np.random.RandomState,
        curvature: Curvature | None = None,
    ):
        self.features, self.labels, self.penalty, self.fit_intercept = features, labels, penalty, fit_intercept
        self.epsilon = float(np.finfo(features.dtype).eps)
        self.row_weight = row_weight / row_weight.sum()
        # A loss below every row's ln 2 has every row's class above one half.
        lightest = self.row_weight[self.row_weight > 0].min()
        self.loss_of_separable = 0.0 if penalty > 0 else float(lightest * np.log(2))
        self.shares = np.bincount(labels, self.row_weight, num_classes)
        sums = self._class_sums(num_classes)
        self.mean = sums.sum(axis=0) if fit_intercept else np.zeros(features.shape[1])
        self.class_sums = sums - np.outer(self.shares, self.mean)
        if curvature is not None:
            self.curvature = curvature
        elif isinstance(features, SparseFeatures):
            self.curvature = Curvature.of_sparse(features, self.mean, self.row_weight)
        else:
            self.curvature = Curvature.of_dense(features, self.mean, self.row_weight, generator)

    def _class_sums(self, num_classes):
        sums = np.zeros((num_classes, self.features.shape[1]))
        for start in range(0, self.labels.size, _BLOCK):
            rows = slice(start, min(start + _BLOCK, self.labels.size))
            indicator = sp.csr_array(
                (self.row_weight[rows], self.labels[rows], np.arange(rows.stop - start + 1)),
                shape=(rows.stop - start, num_classes),
                dtype=self.features.dtype,
            )
            sums += self.features.adjoint(indicator, rows)
        return sums


class _Point:
    """A head, and the objective and its gradient there; weights for features about their mean."""

    weight: NDArray[Any]
    intercept: NDArray[np.float64]
    loss: float
    gradient: NDArray[Any]
    residual_sum: NDArray[np.float64]
    masses: NDArray[np.float64]
    objective: float
    objective_gradient: NDArray[Any]

    def __init__(
        self,
        problem: SoftmaxRegression,
        weight: NDArray[Any],
        intercept: NDArray[np.float64],
        loss: float,
        gradient: NDArray[Any],
        residual_sum: NDArray[np.float64],
        masses: NDArray[np.float64],
    ):
        self.weight, self.intercept, self.loss = weight, intercept, loss
        self.gradient, self.residual_sum, self.masses = gradient, residual_sum, masses
        wide = weight.astype(np.float64, copy=False)
        self.objective = float(loss + 0.5 * problem.penalty * float(np.vdot(wide, wide)))
        # The gradient of the objective as one flat array.
        self.objective_gradient = (gradient + weight.dtype.type(problem.penalty) * weight).ravel()
        if problem.fit_intercept:
            self.objective_gradient = np.concatenate([self.objective_gradient, residual_sum.astype(weight.dtype)])

    def head(self, problem: SoftmaxRegression) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The weights and intercepts for the features as they are."""
        return self.weight, self.intercept - self.weight @ problem.mean

    def gap(self, problem: SoftmaxRegression) -> float:
        """The duality gap of the head's own probabilities."""
        gap = duality_gap(
            self.loss,
            self.weight,
            self.intercept if problem.fit_intercept else None,
            self.gradient,
            self.residual_sum,
            problem.class_sums,
            problem.shares,
            problem.penalty,
        )
        return float(gap)


class _Search:
    """The state of a minimisation: the best point so far, its logits and the history of the steps that led there."""

    def __init__(self, problem, start):
        self._problem = problem
        self._history = StepHistory()
        num_classes, num_features = problem.class_sums.shape
        self._line = LogitLine(problem.features, problem.labels, problem.row_weight, num_classes)
        dtype = problem.features.dtype
        if start is None:
            weight = np.zeros((num_classes, num_features), dtype)
            intercept = np.zeros(num_classes)
            probabilities = np.full(num_classes, 1 / num_classes)
            if problem.fit_intercept:
                # A class whose rows all weigh 0 has no share; its intercept starts low and stays finite.
                probabilities = np.maximum(problem.shares, 1e-6 / problem.labels.size)
                intercept = np.log(probabilities)
                probabilities = probabilities / probabilities.sum()
            self._line.set_head(weight, intercept)
            total = np.zeros(num_features) if problem.fit_intercept else problem.class_sums.sum(axis=0)
            loss = float(np.log(np.exp(intercept).sum()) - problem.shares @ intercept)
            gradient = (np.outer(probabilities, total) - problem.class_sums).astype(dtype)
            residual_sum = probabilities - problem.shares
            masses = probabilities * (1 - probabilities)
            self.point = _Point(problem, weight, intercept, loss, gradient, residual_sum, masses)
        else:
            weight = np.array(start[0] - np.mean(start[0], axis=0), dtype)
            intercept = np.asarray(start[1], np.float64) + weight @ problem.mean
            intercept = intercept if problem.fit_intercept else np.zeros(num_classes)
            self._line.set_head(weight, intercept - weight @ problem.mean)
            self._line.set_direction(np.zeros_like(weight), np.zeros(num_classes))
            self.point = self._point_after(0.0, weight, intercept)

    def set_penalty(self, penalty):
        """Go on from the point, and from what is known of the curvature, with another penalty; it takes no pass."""
        problem, point = self._problem, self.point
        self._history.add_ridge(penalty - problem.penalty, point.weight.size)
        problem.penalty = penalty
        known = point.loss, point.gradient, point.residual_sum, point.masses
        self.point = _Point(problem, point.weight, point.intercept, *known)

    def direction(self):
        """A flat direction of descent, the decrease that F's model predicts, and the largest entry of F's gradient."""
        gradient = self.point.objective_gradient
        direction = self._history.direction(gradient, self._preconditioner())
        return direction, -0.5 * float(np.vdot(gradient, direction)), float(np.abs(gradient).max())

    def _preconditioner(self):
        """The approximate inverse Hessian at the point, a function of a flat gradient."""
        problem, point = self._problem, self.point
        shares = problem.shares
        masses = np.maximum(point.masses, np.maximum(1e-3 * shares * (1 - shares), 1e-12))
        predicted = np.maximum(shares + point.residual_sum, 1e-12)
        centres = _STEP_TO_CLASS_MEAN * (problem.class_sums + point.gradient) / predicted[:, None]
        penalty = max(problem.penalty, _LEAST_PENALTY * problem.curvature.typical * float(masses.max()))
        centres = centres.astype(point.weight.dtype)

        def precondition(flat):
            weight, intercept = problem.curvature.solve(*self._split(flat), masses, centres, penalty)
            # One vector added to the weights of every class changes no probability, only the penalty: the optimum has
            # none of it, and along it the curvature, lambda alone, is far below what the preconditioner takes it for.
            weight -= weight.mean(axis=0)
            if intercept is None:
                return weight.ravel()
            return np.concatenate([weight.ravel(), intercept.astype(flat.dtype)])

        return precondition

    def _split(self, flat):
        weight = flat[: self.point.weight.size].reshape(self.point.weight.shape)
        return weight, flat[weight.size :] if self._problem.fit_intercept else None

    def advance(self, flat):
        """Go to a lower point along a direction; False if rounding hides any decrease."""
        problem, point = self._problem, self.point
        weight, intercept = self._split(flat)
        intercept = np.zeros(point.intercept.size) if intercept is None else intercept.astype(np.float64)
        self._line.set_direction(weight, intercept - weight @ problem.mean)
        if not self._line.keeps_logits:
            return self._advance_by_trial(flat, weight, intercept)
        linear = problem.penalty * float(np.vdot(point.weight, weight))
        square = problem.penalty * float(np.vdot(weight, weight))
        at_zero = point.objective - point.loss

        def along(t):
            loss, slope, curvature = self._line.evaluate(t)
            return loss + at_zero + t * linear + 0.5 * t * t * square, slope + linear + t * square, curvature + square

        before = point.objective_gradient
        t, _ = exact_step(along, point.objective)
        if t == 0.0:
            return False
        t = float(point.weight.dtype.type(t))
        self.point = self._point_after(
            t, point.weight + point.weight.dtype.type(t) * weight, point.intercept + t * intercept
        )
        self._history.add(flat.dtype.type(t) * flat, self.point.objective_gradient - before)
        return True

    def _advance_by_trial(self, flat, weight, intercept):
        """Go to a lower point where a step costs as much as an iteration."""
        problem, before, dtype = self._problem, self.point, self.point.weight.dtype.type

        def attempt(t):
            t = float(dtype(t))
            self._line.set_head(before.weight, before.intercept - before.weight @ problem.mean)
            trial = self._point_after(t, before.weight + dtype(t) * weight, before.intercept + t * intercept)
            return trial, trial.objective, float(np.vdot(trial.objective_gradient, flat))

        slope = float(np.vdot(before.objective_gradient, flat))
        found = trial_step(attempt, before.objective, slope)
        if found is None:
            return False
        self.point, t = found
        self._line.set_head(self.point.weight, self.point.intercept - self.point.weight @ problem.mean)
        self._history.add(dtype(t) * flat, self.point.objective_gradient - before.objective_gradient)
        return True

    def optimise_intercepts(self):
        """Bring the intercepts to their optimum for the weights as they are, as far as the certificate asks for it.

        What they lack costs the duality gap its first order, and F only its second. L-BFGS on the logits takes no
        product with the features but the last, for the gradient.
        """
        problem, point, history = self._problem, self.point, StepHistory()
        if not problem.fit_intercept:
            return
        objective, residual_sum, masses = point.objective, point.residual_sum, point.masses
        moved = np.zeros_like(point.intercept)
        gradient = point.gradient + problem.penalty * point.weight
        allowed = 0.1 * float(np.vdot(gradient, gradient)) / (2 * max(problem.penalty, np.finfo(float).tiny))
        enough = allowed / max(objective, np.finfo(float).tiny)
        enough = max(enough, 4 * problem.epsilon)
        for _ in range(_MOST_INTERCEPT_STEPS):
            lacking = residual_sum / np.maximum(problem.shares + residual_sum, 1e-12)
            if lacking.max() <= enough:
                break
            scale = 1 / np.maximum(masses, np.maximum(1e-3 * problem.shares, 1e-12))
            step = history.direction(residual_sum, lambda change, scale=scale: change * scale)
            before = residual_sum
            _, residual_sum, masses = self._line.add_offset(step)
            moved += step
            history.add(step, residual_sum - before)
        if moved.any():
            self._line.set_direction(np.zeros_like(point.weight), np.zeros_like(moved))
            optimised = self._point_after(0.0, point.weight, point.intercept + moved)
            self.point = optimised if optimised.objective <= objective * (1 + problem.epsilon) else point

    def sharpened_gap(self, iterations):
        """A bound on F - F* at the best head and an estimate of it, for the price of a few passes at most."""
        return sharpened_gap(self._problem, self.point, self._line, iterations)

    def _point_after(self, t, weight, intercept):
        problem = self._problem
        loss, gradient, residual_sum, masses = self._line.step(t)
        if problem.fit_intercept:
            gradient -= np.outer(residual_sum, problem.mean).astype(gradient.dtype)
        return _Point(problem, weight, intercept, loss, gradient, residual_sum, masses)

"""Softmax regression to its optimum: preconditioned L-BFGS with exact line searches on the logits.

    F(W, b) = sum_i s_i CE(x_i W' + b, y_i) + lambda/2 ||W||²,   sum_i s_i = 1,   the intercept b free.

Two things make the passes few. The Hessian's shape is known beforehand (`curvature`), and logits are affine in the
step, so that the best step along a direction costs no product with the features (`logit_line`), as long as logits
fit in memory. An iteration is two products, X D' for the direction and R'X for the gradient. Features are centred
implicitly: the work is done in (W, c = b + W mean), where weights and intercepts are all but independent.
decisions/0003-solver.md has the figures.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from lastlayer._blas import on_one_blas_thread
from lastlayer._stopwatch import stopwatch
from lastlayer.solvers.certificate import duality_gap
from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.design import SparseDesign
from lastlayer.solvers.exact_step import exact_step
from lastlayer.solvers.lbfgs import StepHistory
from lastlayer.solvers.logit_line import LogitLine

# Rows whose class sums are taken at once.
_BLOCK = 8192
# Sweeps over the logits, at most, that bring the intercepts to their optimum in the end.
_MOST_SHIFTS = 10


@dataclass(frozen=True)
class Optimum:
    """What is known about a fitted head: a certificate, not a "converged" flag.

    Attributes:
      objective: F, in nats.
      gradient_norm: largest absolute entry of F's gradient, for features about their mean.
      gap: a bound on F - F*, in nats (see solvers/certificate.py); the least value F* lies in [objective - gap,
        objective], up to the rounding of the features' dtype.
      iterations: number of directions taken.
      seconds: wall time of the fit, without that in which kernels were compiled.
      stopped: "converged"; "max_iter"; "noise", if rounding hides any further decrease; or "interrupted".
    """

    objective: float
    gradient_norm: float
    gap: float
    iterations: int
    seconds: float
    stopped: str


def minimise(problem, *, tol, max_iter, start=None, report=None):
    """Minimise F until `tol` is met, or for `max_iter` iterations.

    It is met where no entry of the gradient exceeds 0.45 tol and the quadratic model of F promises a decrease below
    100 tol F; or, whatever the gradient's scale, where it promises less than tol F / 100. A KeyboardInterrupt ends
    the search at the best head so far.

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

    def optimum():
        return search.point.optimum(problem, iterations, seconds(), stopped)

    try:
        while True:
            if report is not None:
                report(optimum())
            direction, promised, steepest = search.direction()
            share = promised / max(search.point.objective, tiny)
            if share <= 0.01 * tol or (steepest <= 0.45 * tol and share <= 100 * tol):
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
        search.settle_intercept()
    except KeyboardInterrupt:
        stopped = "interrupted"
    return *search.point.head(problem), optimum()


class SoftmaxRegression:
    """The data of one fit and what is known of it beforehand.

    Args:
      design: DenseDesign or SparseDesign, (N, D).
      labels: (N,) int64 in 0..num_classes - 1.
      row_weight: (N,) float64 >= 0, not all 0.
      num_classes: K >= 2.
      penalty: lambda of the objective with weights that sum to 1.
      fit_intercept: whether there is an intercept.
      generator: numpy.random.RandomState that samples the rows of which the features' covariance is taken.
    """

    def __init__(self, design, labels, row_weight, num_classes, penalty, *, fit_intercept, generator):
        self.design, self.labels, self.penalty, self.fit_intercept = design, labels, penalty, fit_intercept
        self.epsilon = float(np.finfo(design.dtype).eps)
        self.row_weight = row_weight / row_weight.sum()
        self.shares = np.bincount(labels, self.row_weight, num_classes)
        sums = self._class_sums(num_classes)
        self.mean = sums.sum(axis=0) if fit_intercept else np.zeros(design.shape[1])
        self.class_sums = sums - np.outer(self.shares, self.mean)
        if isinstance(design, SparseDesign):
            self.curvature = Curvature.of_sparse(design, self.mean, self.row_weight)
        else:
            self.curvature = Curvature.of_dense(design, self.mean, self.row_weight, generator)

    def _class_sums(self, num_classes):
        sums = np.zeros((num_classes, self.design.shape[1]))
        for start in range(0, self.labels.size, _BLOCK):
            rows = slice(start, min(start + _BLOCK, self.labels.size))
            indicator = sp.csr_array(
                (self.row_weight[rows], self.labels[rows], np.arange(rows.stop - start + 1)),
                shape=(rows.stop - start, num_classes),
                dtype=self.design.dtype,
            )
            sums += self.design.adjoint(indicator, rows)
        return sums


class _Point:
    """A head, and the objective and its gradient there; weights for features about their mean."""

    def __init__(self, problem, weight, intercept, loss, gradient, residual_sum, masses):
        self.weight, self.intercept, self.loss = weight, intercept, loss
        self.gradient, self.residual_sum, self.masses = gradient, residual_sum, masses
        self.objective = float(loss + 0.5 * problem.penalty * float(np.vdot(weight, weight)))

    def slope(self, problem):
        """The gradient of the objective as one flat array."""
        parts = [(self.gradient + self.weight.dtype.type(problem.penalty) * self.weight).ravel()]
        if problem.fit_intercept:
            parts.append(self.residual_sum.astype(self.weight.dtype))
        return np.concatenate(parts)

    def head(self, problem):
        """The weights and intercepts for the features as they are."""
        return self.weight, self.intercept - self.weight @ problem.mean

    def optimum(self, problem, iterations, seconds, stopped):
        free = problem.fit_intercept
        gap = duality_gap(
            self.loss,
            self.weight,
            self.intercept if free else None,
            self.gradient,
            self.residual_sum,
            problem.class_sums,
            problem.shares,
            problem.penalty,
        )
        return Optimum(self.objective, float(np.abs(self.slope(problem)).max()), gap, iterations, seconds, stopped)


class _Search:
    """The state of a minimisation: the best point so far, its logits and the memory of the steps that led there."""

    def __init__(self, problem, start):
        self._problem = problem
        self._history = StepHistory()
        num_classes, num_features = problem.class_sums.shape
        self._line = LogitLine(problem.design, problem.labels, problem.row_weight, num_classes)
        dtype = problem.design.dtype
        if start is None:
            weight = np.zeros((num_classes, num_features), dtype)
            intercept = np.zeros(num_classes)
            probabilities = np.full(num_classes, 1 / num_classes)
            if problem.fit_intercept:
                # A class whose rows all weigh 0 has no share; its intercept starts low and stays finite.
                probabilities = np.maximum(problem.shares, 1e-6 / problem.labels.size)
                intercept = np.log(probabilities)
                probabilities = probabilities / probabilities.sum()
            self._line.start(weight, intercept)
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
            self._line.start(weight, intercept - weight @ problem.mean)
            self._line.aim(np.zeros_like(weight), np.zeros(num_classes))
            self.point = self._point_after(0.0, weight, intercept)

    def direction(self):
        """A flat direction of descent, the decrease that F's model promises, and the largest entry of F's slope."""
        slope = self.point.slope(self._problem)
        direction = self._history.direction(slope, self._precondition)
        return direction, -0.5 * float(np.vdot(slope, direction)), float(np.abs(slope).max())

    def _precondition(self, flat):
        problem, point = self._problem, self.point
        weight, intercept = self._split(flat)
        shares = problem.shares
        masses = np.maximum(point.masses, np.maximum(1e-3 * shares * (1 - shares), 1e-12))
        predicted = np.maximum(shares + point.residual_sum, 1e-12)
        centres = (problem.class_sums + point.gradient) / predicted[:, None]
        weight, intercept = problem.curvature.solve(weight, intercept, masses, centres, problem.penalty)
        # One vector added to the weights of every class changes no probability, only the penalty: the optimum has
        # none of it, and along it the curvature, lambda alone, is far below what the preconditioner takes it for.
        weight -= weight.mean(axis=0)
        return weight.ravel() if intercept is None else np.concatenate([weight.ravel(), intercept.astype(flat.dtype)])

    def _split(self, flat):
        weight = flat[: self.point.weight.size].reshape(self.point.weight.shape)
        return weight, flat[weight.size :] if self._problem.fit_intercept else None

    def advance(self, flat):
        """Go to the lowest point along a direction; False if rounding hides any decrease."""
        problem, point = self._problem, self.point
        weight, intercept = self._split(flat)
        intercept = np.zeros(point.intercept.size) if intercept is None else intercept.astype(np.float64)
        self._line.aim(weight, intercept - weight @ problem.mean)
        linear = problem.penalty * float(np.vdot(point.weight, weight))
        square = problem.penalty * float(np.vdot(weight, weight))
        at_zero = point.objective - point.loss

        def along(t):
            loss, slope, curvature = self._line.measure(t)
            return loss + at_zero + t * linear + 0.5 * t * t * square, slope + linear + t * square, curvature + square

        before = point.slope(problem)
        t, _ = exact_step(along, point.objective)
        if t == 0.0:
            return False
        t = float(point.weight.dtype.type(t))
        self.point = self._point_after(
            t, point.weight + point.weight.dtype.type(t) * weight, point.intercept + t * intercept
        )
        self._history.add(flat.dtype.type(t) * flat, self.point.slope(problem) - before)
        return True

    def settle_intercept(self):
        """Bring the intercepts to their optimum for the weights as they are, as far as the certificate asks for it.

        What they lack costs the duality gap its first order, and F only its second. L-BFGS on the logits takes no
        product with the features but the last, for the gradient.
        """
        problem, point, history = self._problem, self.point, StepHistory()
        if not problem.fit_intercept:
            return
        objective, residual_sum, masses = point.objective, point.residual_sum, point.masses
        moved = np.zeros_like(point.intercept)
        slope = point.gradient + problem.penalty * point.weight
        enough = 0.1 * float(np.vdot(slope, slope)) / (2 * problem.penalty * max(objective, np.finfo(float).tiny))
        enough = max(enough, 4 * problem.epsilon)
        for _ in range(_MOST_SHIFTS):
            lacking = residual_sum / np.maximum(problem.shares + residual_sum, 1e-12)
            if lacking.max() <= enough:
                break
            scale = 1 / np.maximum(masses, np.maximum(1e-3 * problem.shares, 1e-12))
            step = history.direction(residual_sum, lambda change, scale=scale: change * scale)
            before = residual_sum
            _, residual_sum, masses = self._line.shift(step)
            moved += step
            history.add(step, residual_sum - before)
        if moved.any():
            self._line.aim(np.zeros_like(point.weight), np.zeros_like(moved))
            settled = self._point_after(0.0, point.weight, point.intercept + moved)
            self.point = settled if settled.objective <= objective * (1 + problem.epsilon) else point

    def _point_after(self, t, weight, intercept):
        problem = self._problem
        loss, gradient, residual_sum, masses = self._line.move(t)
        if problem.fit_intercept:
            gradient -= np.outer(residual_sum, problem.mean).astype(gradient.dtype)
        return _Point(problem, weight, intercept, loss, gradient, residual_sum, masses)

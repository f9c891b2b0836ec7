"""The state of a softmax fit on its way: the best point so far, its logits, and the steps that led there."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.solvers.certificate import duality_gap
from lastlayer.solvers.class_coupling import ClassCoupling, rows_for_coupling
from lastlayer.solvers.exact_step import exact_step
from lastlayer.solvers.lbfgs import StepHistory
from lastlayer.solvers.minorant import Sharpened, sharpened_gap
from lastlayer.solvers.optimum import LOOSE
from lastlayer.solvers.training_rows import Slope, Steps
from lastlayer.solvers.trial_step import trial_step

if TYPE_CHECKING:
    from lastlayer.solvers.softmax_regression import SoftmaxRegression

# Penalty that the preconditioner assumes at least, as a share of the typical curvature: without one, directions in
# which the features do not vary would have none.
_LEAST_PENALTY = 1e-6
# The change of F, as a share of F, that steps in bfloat16 do not see.
_COARSE_ROUNDING = 1e-5
# Passes over the logits, at most, that bring the intercepts to their optimum in the end.
_MOST_INTERCEPT_STEPS = 10
# Weights p (1 - p) leave out the rows that a class is sure of: their mean goes about half of the way from the common
# mean to the mean under p (measured: 0.4 to 0.8 cost the same number of passes, 0 and 1 cost a third more).
_STEP_TO_CLASS_MEAN = 0.5


class SearchState(NamedTuple):
    """Where a search stands, for one to go on from.

    weight: (K, D) and intercept: (K,), a head for the features as they are. steps: the last pairs of a step and the
    change of gradient that it brought, flat arrays, the oldest first. iterations: how many were taken.
    """

    weight: NDArray[Any]
    intercept: NDArray[Any]
    steps: tuple[tuple[NDArray[Any], NDArray[Any]], ...] = ()
    iterations: int = 0


class SoftmaxPoint:
    """A head, and the objective and its gradient there; weights for features about their mean."""

    weight: NDArray[Any]
    intercept: NDArray[np.float64]
    slope: Slope
    loss: float
    gradient: NDArray[Any]
    residual_sum: NDArray[np.float64]
    masses: NDArray[np.float64]
    objective: float
    objective_gradient: NDArray[Any]

    def __init__(
        self,
        problem: "SoftmaxRegression",
        weight: NDArray[Any],
        intercept: NDArray[np.float64],
        slope: Slope,
    ):
        self.weight, self.intercept, self.slope = weight, intercept, slope
        self.loss, self.gradient, self.residual_sum, self.masses = slope
        wide = weight.astype(np.float64, copy=False)
        self.objective = float(self.loss + 0.5 * problem.penalty * float(np.vdot(wide, wide)))
        # The gradient of the objective as one flat array.
        self.objective_gradient = (self.gradient + weight.dtype.type(problem.penalty) * weight).ravel()
        if problem.fit_intercept:
            self.objective_gradient = np.concatenate([self.objective_gradient, self.residual_sum.astype(weight.dtype)])

    def head(self, problem: "SoftmaxRegression") -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The weights and intercepts for the features as they are."""
        return self.weight, self.intercept - self.weight @ problem.mean

    def gap(self, problem: "SoftmaxRegression") -> float:
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


class SoftmaxSearch:
    """The state of a minimisation: the best point so far, its logits and the history of the steps that led there.

    Args:
      problem: SoftmaxRegression.
      start: where to start from; None starts from weight 0 and the classes' shares.
      coarse: whether steps may be rounded, until `refine` is called.

    Attributes:
      point: the best point so far.
      is_coarse: whether it comes from rounded steps: its loss is known to a few digits, and it certifies nothing.
    """

    point: SoftmaxPoint

    def __init__(self, problem: "SoftmaxRegression", start: SearchState | None, *, coarse: bool = False):
        self._problem = problem
        self._history = StepHistory()
        num_classes, num_features = problem.class_sums.shape
        self._line = problem.rows.line()
        # Where logits are kept, a step takes less than the products that rounding would spare.
        rounded = problem.rows.coarse_steps(problem.mean) if coarse and not self._line.keeps_logits else None
        self._steps: Steps = self._line if rounded is None else rounded
        self.is_coarse: bool = rounded is not None
        # Where logits are kept or features sparse, an iteration is too cheap to be spared.
        spared = problem.curvature.has_basis and not self._line.keeps_logits
        sample = rows_for_coupling(problem.rows.shape, num_classes) if spared else None
        self._sample = None if sample is None else problem.rows.take(sample)
        dtype = problem.rows.dtype
        if start is None:
            weight = np.zeros((num_classes, num_features), dtype)
            intercept = np.zeros(num_classes)
            probabilities = np.full(num_classes, 1 / num_classes)
            if problem.fit_intercept:
                # A class whose rows all weigh 0 has no share; its intercept starts low and stays finite.
                probabilities = np.maximum(problem.shares, 1e-6 / problem.rows.shape[0])
                intercept = np.log(probabilities)
                probabilities = probabilities / probabilities.sum()
            self._steps.set_head(weight, intercept)
            total = np.zeros(num_features) if problem.fit_intercept else problem.class_sums.sum(axis=0)
            loss = float(np.log(np.exp(intercept).sum()) - problem.shares @ intercept)
            gradient = (np.outer(probabilities, total) - problem.class_sums).astype(dtype)
            slope = Slope(loss, gradient, probabilities - problem.shares, probabilities * (1 - probabilities))
            self.point = SoftmaxPoint(problem, weight, intercept, slope)
        else:
            weight = np.array(start.weight - np.mean(start.weight, axis=0), dtype)
            intercept = np.asarray(start.intercept, np.float64) + weight @ problem.mean
            intercept = intercept if problem.fit_intercept else np.zeros(num_classes)
            self.point = self._point_at(weight, intercept)
            for step, change in start.steps:
                self._history.add(step.astype(dtype, copy=False), change.astype(dtype, copy=False))

    @property
    def rounding(self) -> float:
        """The change of F, as a share of F, that rounding hides."""
        # Rounding of the losses averages out over rows: what is left is far below one unit of the dtype.
        return _COARSE_ROUNDING if self.is_coarse else 0.1 * self._problem.epsilon

    def refine(self) -> bool:
        """Go on from the point with steps that are not rounded; False if they are none already."""
        if not self.is_coarse:
            return False
        self._steps = self._line
        self.point = self._point_at(self.point.weight, self.point.intercept)
        self.is_coarse = False
        return True

    def state(self, iterations: int) -> SearchState:
        """The SearchState that a search may go on from, after so many iterations."""
        return SearchState(*self.point.head(self._problem), self._history.pairs(), iterations)

    def set_penalty(self, penalty: float) -> None:
        """Go on from the point, and from what is known of the curvature, with another penalty; it takes no pass."""
        problem, point = self._problem, self.point
        self._history.add_ridge(penalty - problem.penalty, point.weight.size)
        problem.penalty = penalty
        self.point = SoftmaxPoint(problem, point.weight, point.intercept, point.slope)

    def direction(self) -> tuple[NDArray[Any], float, float]:
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
        coupling = None
        if self._sample is not None and point.weight.any():
            coupling = ClassCoupling.of_rows(self._sample, *point.head(problem), masses)

        def precondition(flat):
            weight, intercept = problem.curvature.solve(*self._split(flat), masses, centres, penalty, coupling)
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

    def advance(self, flat: NDArray[Any]) -> bool:
        """Go to a lower point along a direction; False if rounding hides any decrease."""
        problem, point = self._problem, self.point
        weight, intercept = self._split(flat)
        intercept = np.zeros(point.intercept.size) if intercept is None else intercept.astype(np.float64)
        self._steps.set_direction(weight, intercept - weight @ problem.mean)
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
            self._steps.set_head(before.weight, before.intercept - before.weight @ problem.mean)
            trial = self._point_after(t, before.weight + dtype(t) * weight, before.intercept + t * intercept)
            return trial, trial.objective, float(np.vdot(trial.objective_gradient, flat))

        slope = float(np.vdot(before.objective_gradient, flat))
        found = trial_step(attempt, before.objective, slope)
        if found is not None:
            self.point, t = found
        self._steps.set_head(self.point.weight, self.point.intercept - self.point.weight @ problem.mean)
        if found is None:
            return False
        self._history.add(dtype(t) * flat, self.point.objective_gradient - before.objective_gradient)
        return True

    def optimise_intercepts(self, predicted_decrease: float) -> None:
        """Bring the intercepts to their optimum for the weights as they are, as far as the certificate asks for it.

        What they lack costs the duality gap its first order, and F only its second. L-BFGS on the logits takes no
        product with the features but the last, for the gradient. Where logits are not kept each of its steps takes one,
        and where the weights alone leave the gap loose beside the decrease that is predicted, nothing is won by them.
        """
        problem, point, history = self._problem, self.point, StepHistory()
        if not problem.fit_intercept:
            return
        objective, residual_sum, masses = point.objective, point.residual_sum, point.masses
        moved = np.zeros_like(point.intercept)
        gradient = point.gradient + problem.penalty * point.weight
        of_weights = float(np.vdot(gradient, gradient)) / (2 * max(problem.penalty, np.finfo(float).tiny))
        if not self._line.keeps_logits and problem.penalty > 0 and of_weights > LOOSE * predicted_decrease:
            return
        allowed = 0.1 * of_weights
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

    def sharpened_gap(self, iterations: int) -> Sharpened:
        """A bound on F - F* at the best head and an estimate of it, for the price of a few passes at most."""
        return sharpened_gap(self._problem, self.point, self._line, iterations)

    def _point_at(self, weight, intercept):
        """The point of any head."""
        self._steps.set_head(weight, intercept - weight @ self._problem.mean)
        self._steps.set_direction(np.zeros_like(weight), np.zeros_like(intercept))
        return self._point_after(0.0, weight, intercept)

    def _point_after(self, t, weight, intercept):
        problem = self._problem
        slope = self._steps.step(t)
        if problem.fit_intercept:
            moved = np.outer(slope.residual_sum, problem.mean).astype(slope.gradient.dtype)
            slope = slope._replace(gradient=slope.gradient - moved)
        return SoftmaxPoint(problem, weight, intercept, slope)

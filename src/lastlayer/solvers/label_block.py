"""Labels that are fitted side by side: their heads, logits and steps, each label's its own."""

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lastlayer.solvers.certificate import duality_gap
from lastlayer.solvers.exact_step import exact_steps
from lastlayer.solvers.lbfgs import StepHistories

if TYPE_CHECKING:
    from lastlayer.solvers.sigmoid_regression import SigmoidRegression

# Penalty that the preconditioner assumes at least, as a share of the typical curvature.
_LEAST_PENALTY = 1e-6
# The mean under p (1 - p) goes about so far to the mean under the rarer answer.
_STEP_TO_ANSWER_MEAN = 0.5


class Ended(Protocol):
    """Where labels go that have ended."""

    interrupted: bool

    def progress(self, state: "LabelState", /) -> None:
        """An iteration begins at this state."""

    def tell(
        self, state: "LabelState", stopped: Any, which: NDArray[np.bool_], predicted: NDArray[np.float64], /
    ) -> None:
        """The labels of a state where `which` is true have ended, for such reasons, at such predicted decreases."""


class LabelState(NamedTuple):
    """Heads of some labels and what is known there; weights for features about their mean.

    labels: (B,). penalty: (B,) lambda. weight: (B, D). intercept, loss, objective, mass (the mean of p (1 - p)): (B,)
    float64. gradient: (B, D) or, with an intercept, (B, D + 1), of the objective. idle: (B,) iterations without
    progress. iterations: so far.
    """

    labels: NDArray[np.int64]
    penalty: NDArray[np.float64]
    weight: NDArray[Any]
    intercept: NDArray[np.float64]
    loss: NDArray[np.float64]
    objective: NDArray[np.float64]
    mass: NDArray[np.float64]
    gradient: NDArray[Any]
    idle: NDArray[np.int64]
    iterations: int

    def kept(self, which: Any) -> "LabelState":
        """Of these labels, a boolean array."""
        return self._replace(**{name: part[which] for name, part in self._asdict().items() if name != "iterations"})

    def residual_sum(self, problem: "SigmoidRegression") -> NDArray[np.float64]:
        """sum_i s_ik (p_ik - y_ik), (B,)."""
        return self.gradient[:, -1].astype(np.float64) if problem.fit_intercept else np.zeros(len(self.labels))

    def loss_gradient(self) -> NDArray[np.float64]:
        """The gradient of the loss alone by the weights, (B, D) float64."""
        num_features = self.weight.shape[1]
        return self.gradient[:, :num_features] - self.penalty[:, None] * self.weight

    def gap(self, problem: "SigmoidRegression") -> NDArray[np.float64]:
        """Bounds on F - F*, (B,): the same as of the softmax of two opposite heads under twice the penalty.

        There features are about the mean under the label's own weights, which its factors move from the common one.
        """
        residual, gradient, weight = self.residual_sum(problem), self.loss_gradient(), self.weight / 2
        shares = problem.shares[self.labels, None]
        away = problem.sums[self.labels] if problem.fit_intercept else np.zeros(weight.shape)
        gradient = gradient - residual[:, None] * away
        intercept = self.intercept / 2 + np.vecdot(weight.astype(np.float64), away)
        sums = problem.sums_of_yes[self.labels] - shares * away
        others = -sums if problem.fit_intercept else problem.sums[self.labels] - sums
        return duality_gap(
            self.loss,
            _opposite(weight),
            _opposite(intercept) if problem.fit_intercept else None,
            _opposite(gradient),
            _opposite(residual),
            np.stack([others, sums], axis=1),
            np.concatenate([1 - shares, shares], axis=1),
            2 * self.penalty,
        )


def state_at_start(problem: "SigmoidRegression", labels: NDArray[np.int64]) -> LabelState:
    """The state at weights of 0, where every row has the same logit: what is known of the labels gives it."""
    shares, intercept = problem.shares[labels], problem.start_of_intercepts()[labels]
    weight = np.zeros((len(labels), problem.rows.shape[1]), problem.rows.dtype)
    weighs = problem.total_weight[labels] > 0
    p = weighs * expit(intercept)
    loss = weighs * np.logaddexp(0, intercept) - shares * intercept
    gradient = (p[:, None] * problem.sums[labels] - problem.sums_of_yes[labels]).astype(weight.dtype)
    if problem.fit_intercept:
        gradient = np.column_stack([gradient, (p - shares).astype(weight.dtype)])
    penalty, idle = problem.penalty[labels], np.zeros(len(labels), np.int64)
    return LabelState(labels, penalty, weight, intercept, loss, loss.copy(), p * (1 - p), gradient, idle, 0)


class LabelBlock:
    """Labels that are fitted side by side."""

    state: LabelState

    def __init__(
        self,
        problem: "SigmoidRegression",
        labels: NDArray[np.int64],
        start: tuple[NDArray[Any], NDArray[Any]] | None,
    ):
        self._problem, dtype = problem, problem.rows.dtype
        self._line = problem.rows.line(labels, problem.factors[labels])
        self._history = StepHistories()
        if start is None:
            self.state = state_at_start(problem, labels)
            self._line.set_offsets(self.state.intercept)
            return
        weight = np.array(start[0][labels], dtype)
        intercept = start[1][labels] + weight @ problem.mean if problem.fit_intercept else np.zeros(len(labels))
        self._line.set_heads(weight, self._offset(weight, intercept))
        nothing, idle = np.zeros(len(labels)), np.zeros(len(labels), np.int64)
        self.state = self._state_after(labels, problem.penalty[labels], nothing, weight, intercept, idle, 0)

    def run(self, ended: "Ended", tol: float, max_iter: int) -> None:
        """Until every label has ended, or the fit is interrupted."""
        while self.state.labels.size and not ended.interrupted:
            ended.progress(self.state)
            state, (direction, predicted) = self.state, self.proposal()
            share = predicted / np.maximum(state.objective, np.finfo(float).tiny)
            norm = np.abs(state.gradient).max(axis=1)
            stopped = np.full(len(state.labels), "", object)
            near = (share <= 0.01 * tol) | ((norm <= 0.45 * tol) & (share <= 100 * tol))
            unsure = near & (share > 1e-5 * tol)
            near[unsure] = state.kept(unsure).gap(self._problem) <= tol * state.objective[unsure]
            stopped[near] = "converged"
            stopped[(norm <= 0.45 * tol) & (state.loss < self._problem.loss_of_separable[state.labels])] = "separable"
            stopped[~(predicted >= 0) | (state.idle >= 2)] = "noise"
            stopped[(stopped == "") & (state.iterations >= max_iter)] = "max_iter"
            over = stopped != ""
            if over.any():
                ended.tell(state, stopped, over, predicted)
                self._keep(~over)
                direction = direction[~over]
            if self.state.labels.size:
                self.advance(direction)

    def proposal(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """A direction (B, P) for each label, and the decrease that its quadratic model predicts, (B,)."""
        direction = self._history.direction(self.state.gradient, self._preconditioner())
        return direction, -0.5 * _dots(self.state.gradient, direction)

    def set_penalty(self, penalty: NDArray[np.float64]) -> None:
        """Make `penalty` (B,) that of the next iterations; it takes no pass over the rows."""
        state, more = self.state, penalty - self.state.penalty
        gradient, num_features = state.gradient.copy(), state.weight.shape[1]
        gradient[:, :num_features] += more[:, None].astype(gradient.dtype) * state.weight
        objective = state.loss + 0.5 * penalty * _dots(state.weight, state.weight)
        self._history.add_ridge(more, num_features)
        self.state = state._replace(penalty=penalty, gradient=gradient, objective=objective)

    def head(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Weights (B, D) and intercepts (B,) for the features as they are."""
        state = self.state
        return state.weight, state.intercept - state.weight.astype(np.float64) @ self._problem.mean

    def _keep(self, which):
        """Drop the other labels."""
        self._line.keep(which)
        self._history.keep(which)
        self.state = self.state.kept(which)

    def _preconditioner(self):
        """The approximate inverse Hessians at the heads, a function of gradients (B, P)."""
        problem, state = self._problem, self.state
        shares = problem.shares[state.labels]
        masses = np.maximum(state.mass, np.maximum(1e-3 * shares * (1 - shares), 1e-12))
        predicted = np.clip(shares + state.residual_sum(problem), 1e-12, 1 - 1e-12)
        # Under p for a rare label, under 1 - p for a common one, and nowhere where it is even.
        towards = _STEP_TO_ANSWER_MEAN * (1 - 2 * predicted) / (1 - predicted)
        under_p = (problem.sums_of_yes[state.labels] + state.loss_gradient()) / predicted[:, None]
        centres = (towards[:, None] * under_p).astype(state.weight.dtype)
        least = _LEAST_PENALTY * problem.curvature.typical * masses
        penalty = np.maximum(state.penalty, least)
        num_features = state.weight.shape[1]

        def precondition(gradient):
            intercept = gradient[:, num_features] if problem.fit_intercept else None
            weight, intercept = problem.curvature.solve(gradient[:, :num_features], intercept, masses, centres, penalty)
            if intercept is None:
                return weight
            return np.column_stack([weight, intercept.astype(weight.dtype)])

        return precondition

    def advance(self, direction: NDArray[Any]) -> None:
        """Go to the best point of each label along its direction."""
        problem, state = self._problem, self.state
        labels, dtype = state.labels, state.weight.dtype
        weight = direction[:, : state.weight.shape[1]]
        intercept = direction[:, -1].astype(np.float64) if problem.fit_intercept else np.zeros(len(labels))
        self._line.set_directions(weight, self._offset(weight, intercept))
        penalty = state.penalty
        linear, square = penalty * _dots(state.weight, weight), penalty * _dots(weight, weight)
        at_zero = state.objective - state.loss

        def along(which, steps):
            sums = self._line.evaluate(which, steps.astype(dtype))
            t, linear_here, square_here = steps, linear[which], square[which]
            sums[:, 0] += at_zero[which] + t * linear_here + 0.5 * t * t * square_here
            sums[:, 1] += linear_here + t * square_here
            sums[:, 2] += square_here
            return sums

        steps = exact_steps(along, state.objective).astype(dtype)
        moved = self._state_after(
            labels,
            penalty,
            steps,
            state.weight + steps[:, None] * weight,
            state.intercept + steps * intercept,
            state.idle,
            state.iterations + 1,
        )
        # Rounding of the losses averages out over rows: what is left is far below one unit of the dtype.
        progress = state.objective - moved.objective > 0.1 * problem.epsilon * state.objective
        idle = np.where(progress, 0, state.idle + np.where(steps > 0, 1, 2))
        self.state = moved._replace(idle=idle)
        self._history.add(steps[:, None] * direction, moved.gradient - state.gradient)

    def _state_after(self, labels, penalty, steps, weight, intercept, idle, iterations):
        """The logits go `steps` along the direction, which becomes the slopes there."""
        problem = self._problem
        loss, gradient, residual_sum, mass = self._line.step(steps.astype(weight.dtype))
        gradient -= np.outer(residual_sum, problem.mean).astype(gradient.dtype)
        gradient += penalty[:, None].astype(weight.dtype) * weight
        if problem.fit_intercept:
            gradient = np.column_stack([gradient, residual_sum.astype(gradient.dtype)])
        objective = loss + 0.5 * penalty * _dots(weight, weight)
        return LabelState(labels, penalty, weight, intercept, loss, objective, mass, gradient, idle, iterations)

    def _offset(self, weight, intercept):
        """What the logits of features as they are get besides, for weights and intercepts of those about their mean."""
        return intercept - weight.astype(np.float64) @ self._problem.mean


def _opposite(numbers):
    """(B, ...) as the two classes of a softmax, (B, 2, ...)."""
    return np.stack([-numbers, numbers], axis=1)


def _dots(left, right):
    """The inner products of rows, in float64."""
    return np.einsum("kp,kp->k", left, right, dtype=np.float64)

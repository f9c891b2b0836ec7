"""Softmax regression by sampled negatives: stochastic descent whose steps cost the same for any number of classes.

    F(W, b) = sum_i s_i CE(x_i W' + b, y_i) / sum_i s_i + lambda/2 ||W||²,   the intercept b free.

A step takes a minibatch of shuffled rows and one draw of candidates for all of them. The sum of exponentials over all
classes is estimated by the label's own and the candidates', each divided by its expected count; a label is always
scored, so its expected count is 1. (Where one assumes, as in Jean et al. 2015, that the label's logit is corrected
like a candidate's, the optimum is the same without a penalty, but gradients are smaller, so that the same penalty
counts for more: on 150 intents with C = 1 and S = 30, a log-loss of 0.92 in place of the optimum's 0.54; so, 0.53.)

Steps are those of RowAdaGrad in the coordinates of a FeatureBasis, and the head that is looked at is the average of
the last quarter or so of the iterates. Some rows are held out: after every interval their full softmax log-loss tells
how good it is, and the fit ends where that falls no more. Whatever is random is a function of the seed and the number
of the step, so that a fit that goes on from a saved state is the same bit for bit, on any number of threads.
decisions/0011-sampled-fit.md has the figures.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._blas import on_one_blas_thread
from lastlayer._stopwatch import stopwatch
from lastlayer.linear import FeatureMatrix
from lastlayer.losses import linear_cross_entropy, sampled_cross_entropy_value_and_grad
from lastlayer.samplers import Candidates, Sampler, Unigram
from lastlayer.solvers.feature_basis import FeatureBasis
from lastlayer.solvers.row_adagrad import RowAdaGrad
from lastlayer.solvers.softmax_regression import Optimum

# Rows of a minibatch at most and at least, and minibatches of a pass at least where there are rows enough.
_MOST_ROWS, _FEWEST_ROWS, _FEWEST_STEPS = 512, 16, 128
# Held-out rows: a share of all, more of few, and no more than this, or than this many scores.
_HELD_OUT, _HELD_OUT_OF_FEW, _MOST_HELD_OUT, _MOST_SCORES = 0.02, 200, 10_000, 1 << 31
# An interval is a pass or as many steps as these at most, but no less work than so many evaluations.
_MOST_STEPS, _EVALUATIONS = 16_384, 4
# Intervals without progress after which a fit ends.
_PATIENCE = 3
# First step of a row, in coordinates of variance 1.
_RATE = 1.0
# What a class that no row has counts as in the sampler, in rows.
_LEAST_COUNT = 0.5
# Streams of random numbers.
_SPLIT, _ORDER, _CANDIDATES = 0, 1, 2


@dataclass(eq=False)
class SampledState:
    """Where a sampled fit stands after an interval; heads are for the coordinates of the basis.

    Attributes:
      weight, average, best: (K, D) the iterate, the average of iterates, and the average of least held-out log-loss.
      bias, average_bias, best_bias: (K,) their biases.
      squares: (K,) sums of squared gradients.
      mean, axes, scale: of the FeatureBasis.
      steps: taken so far.
      log_loss: of the average, on held-out rows, in nats.
      best_log_loss: the least so far.
      reference: the least so far that was lower than the one before by more than tolerance.
      idle: intervals since then.
    """

    weight: NDArray[Any]
    bias: NDArray[np.float64]
    average: NDArray[Any]
    average_bias: NDArray[np.float64]
    best: NDArray[Any]
    best_bias: NDArray[np.float64]
    squares: NDArray[np.float64]
    mean: NDArray[Any]
    axes: NDArray[Any]
    scale: NDArray[Any]
    steps: int = 0
    log_loss: float = math.inf
    best_log_loss: float = math.inf
    reference: float = math.inf
    idle: int = 0


class SampledSoftmaxRegression:
    """The data of a sampled fit and how it is cut into steps; X is not copied, but for the rows of a minibatch.

    Args:
      features: DenseFeatures or SparseFeatures, (N, D).
      labels: (N,) int64 in 0..num_classes - 1.
      row_weight: (N,) float64 >= 0, not all 0.
      num_classes: K >= 2.
      penalty: lambda of the objective with weights that sum to 1.
      fit_intercept: whether there is an intercept.
      num_candidates: S, below K.
      sampler: a Sampler of K classes, or None for Unigram by the weights of the classes.
      seed: that decides everything random.
    """

    features: FeatureMatrix
    labels: NDArray[np.int64]
    penalty: float
    fit_intercept: bool
    num_classes: int
    num_candidates: int
    seed: int
    rows: NDArray[Any]
    held_out: NDArray[Any]
    weight: NDArray[np.float64]
    shares: NDArray[np.float64]
    sampler: Sampler
    steps_per_pass: int
    rows_per_step: int
    steps_per_interval: int

    def __init__(
        self,
        features: FeatureMatrix,
        labels: NDArray[np.int64],
        row_weight: NDArray[np.float64],
        num_classes: int,
        penalty: float,
        *,
        fit_intercept: bool,
        num_candidates: int,
        sampler: Sampler | None,
        seed: int,
    ):
        self.features, self.labels, self.penalty, self.fit_intercept = features, labels, penalty, fit_intercept
        self.num_classes, self.num_candidates, self.seed = num_classes, num_candidates, seed
        positive = np.flatnonzero(row_weight).astype(np.int32 if len(labels) < 1 << 31 else np.int64)
        self._generator(_SPLIT).shuffle(positive)
        count = len(positive)
        held = min(
            max(int(_HELD_OUT * count), min(count // 5, _HELD_OUT_OF_FEW)),
            max(1, _MOST_SCORES // num_classes),
            _MOST_HELD_OUT,
        )
        self.rows = positive[held:]
        # One row is all there may be.
        self.held_out = positive[: max(1, held)]
        self.weight = row_weight / row_weight[self.rows].mean()
        counts = np.bincount(labels[self.rows], self.weight[self.rows], num_classes)
        self.shares = np.maximum(counts, _LEAST_COUNT) / counts.sum()
        self.sampler = Unigram(np.maximum(counts, _LEAST_COUNT)) if sampler is None else sampler
        size = min(max(len(self.rows) // _FEWEST_STEPS, _FEWEST_ROWS), _MOST_ROWS, len(self.rows))
        self.steps_per_pass = -(-len(self.rows) // size)
        self.rows_per_step = size
        evaluations = _EVALUATIONS * 2 * len(self.held_out) * num_classes / (6 * size * (num_candidates + 1))
        self.steps_per_interval = max(min(self.steps_per_pass, _MOST_STEPS), math.ceil(evaluations))
        self._order = (-1, self.rows)

    def start(self, head: tuple[NDArray[Any], NDArray[Any]] | None = None) -> SampledState:
        """The state before the first step: that of a head (weight, intercept) for the features, or of no weights."""
        basis = FeatureBasis.of_rows(
            *(self.features, self.rows, self.weight),
            centred=self.fit_intercept,
            ridge=self.penalty * self.num_classes,
        )
        shape, dtype = (self.num_classes, self.features.shape[1]), self.features.dtype
        if head is None:
            weight = np.zeros(shape, dtype)
            bias = np.log(self.shares) if self.fit_intercept else np.zeros(self.num_classes)
        else:
            weight, bias = basis.of_head(np.asarray(head[0], dtype), head[1])
            bias = bias if self.fit_intercept else np.zeros_like(bias)
        # What one example of a class adds to its gradient: classes that are only ever negatives move by less.
        squares = np.full(self.num_classes, shape[1] / self.rows_per_step**2)
        return SampledState(
            *(weight, bias, weight.copy(), bias.copy(), weight.copy(), bias.copy(), squares),
            *(basis.mean, basis.axes, basis.scale),
        )

    def minibatch(self, step: int) -> NDArray[Any]:
        """The rows of a step, from 1 on: every row once in a pass."""
        number, place = divmod(step - 1, self.steps_per_pass)
        if self._order[0] != number:
            order = self.rows.copy()
            self._generator(_ORDER, number).shuffle(order)
            self._order = (number, order)
        first, last = (len(self.rows) * i // self.steps_per_pass for i in (place, place + 1))
        return self._order[1][first:last]

    def candidates(self, step: int) -> Candidates:
        """The candidates of a step."""
        drawn = self.sampler.sample(self.num_candidates, self._generator(_CANDIDATES, step))
        return Candidates(drawn.indices, drawn.log_expected_count, _always_scored)

    def _generator(self, *stream):
        return np.random.default_rng([self.seed, *stream])


def descend(
    problem: SampledSoftmaxRegression,
    state: SampledState,
    *,
    tol: float,
    max_passes: int,
    report: Callable[[Optimum], object] | None = None,
    save: Callable[[SampledState], object] | None = None,
) -> tuple[NDArray[Any], NDArray[np.float64], Optimum, BaseException | None]:
    """Descend until the held-out log-loss falls no more, or for so many passes over the rows.

    It falls no more where three intervals in a row have not brought the least log-loss down by more than tol times
    itself. A KeyboardInterrupt ends it at the best head so far, and so does an OSError that `save` raises.

    Args:
      problem: SampledSoftmaxRegression.
      state: where to begin; it is overwritten.
      tol: accuracy, > 0.
      max_passes: at most.
      report: called with an Optimum of the held-out log-loss after every interval.
      save: called with the state after every interval.
    Returns: weight (K, D) and intercept (K,) for the features, an Optimum, and what `save` raised or None.
    """
    return on_one_blas_thread(_descend, problem, state, tol, max_passes, report, save)


def _descend(problem, state, tol, max_passes, report, save):
    seconds = stopwatch()
    basis = FeatureBasis(state.mean, state.axes, state.scale)
    stopped, failure = "max_iter", None

    def optimum(objective):
        passes = -(-state.steps // problem.steps_per_pass)
        return Optimum(objective, math.nan, math.inf, passes, seconds(), stopped)

    run, last = _Run(problem, state, basis), max_passes * problem.steps_per_pass
    try:
        while state.steps < last and state.idle < _PATIENCE:
            run.interval(tol, last)
            if report is not None:
                report(optimum(state.log_loss))
            if save is not None:
                save(state)
        if state.idle >= _PATIENCE:
            stopped = "held_out"
    except KeyboardInterrupt:
        stopped = "interrupted"
    except OSError as raised:
        stopped, failure = "unwritable", raised
    if state.best_log_loss == math.inf:
        run.evaluate(tol)  # interrupted before the first time
    square = float(np.einsum("kd,kd,d->", state.best, state.best, np.square(state.scale), dtype=np.float64))
    best, bias = basis.head(state.best, state.best_bias)
    return best, bias, optimum(state.best_log_loss + 0.5 * problem.penalty * square), failure


class _Run:
    """The steps of a fit and the log-loss of its held-out rows."""

    def __init__(self, problem, state, basis):
        self._problem, self._state, self._basis = problem, state, basis
        num_features = problem.features.shape[1]
        self._metric = np.ones(num_features)
        self._penalty = problem.penalty * np.square(state.scale, dtype=np.float64)
        held = problem.held_out
        self._held_out = basis.coordinates(problem.features.take(held))
        self._labels, self._weight = problem.labels[held], problem.weight[held]
        touched = np.full(problem.num_classes, state.steps)
        self._descent = RowAdaGrad(
            *(state.weight, state.bias, (state.average, state.average_bias), state.squares, touched),
            steps=state.steps,
            rate=_RATE,
        )

    def interval(self, tol, last):
        """The steps of one interval, not beyond the last, and what they have brought."""
        first = self._descent.steps + 1
        for step in range(first, min(first + self._problem.steps_per_interval, last + 1)):
            self._step(step)
        self.evaluate(tol)

    def _step(self, step):
        problem, state = self._problem, self._state
        rows = problem.minibatch(step)
        coordinates = self._basis.coordinates(problem.features.take(rows))
        result = sampled_cross_entropy_value_and_grad(
            *(coordinates, state.weight, problem.labels[rows], problem.candidates(step)),
            bias=state.bias,
            sample_weight=problem.weight[rows] / len(rows),
        )
        self._descent.step(
            result.weight, result.bias.values if problem.fit_intercept else None, self._metric, self._penalty
        )

    def evaluate(self, tol):
        """The full softmax log-loss of the averaged head on the held-out rows, and whether it is the best so far."""
        state = self._state
        state.steps = self._descent.steps
        self._descent.settle(self._metric, self._penalty)
        losses = linear_cross_entropy(self._held_out, state.average, self._labels, bias=state.average_bias)
        state.log_loss = float(np.average(losses, weights=self._weight))
        if state.log_loss < state.best_log_loss:
            state.best[...], state.best_bias[...] = state.average, state.average_bias
            state.best_log_loss = state.log_loss
        if state.log_loss < state.reference * (1 - tol):
            state.reference, state.idle = state.log_loss, 0
        else:
            state.idle += 1


def _always_scored(labels):
    """The logarithm of the expected count of labels: each is scored once, whatever was drawn."""
    return np.zeros(labels.shape)

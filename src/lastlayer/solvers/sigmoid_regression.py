"""Logistic regressions of many labels on the same features, each to its own optimum.

    F_k(w, b) = sum_i s_ik BCE(x_i w + b, y_ik) + lambda_k/2 ||w||²,   sum_i s_ik = 1,   the intercept b free.

The labels of a block take their steps side by side, so that products with the features are matrix products; the
curvature is decomposed once for all. Each label has its own L-BFGS history, exact step, tolerance and certificate, as a
class would in `softmax_regression`, and leaves the block when it has converged. Threads share the blocks, whose sizes
follow from the shapes alone: the same bits on any number of threads.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._blas import on_one_blas_thread
from lastlayer._stopwatch import stopwatch
from lastlayer._threads import run_blocks
from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.label_block import LabelBlock, LabelState, state_at_start
from lastlayer.solvers.label_rows import LabelRows
from lastlayer.solvers.softmax_regression import Optimum

# Labels of a block that threads share at least.
_FEWEST_LABELS = 16
# A block is at most this share of the labels that are left, so that threads end at about the same time; and at least
# this share of all, since a few labels take almost the time of many.
_SHARE_OF_LEFT, _SHARE_OF_ALL = 0.25, 1 / 32


class SigmoidRegression:
    """The data of many labels' fits and what is known of it beforehand.

    Args:
      rows: LabelRows.
      factors: (K, 2) float64 >= 0, what multiplies the weight of a row without and with the label.
      C: inverse strength of the penalty, of C sum_i s_ik BCE + ||w||²/2 for the weights as they are given.
      fit_intercept: whether there are intercepts.
      generator: numpy.random.RandomState that samples the rows of which the features' covariance is taken.
      curvature: that of rows like these, in place of a decomposition of their own; None takes one.

    Attributes:
      shares: (K,) sum_i s_ik y_ik.
      constant: (K,) whether no row of weight has the label, or every one; a factor of 0 takes rows their weight.
      penalty: (K,) lambda.
      total_weight: (K,) sum of the weights as they are given, 0 where no row has any.
      factors: (K, 2) as given, but for weights s_ik that sum to 1.
    """

    rows: LabelRows
    fit_intercept: bool
    epsilon: float
    shares: NDArray[np.float64]
    constant: NDArray[np.bool_]
    penalty: NDArray[np.float64]
    total_weight: NDArray[np.float64]
    loss_of_separable: NDArray[np.float64]
    factors: NDArray[np.float64]
    mean: NDArray[np.float64]
    sums_of_yes: NDArray[np.float64]
    sums: NDArray[np.float64]
    curvature: Curvature

    def __init__(
        self,
        rows: LabelRows,
        factors: NDArray[np.float64],
        C: float,
        *,
        fit_intercept: bool,
        generator: np.random.RandomState,
        curvature: Curvature | None = None,
    ):
        self.rows, self.fit_intercept = rows, fit_intercept
        self.epsilon = float(np.finfo(rows.dtype).eps)
        none, every = rows.counts == 0, rows.counts == rows.weighing
        with_label = np.where(every, 1.0, rows.shares)
        # Rows that a factor of 0 takes the weight of are as good as absent.
        self.constant = none | every | (factors == 0).any(axis=1)
        totals = factors[:, 0] * (1 - with_label) + factors[:, 1] * with_label
        self.factors = factors / np.where(totals > 0, totals, 1.0)[:, None]
        self.shares = self.factors[:, 1] * with_label
        self.total_weight = rows.total * totals
        self.penalty = self.penalty_of(C)
        # A loss below every row's ln 2 has every row's answer above one half.
        lightest = rows.lightest * self.factors.min(axis=1)
        self.loss_of_separable = np.where(self.penalty > 0, 0.0, lightest * np.log(2))
        of_all = rows.feature_sum()
        self.mean = of_all if fit_intercept else np.zeros_like(of_all)
        of_yes = rows.label_sums() - np.outer(with_label, self.mean)
        no, yes = self.factors[:, :1], self.factors[:, 1:]
        self.sums_of_yes = yes * of_yes
        self.sums = (yes - no) * of_yes + no * (of_all - self.mean)
        self.curvature = rows.curvature(self.mean, generator) if curvature is None else curvature

    def constant_intercepts(self) -> NDArray[np.float64]:
        """The logits of half a row among one more than there are, or of all but that, (K,), for constant labels."""
        rare = math.log(2 * self.rows.weighing + 1)
        return np.where(self.shares > 0, rare, -rare)

    def penalty_of(self, C: float) -> NDArray[np.float64]:
        """Lambda of each label, (K,), for a C."""
        return 1 / np.maximum(C * self.total_weight, np.finfo(float).tiny)

    def start_of_intercepts(self) -> NDArray[np.float64]:
        """The logits of the labels' shares, or zeros where there are no intercepts."""
        if not self.fit_intercept:
            return np.zeros(len(self.shares))
        shares = np.clip(self.shares, 1e-12, 1 - 1e-12)
        return np.log(shares) - np.log1p(-shares)


@dataclass(frozen=True, eq=False)
class SigmoidHead:
    """Heads of all labels and what is known of them: weight (K, D), intercept (K,) float64, and an Optimum for each.

    That of a label which has not ended says "interrupted".
    """

    weight: NDArray[Any]
    intercept: NDArray[np.float64]
    optima: list[Optimum]

    def ended(self) -> dict[int, Optimum]:
        """The optima of labels that have ended, by label."""
        return {k: optimum for k, optimum in enumerate(self.optima) if optimum.stopped != "interrupted"}


def minimise_labels(
    problem: SigmoidRegression,
    *,
    tol: float,
    max_iter: int,
    start: tuple[NDArray[Any], NDArray[Any]] | None = None,
    ended: Mapping[int, Optimum] | None = None,
    report: Callable[[int, int], object] | None = None,
    keep: Callable[[Callable[[], SigmoidHead]], object] | None = None,
) -> SigmoidHead:
    """Minimise each label's objective until `tol` is met, as `minimise` says it, or for `max_iter` iterations.

    A label that is constant where there is an intercept has no optimum: its weights are 0, and its intercept gives it
    the probability of half a row among one more than there are; its Optimum has stopped as "constant". A
    KeyboardInterrupt ends the search at the best heads so far.

    Args:
      problem: SigmoidRegression.
      tol: accuracy, > 0.
      max_iter: iterations of a label at most.
      start: (weight (K, D), intercept (K,)) to start from; None starts from weight 0 and the labels' shares.
      ended: labels whose head at `start` is an optimum already, with what is known of it.
      report: called with the number of labels that have ended and of all before each iteration, from any thread.
      keep: of rows that take turns, called before each iteration with a function that makes the head as it stands.
    """
    return on_one_blas_thread(_minimise_labels, problem, tol, max_iter, start, ended or {}, report, keep)


def _minimise_labels(problem, tol, max_iter, start, known, report, keep):
    ended = _Ended(problem, start, known, report, keep)
    blocks = blocks_of(problem, np.flatnonzero(~ended.told))
    states: list[LabelState] = []

    def work(first, last):
        for labels in blocks[first:last]:
            if ended.interrupted:
                return
            block = LabelBlock(problem, labels, start)
            try:
                block.run(ended, tol, max_iter)
            except KeyboardInterrupt:
                ended.interrupted = True
            finally:
                states.append(block.state)  # the block itself holds the logits of all rows

    try:
        if problem.rows.takes_turns:
            work(0, len(blocks))
        else:
            run_blocks(work, len(blocks), items_per_block=1, blocks_per_thread=len(blocks))
    except KeyboardInterrupt:
        ended.interrupted = True
    left = np.flatnonzero(~ended.told)
    if start is None and left.size:
        states.append(state_at_start(problem, left))  # of labels that no block has come to
    for state in states:
        ended.tell(state, "interrupted", ~ended.told[state.labels])
    return ended.head()


def blocks_of(problem: SigmoidRegression, labels: NDArray[np.int64] | None = None) -> list[NDArray[np.int64]]:
    """The labels that are fitted, of `labels` or of all, in blocks of those that are fitted side by side.

    The largest come first.
    """
    rows, most = problem.rows, problem.rows.labels_at_once
    left = np.arange(rows.num_labels) if labels is None else labels
    if problem.fit_intercept:
        left = left[~problem.constant[left]]
    if rows.takes_turns:
        return np.array_split(left, -(-left.size // most)) if left.size else []
    fewest = max(_FEWEST_LABELS, math.ceil(_SHARE_OF_ALL * left.size))
    blocks = []
    while left.size:
        size = min(most, max(fewest, math.ceil(_SHARE_OF_LEFT * left.size)))
        blocks.append(left[:size])
        left = left[size:]
    return blocks


class _Ended:
    """The heads of labels that have ended, and at first of those that are not fitted."""

    def __init__(self, problem, start, known, report, keep):
        num_labels, num_features, dtype = problem.rows.num_labels, problem.rows.shape[1], problem.rows.dtype
        self._problem, self._seconds, self._report, self._keep = problem, stopwatch(), report, keep
        if start is None:
            self._weight = np.zeros((num_labels, num_features), dtype)
            self._intercept = problem.start_of_intercepts()
        else:
            self._weight = np.array(start[0], dtype)
            self._intercept = np.array(start[1] if problem.fit_intercept else np.zeros(num_labels), np.float64)
        self._optima: list[Any] = [None] * num_labels
        self.told = np.zeros(num_labels, bool)
        self.interrupted = False
        if problem.fit_intercept:
            constant, intercept = np.flatnonzero(problem.constant), problem.constant_intercepts()
            self._weight[constant], self._intercept[constant] = 0, intercept[constant]
            for k in constant.tolist():
                loss = math.log1p(math.exp(-abs(intercept[k])))
                self._optima[k] = Optimum(loss, loss, loss, 0, 0.0, "constant", loss)
                self.told[k] = True
        for k, optimum in known.items():
            self._optima[k], self.told[k] = optimum, True

    def progress(self, state):
        """Report how many labels have ended, and keep their heads and those of a block that has not."""
        self._tell()
        if self._keep is not None:
            self._keep(lambda: self._head_at(state))

    def _head_at(self, state):
        """The heads as they are, and of the labels of a block as its state has them."""
        weight, intercept = self._weight.copy(), self._intercept.copy()
        weight[state.labels], intercept[state.labels] = state.weight, self._intercepts(state)
        return SigmoidHead(weight, intercept, self._known())

    def tell(self, state, stopped, which, predicted=None):
        """These labels of a block, a boolean array, have ended."""
        gaps, intercepts = state.gap(self._problem), self._intercepts(state)
        for i in np.flatnonzero(which).tolist():
            k, reason = state.labels[i], stopped if isinstance(stopped, str) else stopped[i]
            self._weight[k], self._intercept[k] = state.weight[i], intercepts[i]
            self._optima[k] = Optimum(
                objective=float(state.objective[i]),
                gradient_norm=float(np.abs(state.gradient[i]).max()),
                gap=float(state.objective[i] if reason == "separable" else gaps[i]),
                iterations=int(state.iterations),
                seconds=self._seconds(),
                stopped=reason,
                expected=math.inf if predicted is None else float(max(predicted[i], 0.0)),
            )
            self.told[k] = True
        if not self.interrupted:
            self._tell()

    def head(self):
        """The heads; those of labels that nobody has begun with are where they were to start."""
        return SigmoidHead(self._weight, self._intercept, self._known())

    def _tell(self):
        if self._report is not None:
            self._report(int(self.told.sum()), len(self.told))

    def _known(self):
        unknown = Optimum(math.nan, math.nan, math.inf, 0, self._seconds(), "interrupted")
        return [unknown if optimum is None else optimum for optimum in self._optima]

    def _intercepts(self, state):
        """Those for features as they are, (B,)."""
        return state.intercept - state.weight.astype(np.float64) @ self._problem.mean

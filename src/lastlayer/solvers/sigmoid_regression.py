"""Logistic regressions of many labels on the same features, each to its own optimum.

    F_k(w, b) = sum_i s_ik BCE(x_i w + b, y_ik) + lambda_k/2 ||w||²,   sum_i s_ik = 1,   the intercept b free.

The labels of a block take their steps side by side, so that products with the features are matrix products; the
curvature is decomposed once for all. Each label has its own L-BFGS history, exact step, tolerance and certificate, as a
class would in `softmax_regression`, and leaves the block when it has converged. Threads share the blocks, whose sizes
follow from the shapes alone: the same bits on any number of threads.
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
from lastlayer._threads import run_blocks
from lastlayer.linear import FeatureMatrix, SparseFeatures
from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.label_block import LabelBlock
from lastlayer.solvers.softmax_regression import Optimum

# Labels of a block at most and at least, and entries of its logits at most.
_MOST_LABELS, _FEWEST_LABELS, _MOST_ENTRIES = 256, 16, 1 << 25
# A block is at most this share of the labels that are left, so that threads end at about the same time; and at least
# this share of all, since a few labels take almost the time of many.
_SHARE_OF_LEFT, _SHARE_OF_ALL = 0.25, 1 / 32
# Answers are summed as a dense matrix where more than this share of them is yes, so many entries at a time.
_DENSE, _DENSE_ENTRIES = 0.02, 1 << 23


class SigmoidRegression:
    """The data of many labels' fits and what is known of it beforehand.

    Args:
      features: DenseFeatures or SparseFeatures, (N, D).
      answers: (N, K) CSC matrix; its stored entries are the labels that a row has.
      row_weight: (N,) float64 >= 0, not all 0.
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

    features: FeatureMatrix
    answers: Any
    fit_intercept: bool
    epsilon: float
    row_weight: NDArray[np.float64]
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
        features: FeatureMatrix,
        answers: Any,
        row_weight: NDArray[np.float64],
        factors: NDArray[np.float64],
        C: float,
        *,
        fit_intercept: bool,
        generator: np.random.RandomState,
        curvature: Curvature | None = None,
    ):
        self.features, self.answers, self.fit_intercept = features, answers, fit_intercept
        self.epsilon = float(np.finfo(features.dtype).eps)
        self.row_weight = row_weight / row_weight.sum()
        weights = sp.csc_array((self.row_weight[answers.indices], answers.indices, answers.indptr), answers.shape)
        rows_with = np.bincount(
            np.repeat(np.arange(answers.shape[1]), np.diff(answers.indptr)), weights.data > 0, answers.shape[1]
        )
        none, every = rows_with == 0, rows_with == np.count_nonzero(row_weight)
        with_label = np.where(every, 1.0, np.asarray(weights.sum(axis=0)).ravel())
        # Rows that a factor of 0 takes the weight of are as good as absent.
        self.constant = none | every | (factors == 0).any(axis=1)
        totals = factors[:, 0] * (1 - with_label) + factors[:, 1] * with_label
        self.factors = factors / np.where(totals > 0, totals, 1.0)[:, None]
        self.shares = self.factors[:, 1] * with_label
        self.total_weight = row_weight.sum() * totals
        self.penalty = self.penalty_of(C)
        # A loss below every row's ln 2 has every row's answer above one half.
        lightest = self.row_weight[self.row_weight > 0].min() * self.factors.min(axis=1)
        self.loss_of_separable = np.where(self.penalty > 0, 0.0, lightest * np.log(2))
        whole = slice(0, features.shape[0])
        of_all = features.adjoint(self.row_weight[:, None].astype(features.dtype), whole)[0].astype(np.float64)
        self.mean = of_all if fit_intercept else np.zeros_like(of_all)
        of_yes = _sums_of_yes(features, weights) - np.outer(with_label, self.mean)
        no, yes = self.factors[:, :1], self.factors[:, 1:]
        self.sums_of_yes = yes * of_yes
        self.sums = (yes - no) * of_yes + no * (of_all - self.mean)
        if curvature is None:
            curvature = Curvature.of_features(features, self.mean, self.row_weight, generator)
        self.curvature = curvature

    def constant_intercepts(self) -> NDArray[np.float64]:
        """The logits of half a row among one more than there are, or of all but that, (K,), for constant labels."""
        rare = math.log(2 * np.count_nonzero(self.row_weight) + 1)
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


def _sums_of_yes(features, weights):
    """The weighted sums of the features of the rows that have each label, (K, D)."""
    num_rows, num_labels = weights.shape
    weights, whole = weights.astype(features.dtype), slice(0, num_rows)
    if isinstance(features, SparseFeatures) or weights.nnz < _DENSE * num_rows * num_labels:
        return features.adjoint(weights, whole)
    size = max(1, _DENSE_ENTRIES // num_rows)
    blocks = (weights[:, first : first + size].toarray(order="F") for first in range(0, num_labels, size))
    return np.concatenate([features.adjoint(block, whole) for block in blocks])


@dataclass(frozen=True, eq=False)
class SigmoidHead:
    """Heads of all labels and what is known of them: weight (K, D), intercept (K,) float64, and an Optimum for each."""

    weight: NDArray[Any]
    intercept: NDArray[np.float64]
    optima: list[Optimum]


def minimise_labels(
    problem: SigmoidRegression,
    *,
    tol: float,
    max_iter: int,
    start: tuple[NDArray[Any], NDArray[Any]] | None = None,
    report: Callable[[int, int], object] | None = None,
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
      report: called with the number of labels that have ended and of all, from any thread.
    """
    return on_one_blas_thread(_minimise_labels, problem, tol, max_iter, start, report)


def _minimise_labels(problem, tol, max_iter, start, report):
    seconds = stopwatch()
    num_labels = problem.answers.shape[1]
    ended = _Ended(problem, start, seconds)
    blocks = blocks_of(problem)
    at_work: list[LabelBlock] = []

    def work(first, last):
        for labels in blocks[first:last]:
            if ended.interrupted:
                return
            block = LabelBlock(problem, labels, start)
            at_work.append(block)
            try:
                block.run(ended, tol, max_iter)
            except KeyboardInterrupt:
                ended.interrupted = True
            if report is not None:
                report(int(ended.told.sum()), num_labels)

    try:
        run_blocks(work, len(blocks), items_per_block=1, blocks_per_thread=len(blocks))
    except KeyboardInterrupt:
        ended.interrupted = True
    for block in at_work:
        ended.tell(block.state, "interrupted", ~ended.told[block.state.labels])
    return ended.head()


def blocks_of(problem: SigmoidRegression) -> list[NDArray[np.int64]]:
    """The labels that are fitted, in blocks of those that are fitted side by side, the largest first."""
    num_rows, num_labels = problem.answers.shape
    most = max(1, min(_MOST_LABELS, _MOST_ENTRIES // num_rows))
    left = np.flatnonzero(~problem.constant) if problem.fit_intercept else np.arange(num_labels)
    fewest = max(_FEWEST_LABELS, math.ceil(_SHARE_OF_ALL * left.size))
    blocks = []
    while left.size:
        size = min(most, max(fewest, math.ceil(_SHARE_OF_LEFT * left.size)))
        blocks.append(left[:size])
        left = left[size:]
    return blocks


class _Ended:
    """The heads of labels that have ended, and at first of those that are not fitted."""

    def __init__(self, problem, start, seconds):
        num_labels, num_features = problem.answers.shape[1], problem.features.shape[1]
        self._problem, self._seconds = problem, seconds
        if start is None:
            self._weight = np.zeros((num_labels, num_features), problem.features.dtype)
            self._intercept = problem.start_of_intercepts()
        else:
            self._weight = np.array(start[0], problem.features.dtype)
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

    def tell(self, state, stopped, which, predicted=None):
        """These labels of a block, a boolean array, have ended."""
        gaps = state.gap(self._problem)
        for i in np.flatnonzero(which).tolist():
            k, reason = state.labels[i], stopped if isinstance(stopped, str) else stopped[i]
            self._weight[k] = state.weight[i]
            self._intercept[k] = state.intercept[i] - state.weight[i].astype(np.float64) @ self._problem.mean
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

    def head(self):
        """The heads; those of labels that nobody has begun with are where they were to start."""
        for k in np.flatnonzero(~self.told).tolist():
            self._optima[k] = Optimum(math.nan, math.nan, math.inf, 0, self._seconds(), "interrupted")
        return SigmoidHead(self._weight, self._intercept, self._optima)

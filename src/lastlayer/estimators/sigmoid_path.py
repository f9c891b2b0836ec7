"""The path of C for many labels: each fold's labels in blocks, judged on its held-out rows."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer._blas import on_one_blas_thread
from lastlayer._threads import run_blocks
from lastlayer.estimators.c_path import CPath, FoldPath, Judged, Rule, chosen_C, follow
from lastlayer.estimators.class_weight import ClassWeight, label_factors
from lastlayer.estimators.folds import Split
from lastlayer.estimators.label_sets import LabelSets
from lastlayer.estimators.labelled_rows import feature_matrix
from lastlayer.functions import log_sigmoid
from lastlayer.linear import FeatureMatrix
from lastlayer.solvers import LabelPath, LocalLabels, SigmoidRegression, blocks_of

# How much more closely than the tolerance says heads are followed: an iteration moves few weights, and a held-out
# log-loss that has not settled flatters its head (by 1 % of it at 1e-4, by 0.3 % so).
_CLOSER = 0.1
# Scores of held-out rows that are looked at together.
_SCORES = 1 << 20


class LabelPathArguments(NamedTuple):
    """What every path of one fit has in common: values of C and the estimator's own parameters."""

    Cs: NDArray[np.float64]
    fit_intercept: bool
    class_weight: ClassWeight
    standardize: bool
    tol: float
    max_iter: int


class HeldOutLabels(NamedTuple):
    """Rows that heads are judged on: features (M, D) as a matrix, answers (M, K) CSC, and weights (M,) > 0."""

    features: FeatureMatrix
    answers: Any
    weight: NDArray[np.float64]

    def judge(self, labels: NDArray[np.int64], weight: NDArray[Any], intercept: NDArray[Any]) -> Judged:
        """The mean over rows of these labels' losses, of heads (B, D) and (B,), as a share of all K labels."""
        bias = intercept.astype(self.features.dtype)
        # Shares, whose squares stay within float64 whatever the weights.
        shares = self.weight / self.weight.sum()
        sums, step = np.zeros(3), max(1, _SCORES // len(labels))
        answers = self.answers[:, labels].tocsr()
        for start in range(0, len(self.weight), step):
            rows = slice(start, min(start + step, len(self.weight)))
            scores = np.empty((rows.stop - start, len(labels)), self.features.dtype)
            self.features.times(weight, rows, scores)
            scores += bias
            signs = np.where(answers[rows].toarray(), self.features.dtype.type(1), self.features.dtype.type(-1))
            losses = -log_sigmoid(scores * signs).sum(axis=1, dtype=np.float64) / self.answers.shape[1]
            weighted = shares[rows] * losses
            sums += weighted.sum(), shares[rows] @ weighted, weighted @ weighted
        mean, product, square = sums
        scatter = square - 2 * mean * product + mean**2 * (shares @ shares)
        return Judged(float(mean), float(np.sqrt(max(scatter, 0.0))))


Head = tuple[NDArray[Any], NDArray[np.float64]]


def path_of_label_folds(
    X: Any,
    features: FeatureMatrix,
    sets: LabelSets,
    problem: SigmoidRegression,
    sample_weight: NDArray[np.float64],
    splits: Sequence[Split],
    arguments: LabelPathArguments,
    rule: Rule,
    report: Callable[[str], object],
) -> tuple[CPath, Head]:
    """The path judged on folds, and a head of all rows' scale to start from: the mean of the folds' best.

    Folds share the curvature of all rows. One fold's rows are copied at a time.

    Args:
      X: (N, D) features as they are.
      features: the same as the problem has them.
      sets: the LabelSets of all rows.
      problem: their SigmoidRegression.
      sample_weight: (N,) float64.
      splits: those of the folds.
      arguments: LabelPathArguments.
      rule: how C is chosen.
      report: called with a line of text as the path proceeds.
    """
    rows_of = sp.csr_array(sets.answers)
    paths, weights, heads = [], [], []
    for number, split in enumerate(splits):
        part = LabelSets(sets.classes, sp.csc_array(rows_of[split.training]), sets.one_of_two)
        weight = sample_weight[split.training]
        own = feature_matrix(X[split.training], weight, standardize=arguments.standardize, dtype=features.dtype)
        fold = label_problem(own, part, weight, arguments, problem.curvature)
        held_out = HeldOutLabels(
            own.like(X[split.held_out]), sp.csc_array(rows_of[split.held_out]), sample_weight[split.held_out]
        )
        path = _follow(fold, held_out, arguments, f"fold {number + 1} of {len(splits)}", report)
        paths.append(path)
        heads.append((own.unscaled(path.weight), path.intercept))
        weights.append(float(held_out.weight.sum()))
    weight, intercept = (np.mean(part, axis=0) for part in zip(*heads, strict=True))
    return chosen_C(arguments.Cs, paths, weights, rule), (features.scaled(weight), intercept)


def path_of_label_validation(
    problem: SigmoidRegression,
    held_out: HeldOutLabels,
    arguments: LabelPathArguments,
    rule: Rule,
    report: Callable[[str], object],
) -> tuple[CPath, Head]:
    """The path of all rows judged on others, and its best head to start from; arguments as above."""
    path = _follow(problem, held_out, arguments, "path", report)
    return chosen_C(arguments.Cs, [path], [float(held_out.weight.sum())], rule), (path.weight, path.intercept)


def label_problem(
    features: FeatureMatrix,
    sets: LabelSets,
    weight: NDArray[np.float64],
    arguments: LabelPathArguments,
    curvature: Any = None,
    generator: Any = None,
) -> SigmoidRegression:
    """The problem that the solver takes, at the first C."""
    factors = label_factors(arguments.class_weight, sets.classes, sets.answers, weight, one_of_two=sets.one_of_two)
    return SigmoidRegression(
        LocalLabels(features, sets.answers, weight),
        factors,
        float(arguments.Cs[0]),
        fit_intercept=arguments.fit_intercept,
        generator=generator,
        curvature=curvature,
    )


def _follow(problem, held_out, arguments, name, report) -> FoldPath:
    """Each block of labels along the path, and what they say together."""
    blocks, Cs = blocks_of(problem), arguments.Cs
    done = []

    def of_block(labels):
        path = follow(
            *(LabelPath(problem, labels), Cs, lambda C: 1 / C, lambda *head: held_out.judge(labels, *head)),
            tol=_CLOSER * arguments.tol,
            max_iter=arguments.max_iter,
            report=lambda C, log_loss: None,
        )
        done.append(len(labels))
        report(f"{name}  {sum(done):,} of {problem.rows.num_labels:,} labels")
        return path

    def work(first, last):
        return [of_block(labels) for labels in blocks[first:last]]

    def of_blocks():
        return run_blocks(work, len(blocks), items_per_block=1, blocks_per_thread=max(1, len(blocks)))

    found = [path for part in on_one_blas_thread(of_blocks) for path in part] if blocks else []
    shape = problem.rows.num_labels, problem.rows.shape[1]
    weight, intercept = np.zeros(shape, problem.rows.dtype), problem.start_of_intercepts()
    losses, errors, iterations = np.zeros(len(Cs)), np.zeros(len(Cs)), np.zeros(len(Cs), np.int64)
    followed = np.ones(len(Cs), bool)
    fitted = np.zeros(shape[0], bool)
    for labels, path in zip(blocks, found, strict=True):
        weight[labels], intercept[labels], fitted[labels] = path.weight, path.intercept, True
        losses += path.log_losses
        # At most: as if the labels of all blocks rose and fell together.
        errors += path.errors
        iterations, followed = np.maximum(iterations, path.iterations), followed & path.followed
    constant = np.flatnonzero(~fitted)
    if constant.size:
        intercept[constant] = problem.constant_intercepts()[constant]
        log_loss, error = held_out.judge(constant, weight[constant], intercept[constant])
        losses, errors = losses + log_loss, errors + error
    return FoldPath(losses, errors, iterations, followed, weight, intercept)

"""The path of C for softmax: each fold's rows as a problem for the solver, and heads judged on its held-out rows."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer._blas import on_one_blas_thread
from lastlayer.estimators.c_path import CPath, FoldPath, Judged, Rule, chosen_C, follow
from lastlayer.estimators.class_weight import ClassWeight
from lastlayer.estimators.exact_fit import exact_problem
from lastlayer.estimators.folds import Split
from lastlayer.estimators.labelled_rows import LabelledRows, penalty_of, plain, rows_of_classes
from lastlayer.linear import FeatureMatrix, LogitBlocks
from lastlayer.losses import cross_entropy
from lastlayer.solvers import PenaltyPath, SoftmaxRegression


class HeldOut(NamedTuple):
    """Rows that heads are judged on: features (M, D) as a matrix, labels (M,) int64 and weights (M,) > 0."""

    features: FeatureMatrix
    labels: NDArray[np.int64]
    weight: NDArray[np.float64]

    def judge(self, weight: NDArray[Any], intercept: NDArray[Any]) -> Judged:
        """The mean log-loss of a head (K, D) and (K,), summed in float64."""
        blocks = LogitBlocks(self.features, len(intercept))
        bias = intercept.astype(self.features.dtype)
        # Shares, whose squares stay within float64 whatever the weights.
        shares = self.weight / self.weight.sum()

        def work(start, stop):
            sums = np.zeros(3)
            for rows in blocks.slices(start, stop):
                logits = np.empty((rows.stop - rows.start, len(intercept)), self.features.dtype)
                self.features.times(weight, rows, logits)
                logits += bias
                weighted = shares[rows] * np.asarray(cross_entropy(logits, self.labels[rows]), np.float64)
                sums += weighted.sum(), shares[rows] @ weighted, weighted @ weighted
            return sums

        mean, product, square = np.sum(blocks.run(work), axis=0)
        # The sum of (s (l - mean))² over rows, of their shares s.
        scatter = square - 2 * mean * product + mean**2 * (shares @ shares)
        return Judged(float(mean), float(np.sqrt(max(scatter, 0.0))))


class PathArguments(NamedTuple):
    """What every path of one fit has in common: values of C and the estimator's own parameters."""

    Cs: NDArray[np.float64]
    fit_intercept: bool
    class_weight: ClassWeight
    standardize: bool
    tol: float
    max_iter: int


Head = tuple[NDArray[Any], NDArray[np.float64]]


def path_of_folds(
    X: Any,
    rows: LabelledRows,
    problem: SoftmaxRegression,
    sample_weight: NDArray[np.float64],
    splits: Sequence[Split],
    arguments: PathArguments,
    rule: Rule,
    report: Callable[[str], object],
) -> tuple[CPath, Head]:
    """The path judged on folds, and a head of all rows' scale to start from: the mean of the folds' best.

    Folds share the curvature of all rows, so that one decomposition serves them all. One fold's rows are copied at a
    time. Rows whose class their fold does not learn are not judged, with a warning.

    Args:
      X: (N, D) features as they are.
      rows: the LabelledRows of all rows.
      problem: their SoftmaxRegression.
      sample_weight: (N,) float64, without the factors of classes.
      splits: those of the folds.
      arguments: PathArguments.
      rule: how C is chosen.
      report: called with a line of text as the path proceeds.
    """
    paths, heads, weights, unknown = [], [], [], []
    for number, split in enumerate(splits):
        held_out = _learnt(rows.labels, split, number)
        unknown.append(np.setdiff1d(split.held_out, held_out))
        part = split.training
        fold = rows_of_classes(
            *(X[part], rows.classes, rows.labels[part], sample_weight[part]),
            C=float(arguments.Cs[0]),
            class_weight=arguments.class_weight,
            standardize=arguments.standardize,
            dtype=rows.features.dtype,
        )
        of_fold = exact_problem(
            fold, fit_intercept=arguments.fit_intercept, random_state=None, curvature=problem.curvature
        )
        judged = HeldOut(fold.features.like(X[held_out]), rows.labels[held_out], sample_weight[held_out])
        path = _follow(fold, of_fold, judged, arguments, f"fold {number + 1} of {len(splits)}", report)
        paths.append(path)
        heads.append((fold.features.unscaled(path.weight), path.intercept))
        weights.append(float(judged.weight.sum()))
    _warn_of_unknown(rows, np.concatenate(unknown))
    mean = np.mean([weight for weight, _ in heads], axis=0), np.mean([intercept for _, intercept in heads], axis=0)
    return chosen_C(arguments.Cs, paths, weights, rule), (rows.features.scaled(mean[0]), mean[1])


def path_of_validation(
    rows: LabelledRows,
    problem: SoftmaxRegression,
    held_out: HeldOut,
    arguments: PathArguments,
    rule: Rule,
    report: Callable[[str], object],
) -> tuple[CPath, Head]:
    """The path of all rows judged on others, and its best head to start from; arguments as in `path_of_folds`."""
    path = _follow(rows, problem, held_out, arguments, "path", report)
    return chosen_C(arguments.Cs, [path], [float(held_out.weight.sum())], rule), (path.weight, path.intercept)


def _follow(rows, problem, held_out, arguments, name, report) -> FoldPath:
    total, num_classes, dtype = float(rows.weight.sum()), len(rows.classes), rows.features.dtype

    def penalty_at(C):
        return penalty_of(C, total, num_classes, dtype)

    problem.penalty = penalty_at(float(arguments.Cs[0]))

    def followed():
        return follow(
            *(PenaltyPath(problem), arguments.Cs, penalty_at, held_out.judge),
            tol=arguments.tol,
            max_iter=arguments.max_iter,
            report=lambda C, log_loss: report(f"{name}  C {C:.3g}  held-out log-loss {log_loss:.4f}"),
        )

    return on_one_blas_thread(followed)


def _learnt(labels, split, number):
    """The held-out rows whose class has a row in training."""
    learnt = np.bincount(labels[split.training], minlength=int(labels.max()) + 1) > 0
    if learnt.sum() < 2:
        raise ValueError(
            f"cv: split {number} has one class in its training rows, expected two at least; pass other folds."
        )
    held_out = split.held_out[learnt[labels[split.held_out]]]
    if not held_out.size:
        raise ValueError(
            f"cv: split {number} learns none of the classes of its held-out rows, expected some of them in both parts; "
            "pass other folds."
        )
    return held_out


def _warn_of_unknown(rows, unknown):
    if unknown.size:
        name = plain(rows.classes[rows.labels[unknown[0]]])
        warnings.warn(
            f"cv: {unknown.size} held-out rows are of classes that their fold does not learn (row {unknown[0]} of "
            f"class {name!r}), so that they are not judged; pass folds with every class in each training part.",
            UserWarning,
            stacklevel=4,
        )

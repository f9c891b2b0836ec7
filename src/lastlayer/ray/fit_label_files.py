"""Logistic regressions of many labels fitted on files by workers on many machines."""

import os
from collections.abc import Sequence

import numpy as np
from sklearn.utils import check_random_state

from lastlayer._arrays import Integer, Number, positive_number, true_or_false
from lastlayer.estimators import SigmoidClassifier
from lastlayer.estimators.class_weight import ClassWeight, factors_of_weights
from lastlayer.estimators.fit_warnings import warn_of_label_limits
from lastlayer.estimators.fitted_labels import set_labels
from lastlayer.estimators.labelled_rows import dtype_of_fit, whole_number
from lastlayer.estimators.progress import LabelProgress
from lastlayer.ray.feature_scale import scale_of_features, unscaled_weight_of
from lastlayer.ray.fit_checkpoint import GOES_ON, FitCheckpoint, LabelForm, fingerprint_of, require_own
from lastlayer.ray.fit_workers import (
    checked_resources,
    files_of_fit,
    remember_rows,
    slowest_in_words,
    workers_that_have_read,
)
from lastlayer.ray.shard_rows import FitSetting
from lastlayer.solvers import SigmoidRegression, minimise_labels
from lastlayer.solvers.parted_labels import PartedLabels


def fit_labels(
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    labels: str,
    features: str | Sequence[str] | None = None,
    weight: str | None = None,
    where: str | None = None,
    format: str | None = None,
    C: Number = 1.0,
    fit_intercept: bool = True,
    class_weight: ClassWeight = None,
    standardize: bool = False,
    tol: Number = 1e-4,
    max_iter: Integer = 1000,
    random_state: Integer | np.random.RandomState | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    num_workers: Integer | None = None,
    cpus_per_worker: Integer | None = None,
    spool: str | os.PathLike[str] | None = None,
    address: str | None = None,
    verbose: int = 0,
) -> SigmoidClassifier:
    """Fit a yes or no to each of many labels on files that workers on many machines read, as `fit` does of one label.

    It is the optimum of `SigmoidClassifier`. Labels are fitted side by side, at most 256 at a time and as many as three
    numbers for each of a worker's rows take 400 MB in float32; what is said of workers, of those that die and of Ctrl-C
    under `fit` holds here.

    Args:
      data: files or patterns; see `lastlayer fit`. No standard input and no pipes.
      labels: the column of lists of labels; an empty list is a row without any.
      features: feature columns or globs; None is the only column of lists of numbers, else every column of numbers but
        the labels and an index.
      weight: a column of weights >= 0; rows of weight 0 are left out.
      where: an SQL condition on the rows.
      format: what the files are; None is what their first bytes or names tell.
      C: as in `SigmoidClassifier`, as are the next five.
      fit_intercept: whether to fit intercepts.
      class_weight: None, "balanced", or a dict from label to the factor of the rows that have it.
      standardize: whether features are divided by their standard deviations.
      tol: accuracy.
      max_iter: iterations of a label at most.
      random_state: seed of the sample of rows that estimates the features' covariance.
      checkpoint: as in `fit`; labels that have ended are not fitted again, if tol and max_iter are the same.
      num_workers: as in `fit`, as are the next four.
      cpus_per_worker: threads of each.
      spool: a folder of each machine, for features that memory has no room for.
      address: of the Ray cluster.
      verbose: 1 shows a progress line on standard error.
    Returns: SigmoidClassifier, fitted, that remembers its columns by name. `optima_` holds the certificates.
    Raises: as `fit`.
    """
    C, tol = positive_number(C, "C", infinite=True), positive_number(tol, "tol")
    max_iter = whole_number(max_iter, "max_iter")
    fit_intercept = true_or_false(fit_intercept, "fit_intercept")
    standardize = true_or_false(standardize, "standardize")
    resources = checked_resources(num_workers, cpus_per_worker, spool, address)
    model = SigmoidClassifier(
        C=C,
        fit_intercept=fit_intercept,
        class_weight=class_weight,
        standardize=standardize,
        tol=tol,
        max_iter=max_iter,
        random_state=random_state,
    )
    if checkpoint is not None:
        require_own(checkpoint, LabelForm.tensors)
    files = files_of_fit(data, labels, features, weight, where, format, many=True)
    report = LabelProgress() if verbose else None
    with workers_that_have_read(files, resources, None if report is None else report.line) as (workers, shards, rows):
        dtype = dtype_of_fit(tol) or np.dtype(rows.dtype)
        if report is not None:
            report.describe = lambda: slowest_in_words(workers)
        factors = factors_of_weights(class_weight, rows.classes, rows.weights, rows.weight, rows.counts == rows.rows)
        kept = None
        if checkpoint is not None:
            weights = np.concatenate([(rows.weight - rows.weights) * factors[:, 0], rows.weights * factors[:, 1]])
            parameters = {"C": C, "fit_intercept": fit_intercept, "standardize": standardize}
            fingerprint = fingerprint_of(shards, files.columns, rows, where, weights, **parameters)
            kept = FitCheckpoint(checkpoint, fingerprint, LabelForm(tol, max_iter))
        before = None if kept is None else kept.read()
        scale = scale_of_features(workers, rows) if standardize else None
        workers.hold(FitSetting(rows.classes, None, rows.weight, str(dtype), scale))
        problem = SigmoidRegression(
            PartedLabels(workers),
            factors,
            C,
            fit_intercept=fit_intercept,
            generator=check_random_state(0 if random_state is None else random_state),
        )
        found = minimise_labels(
            problem,
            tol=tol,
            max_iter=max_iter,
            start=None if before is None else (before.weight, before.intercept),
            ended=None if before is None else before.ended(),
            report=report,
            keep=None if kept is None else kept.keep_made,
        )
        if report is not None:
            report.close()
        if kept is not None:
            kept.write(found)
    head = unscaled_weight_of(found.weight, rows, scale)
    set_labels(model, rows.classes, head, found.intercept, problem.constant, found.optima)
    remember_rows(model, files.columns, rows)
    warn_of_label_limits(model, dtype, C=C, tol=tol, max_iter=max_iter, goes_on=GOES_ON, stacklevel=3)
    return model

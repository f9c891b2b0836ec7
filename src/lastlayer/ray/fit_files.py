"""A softmax head fitted on files by workers on many machines."""

import os
from collections.abc import Sequence

import numpy as np
from sklearn.utils import check_random_state

from lastlayer._arrays import Integer, Number, positive_number, true_or_false
from lastlayer._progress_line import ProgressLine
from lastlayer.estimators import SoftmaxClassifier
from lastlayer.estimators.class_weight import ClassWeight, class_factors
from lastlayer.estimators.feature_scales import warn_of_scales
from lastlayer.estimators.fit_warnings import warn_of_limits
from lastlayer.estimators.fitted_head import set_head
from lastlayer.estimators.labelled_rows import dtype_of_fit, penalty_of, whole_number
from lastlayer.estimators.progress import FitProgress, in_iterations
from lastlayer.ray.feature_scale import scale_of_features, unscaled_weight_of
from lastlayer.ray.fit_checkpoint import GOES_ON, FitCheckpoint, SearchForm, fingerprint_of, require_own
from lastlayer.ray.fit_workers import (
    checked_resources,
    files_of_fit,
    remember_rows,
    slowest_in_words,
    workers_that_have_read,
)
from lastlayer.ray.shard_rows import FitSetting
from lastlayer.ray.workers import Workers
from lastlayer.solvers import Optimum, SoftmaxRegression, minimise
from lastlayer.solvers.parted_rows import PartedRows

# Rows that tell whether features are in units far apart.
_SAMPLED_ROWS = 1024


def fit(
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    label: str | None = None,
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
) -> SoftmaxClassifier:
    """Fit a softmax head on files that workers on many machines read: the optimum of `SoftmaxClassifier`, on Ray.

    Each worker is an actor of Ray that holds one shard of the rows, in memory or on a disk; shards are runs of as many
    rows each. The solver runs here and asks them for sums, which are added in float64 and in an order that does not
    depend on who answers first. A worker that dies, by itself or with its machine, is replaced, and reads its shard
    again; the fit goes on. Every worker must find the files under the same paths. Ctrl-C stops at the best head so far,
    with a FitInterrupted warning. No worker is left behind.

    Args:
      data: files or patterns; see `lastlayer fit`. No standard input and no pipes.
      label: the label column; None is the one called label, labels or y.
      features: feature columns or globs; None is the only column of lists of numbers, else every column of numbers but
        the label and an index.
      weight: a column of weights >= 0; rows of weight 0 are left out.
      where: an SQL condition on the rows.
      format: what the files are; None is what their first bytes or names tell.
      C: as in `SoftmaxClassifier`, as are the next six.
      fit_intercept: whether to fit an intercept.
      class_weight: None, "balanced", or a dict from class to factor of its rows' weight.
      standardize: whether features are divided by their standard deviations, for which workers go through them twice.
      tol: accuracy.
      max_iter: iterations at most.
      random_state: seed of the sample of rows that estimates the features' covariance.
      checkpoint: the path of a file, on this machine, that keeps the head and the last steps. If it is there when `fit`
        begins, the fit goes on from it, with any number of workers; a file of other data, or of other parameters than
        max_iter and tol, is refused. It stays when the fit has ended.
      num_workers: how many; None is as many as the cluster has room for. There are no more than rows.
      cpus_per_worker: how many threads each computes on, and CPUs of the cluster that it takes; None is as many as it
        can have, those of a machine where `num_workers` is None too. Threads of a worker share its rows as they go,
        where workers wait for the slowest.
      spool: a folder of each machine, for features that a worker's share of half the free memory has no room for; None
        is that of temporary files.
      address: HOST:PORT of a Ray cluster that this machine is a node of; "auto" for the one that runs on this machine;
        "local" for Ray on this machine alone, which is started unless it is connected to; None for the connection that
        is open, else for what RAY_ADDRESS names, else "local".
      verbose: 1 shows a progress line on standard error, which names the slowest worker.
    Returns: SoftmaxClassifier, fitted, that remembers its columns by name. `optimum_` holds the certificate.
    Raises: InputError, a ValueError, in one sentence, for what is wrong with the files, the address or the room in the
      cluster; ValueError or TypeError for parameters out of range; UnwritableFile for a checkpoint
        that could not be written before the first iteration; later that is a CheckpointWarning, and the fit goes on.
    """
    C, tol = positive_number(C, "C", infinite=True), positive_number(tol, "tol")
    max_iter = whole_number(max_iter, "max_iter")
    fit_intercept = true_or_false(fit_intercept, "fit_intercept")
    standardize = true_or_false(standardize, "standardize")
    resources = checked_resources(num_workers, cpus_per_worker, spool, address)
    model = SoftmaxClassifier(
        C=C,
        fit_intercept=fit_intercept,
        class_weight=class_weight,
        standardize=standardize,
        tol=tol,
        max_iter=max_iter,
        random_state=random_state,
    )
    if checkpoint is not None:
        require_own(checkpoint, SearchForm.tensors)
    files = files_of_fit(data, label, features, weight, where, format, many=False)
    progress = ProgressLine() if verbose else None
    with workers_that_have_read(files, resources, progress) as (workers, shards, rows):
        factors = class_factors(class_weight, rows.classes, np.arange(len(rows.classes)), rows.weights)
        total = float(rows.weights @ factors)
        if not total > 0:
            raise ValueError("class_weight: every row that has a weight is of a class with factor 0.")
        dtype = dtype_of_fit(tol) or np.dtype(rows.dtype)
        penalty = penalty_of(C, total, len(rows.classes), dtype)
        kept = None
        if checkpoint is not None:
            parameters = {"C": C, "fit_intercept": fit_intercept, "standardize": standardize}
            fingerprint = fingerprint_of(shards, files.columns, rows, where, rows.weights * factors, **parameters)
            kept = FitCheckpoint(checkpoint, fingerprint, SearchForm())
        start = None if kept is None else kept.read()
        scale = scale_of_features(workers, rows) if standardize else None
        workers.hold(FitSetting(rows.classes, factors, total, str(dtype), scale))
        parted = PartedRows(workers)
        problem = SoftmaxRegression(
            parted,
            penalty,
            fit_intercept=fit_intercept,
            generator=check_random_state(0 if random_state is None else random_state),
        )
        # Now, for no worker may be there to be asked when the fit has been interrupted.
        sample = None if standardize else parted.take(_spread(parted.shape[0]))
        report = None if progress is None else FitProgress(lambda optimum: _state(optimum, workers))
        weights, intercept, optimum = minimise(
            problem,
            tol=tol,
            max_iter=max_iter,
            start=start,
            report=report,
            keep=None if kept is None else kept.keep,
        )
        if report is not None:
            report.close(optimum)
    set_head(model, rows.classes, unscaled_weight_of(weights, rows, scale), intercept, optimum)
    remember_rows(model, files.columns, rows)
    _warn(model, problem, weights, optimum, sample, C, tol, max_iter)
    return model


def _warn(model, problem, weight, optimum, sample, C, tol, max_iter):
    """Warn whoever called `fit`, as `SoftmaxClassifier.fit` does; features without a `sample` are standardized."""
    dtype, standardize = problem.rows.dtype, sample is None
    warn_of_limits(optimum, dtype, C=C, tol=tol, max_iter=max_iter, standardize=standardize, goes_on=GOES_ON)
    if not standardize:
        X, names = sample.features.take(slice(None)), getattr(model, "feature_names_in_", None)
        warn_of_scales(X, sample.row_weight, problem, weight, optimum, names, stacklevel=3)


def _spread(count):
    """The numbers of a few of so many rows, as far apart as can be."""
    return np.unique(np.linspace(0, count - 1, _SAMPLED_ROWS).astype(np.int64))


def _state(optimum: Optimum, workers: Workers) -> str:
    return f"{in_iterations(optimum)}  {slowest_in_words(workers)}"

"""What a fit warns of when it has ended."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from lastlayer.estimators.labelled_rows import plain
from lastlayer.solvers import Optimum


class FitInterrupted(UserWarning):
    """Ctrl-C stopped a fit; the estimator holds the best head so far and can be used."""


class ConstantLabelWarning(UserWarning):
    """A label is in no row of a fit, or in every row, so that nothing tells it apart."""


_GOES_ON = "fit continues from {} with warm_start=True"


def warn_of_limits(
    optimum: Optimum,
    dtype: object,
    *,
    C: object,
    tol: float,
    max_iter: int,
    standardize: bool,
    goes_on: str = _GOES_ON.format("it"),
) -> None:
    """Say which limit was hit and what to change, to the caller of fit, which calls what calls this.

    `goes_on` says how an interrupted fit is taken up again.
    """
    state = f"objective {optimum.objective:.6g}, {optimum.certificate()}"
    if optimum.stopped == "interrupted":
        warnings.warn(
            f"fit: interrupted after {optimum.iterations} iterations at the best head so far ({state}); it can be "
            f"used as it is, and {goes_on}.",
            FitInterrupted,
            stacklevel=4,
        )
    elif optimum.stopped == "separable":
        warnings.warn(
            f"fit: C={C:g}, and a head can separate the classes, so that its weights would grow for ever; "
            f"the fit ended where every row is right ({state}); pass a finite C for a head with an optimum.",
            ConvergenceWarning,
            stacklevel=4,
        )
    elif optimum.stopped == "max_iter":
        warnings.warn(
            f"fit: max_iter={max_iter} was reached before tol={tol:g} ({state}); raise max_iter, "
            f"{'' if standardize else 'pass standardize=True, '}or lower C.",
            ConvergenceWarning,
            stacklevel=4,
        )
    elif optimum.stopped == "noise" and optimum.gradient_norm > tol:
        warnings.warn(
            f"fit: {dtype} rounding hides any further decrease before tol={tol:g} ({state}); "
            f"{_remedy_of_rounding(dtype)}{'' if standardize else ', pass standardize=True'}, or scale the features.",
            ConvergenceWarning,
            stacklevel=4,
        )


def warn_of_sampled_limits(optimum: Optimum, log_loss: float | None, *, tol: float, max_iter: int) -> None:
    """The same of a sampled fit."""
    state = f"held-out log-loss {log_loss:.6g}"
    if optimum.stopped == "interrupted":
        warnings.warn(
            f"fit: interrupted in pass {optimum.iterations} at the best head so far ({state}); it can be used as it "
            "is, and fit continues from it with warm_start=True, or from a checkpoint.",
            FitInterrupted,
            stacklevel=3,
        )
    elif optimum.stopped == "max_iter":
        warnings.warn(
            f"fit: max_iter={max_iter} passes ended before the held-out log-loss stopped falling by tol={tol:g} "
            f"({state}); raise max_iter or tol.",
            ConvergenceWarning,
            stacklevel=3,
        )


def _remedy_of_rounding(dtype):
    return "pass float64 features" if dtype == np.float32 else "raise tol"


def warn_of_label_limits(
    model: Any,
    dtype: object,
    *,
    C: float,
    tol: float,
    max_iter: int,
    goes_on: str = _GOES_ON.format("them"),
    stacklevel: int = 4,
) -> None:
    """The same of a SigmoidClassifier, of whose labels each has ended for a reason of its own; one warning a reason."""
    if model.optimum_.stopped == "interrupted":
        left = sum(optimum.stopped == "interrupted" for optimum in model.optima_)
        warnings.warn(
            f"fit: interrupted at the best heads so far, {left} of {len(model.optima_)} labels short of their optimum; "
            f"they can be used as they are, and {goes_on}.",
            FitInterrupted,
            stacklevel=stacklevel,
        )
    for stopped, reason, remedy in (
        ("max_iter", f"max_iter={max_iter} was reached before tol={tol:g}", "raise max_iter, or lower C"),
        (
            "noise",
            f"{dtype} rounding hides any further decrease before tol={tol:g}",
            f"{_remedy_of_rounding(dtype)}, or scale the features",
        ),
        ("separable", f"C={C:g}, and a head can separate its rows", "pass a finite C"),
    ):
        labels = [
            k
            for k, optimum in enumerate(model.optima_)
            if optimum.stopped == stopped and (stopped != "noise" or optimum.gradient_norm > tol)
        ]
        if labels:
            state = model.optima_[labels[0]]
            warnings.warn(
                f"fit: {len(labels)} of {len(model.optima_)} labels, the first {_name(model, labels[0])}: {reason} "
                f"(objective {state.objective:.6g}, {state.certificate()}); {remedy}.",
                ConvergenceWarning,
                stacklevel=stacklevel,
            )
    constant = np.flatnonzero(model.constant_)
    if constant.size:
        name, count = _name(model, constant[0]), len(model.optima_)
        which = f"label {name}" if constant.size == 1 else f"{constant.size} of {count} labels, such as {name},"
        what = "a probability that is the same for all features" if model.fit_intercept else "weights that mean nothing"
        warnings.warn(
            f"fit: {which} cannot be learnt, since no row of the fit has such a label, or every row has; it gets "
            f"{what}, and a place in constant_; leave it out, or add rows that differ.",
            ConstantLabelWarning,
            stacklevel=stacklevel,
        )


def _name(model, k):
    return repr(plain(model.classes_[len(model.classes_) - len(model.optima_) + k]))

"""A fit that scores a sample of the classes in each step, with its checkpoint."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from lastlayer.estimators.checkpoint import Checkpoint
from lastlayer.estimators.fitted_head import FittedHead
from lastlayer.estimators.labelled_rows import LabelledRows, whole_number
from lastlayer.samplers import AllClassesWarning, Sampler
from lastlayer.solvers import Optimum, SampledSoftmaxRegression, descend


def fit_sampled(
    rows: LabelledRows,
    *,
    fit_intercept: bool,
    tol: float,
    max_iter: int,
    num_candidates: int,
    sampler: Sampler | None,
    checkpoint: Any,
    random_state: Any,
    start: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None,
    report: Callable[[Optimum], object] | None,
) -> FittedHead:
    """The head of least held-out log-loss, from the head `start` (weight, intercept) if there is one.

    Raises: ValueError or TypeError, in one sentence, for a sampler or a checkpoint that does not fit; UnwritableFile if
      the checkpoint cannot be written to begin with; what comes later is handed back as the head's `failure`.
    """
    num_classes = len(rows.classes)
    if sampler is not None:
        require_sampler(sampler, num_classes, num_candidates)
    problem = SampledSoftmaxRegression(
        *(rows.features, rows.labels, rows.weight, num_classes, rows.penalty),
        fit_intercept=fit_intercept,
        num_candidates=num_candidates,
        sampler=sampler,
        seed=seed_of(random_state),
    )
    file = None if checkpoint is None else Checkpoint(checkpoint, problem, rows, tol)
    state = None if file is None else file.read()
    if state is None:
        state = problem.start(start)
    weight, intercept, optimum, failure = descend(
        problem,
        state,
        tol=tol,
        max_passes=max_iter,
        report=report,
        save=None if file is None else file.write,
    )
    return FittedHead(weight, intercept, optimum, failure, len(problem.held_out), state.best_log_loss)


def check_sampling(candidates: object, sampler: object, checkpoint: object) -> None:
    """Raise ValueError where `candidates` is no number from 1 on, or stands not beside what belongs to it."""
    if candidates is not None:
        whole_number(candidates, "candidates")
        return
    for name, value in (("sampler", sampler), ("checkpoint", checkpoint)):
        if value is not None:
            raise ValueError(
                f"{name}: received {value!r} without candidates, expected None for an exact fit; pass candidates, or "
                "leave it out."
            )


def number_below(candidates: Any, num_classes: int) -> int | None:
    """S, or None for the full softmax, also where S is K or more, of which it warns the caller of the estimator."""
    if candidates is None or candidates < num_classes:
        return None if candidates is None else int(candidates)
    warnings.warn(
        f"candidates: received {candidates} for {num_classes} classes, so the full softmax is used; pass fewer, or "
        "None.",
        AllClassesWarning,
        stacklevel=3,
    )
    return None


def seed_of(random_state: Any) -> int:
    """The seed of a fit; a random_state of None is 0."""
    if random_state is None:
        random_state = 0
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def require_sampler(sampler: object, num_classes: int, num_candidates: int) -> None:
    """Raise ValueError or TypeError unless it is a Sampler of these classes that may draw each of them."""
    if not isinstance(sampler, Sampler):
        raise TypeError(
            f"sampler: received {type(sampler).__name__}, expected a Sampler such as lastlayer.samplers.LogUniform, or "
            "None for Unigram by the rows of the classes."
        )
    if sampler.num_classes != num_classes:
        raise ValueError(
            f"sampler: is one of {sampler.num_classes} classes, expected one of the {num_classes} classes of y, in the "
            "order of classes_."
        )
    expected = sampler.log_expected_count_of(np.arange(num_classes), num_candidates)
    if not np.isfinite(expected).all():
        raise ValueError(
            f"sampler: never draws class {int(np.isfinite(expected).argmin())} of classes_, expected one that may draw "
            "each; give each a count above 0."
        )

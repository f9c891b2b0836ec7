"""A fit to the optimum of the full softmax."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from sklearn.utils import check_random_state

from lastlayer.estimators.fitted_head import FittedHead
from lastlayer.estimators.labelled_rows import LabelledRows
from lastlayer.solvers import Curvature, LocalRows, Optimum, SearchState, SoftmaxRegression, minimise


def exact_problem(
    rows: LabelledRows, *, fit_intercept: bool, random_state: Any, curvature: Curvature | None = None
) -> SoftmaxRegression:
    """The problem that the solver takes; a random_state of None is 0, and a curvature of None that of the rows."""
    return SoftmaxRegression(
        LocalRows(rows.features, rows.labels, rows.weight, len(rows.classes)),
        rows.penalty,
        fit_intercept=fit_intercept,
        generator=check_random_state(0 if random_state is None else random_state),
        curvature=curvature,
    )


def fit_exact(
    problem: SoftmaxRegression,
    *,
    tol: float,
    max_iter: int,
    start: tuple[NDArray[Any], NDArray[Any]] | None,
    report: Callable[[Optimum], object] | None,
) -> FittedHead:
    """The head of the optimum, from the head `start` (weight, intercept) if there is one."""
    state = None if start is None else SearchState(*start)
    return FittedHead(*minimise(problem, tol=tol, max_iter=max_iter, start=state, report=report))

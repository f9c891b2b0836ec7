"""A path of C: heads for rising C from one search, judged on rows that it has not seen, and the C that they choose.

What is here knows no loss. Values of C more than a factor apart are knots: the search goes to the optimum of each, as
far as matters for its held-out log-loss. Heads for the values between are interpolated, in the logarithm of C, which
costs no iteration: the path is smooth there, each direction shrunk by a logistic function of it.
decisions/0013-c-path.md has the figures.
"""

import warnings
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer
from lastlayer.estimators.labelled_rows import whole_number

Rule: TypeAlias = Literal["least", "one_standard_error"]

# The ends of the path that a number of values stands for: those of scikit-learn's LogisticRegressionCV.
_LEAST_EXPONENT, _LARGEST_EXPONENT = -4, 4
# How far apart knots are at most where values are closer: of the default path the ten of LogisticRegressionCV are.
_MOST_BETWEEN_KNOTS = 8.0
# A head is followed until the model predicts a decrease below this many tol, as a share, or until two iterations in a
# row have changed its held-out log-loss by less than that many tol, as a share.
_PREDICTED, _CHANGED = 20.0, 30.0
# A held-out log-loss so many times the least one, and not falling, is not followed any further.
_FAR = 1.1
# Mean log-losses that differ by less than this share make a flat path.
_FLAT = 1e-3


class PathEndWarning(UserWarning):
    """The best C is the least or the largest that was tried; a longer path may have a better one."""


# What a fit that chooses C sets besides.
OF_PATH = ("C_", "Cs_", "log_losses_", "path_")


def head_of_chosen_C(model: Any, kind: Any) -> Any:  # noqa: N802
    """A fitted estimator that chose C as one of `kind` with that C, with all that a fit of such a one sets."""
    parameters = {name: value for name, value in model.get_params().items() if name not in ("Cs", "cv", "rule")}
    head = kind(C=model.C_, **parameters)
    vars(head).update(
        {name: value for name, value in vars(model).items() if name.endswith("_") and name not in OF_PATH}
    )
    return head


def say_nothing(text: str) -> None:
    """Take the place of a progress line."""


class Search(Protocol):
    """A search that goes from penalty to penalty, such as solvers.PenaltyPath."""

    def set_penalty(self, penalty: float) -> None:
        """Make `penalty` that of the next iterations."""

    def predicted_share(self) -> float:
        """The decrease of the objective that is predicted, as a share of it."""
        ...

    def advance(self) -> bool:
        """Take one iteration; False if there is no decrease left."""
        ...

    def head(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The weights and intercepts as they are."""
        ...


class Judged(NamedTuple):
    """A head's mean log-loss on held-out rows, in nats, and the standard error of that mean over the rows."""

    log_loss: float
    error: float


class FoldPath(NamedTuple):
    """What one fold says of each value of C, and its head of least held-out log-loss.

    log_losses, errors: (n,), as in Judged. iterations: (n,) int64, 0 for interpolated heads. followed: (n,) whether it
    was followed to where its log-loss is settled, or lies between two that were. weight, intercept: a head.
    """

    log_losses: NDArray[np.float64]
    errors: NDArray[np.float64]
    iterations: NDArray[np.int64]
    followed: NDArray[np.bool]
    weight: NDArray[Any]
    intercept: NDArray[Any]


@dataclass(frozen=True, eq=False)
class CPath:
    """How good heads are on rows that they have not seen, over values of C.

    Attributes:
      Cs: (n,) rising values of C.
      log_losses: (n, F) mean log-loss of each fold's held-out rows, in nats; of validation rows F is 1. Values far
        above the least are those of heads on the way to their optimum, which flatters them: see `followed`.
      held_out_weight: (F,) the weight of each fold's held-out rows.
      standard_errors: (n,) of mean_log_losses: over the folds, or over the rows where there is one set.
      iterations: (n, F) iterations that were taken for each; 0 of heads between knots, which are interpolated.
      followed: (n, F) whether a head was followed to where its log-loss is settled; between knots, whether both were.
      best: index of the least of mean_log_losses.
      chosen: index of the C that the rule chose.
    """

    Cs: NDArray[np.float64]
    log_losses: NDArray[np.float64]
    held_out_weight: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    iterations: NDArray[np.int64]
    followed: NDArray[np.bool]
    best: int
    chosen: int

    @property
    def mean_log_losses(self) -> NDArray[np.float64]:
        """(n,) mean log-loss of all held-out rows by their weight, in nats."""
        return self.log_losses @ (self.held_out_weight / self.held_out_weight.sum())


def checked_Cs(Cs: Integer | ArrayLike) -> NDArray[np.float64]:  # noqa: N802 - C is the name of it
    """Values of C, rising, each once: those that a whole number n stands for, 2 n - 1 of them, or those given.

    Raises: ValueError or TypeError unless there is one at least and each is finite and greater than 0.
    """
    if np.ndim(Cs) == 0:
        count = whole_number(Cs.item() if isinstance(Cs, np.ndarray) else Cs, "Cs")
        return np.logspace(_LEAST_EXPONENT, _LARGEST_EXPONENT, 2 * count - 1)
    values = np.asarray(Cs)
    if values.ndim != 1 or not values.size or values.dtype.kind not in "iuf":
        raise TypeError(
            f"Cs: received {values.dtype} of shape {values.shape}, expected a whole number, or numbers in one "
            "dimension."
        )
    values = np.unique(values.astype(np.float64))
    good = np.isfinite(values) & (values > 0)
    if not good.all():
        raise ValueError(f"Cs: has {values[good.argmin()]}, expected finite numbers greater than 0.")
    return values


def checked_rule(rule: Rule) -> Rule:
    """The rule. Raises ValueError unless it is one."""
    if isinstance(rule, str) and rule in ("least", "one_standard_error"):
        return rule
    raise ValueError(f"rule: received {rule!r}, expected 'least' or 'one_standard_error'.")


def follow(
    search: Search,
    Cs: NDArray[np.float64],
    penalty_of: Callable[[float], float],
    judge: Callable[[NDArray[Any], NDArray[Any]], Judged],
    *,
    tol: float,
    max_iter: int,
    report: Callable[[float, float], object],
) -> FoldPath:
    """Judge heads for all values of C, in rising order.

    Args:
      search: a Search that stands at its start.
      Cs: (n,) rising.
      penalty_of: what the search takes for a C.
      judge: called with weights and intercepts.
      tol: accuracy; a tenth of a percent of the objective at 1e-4.
      max_iter: iterations at most for each C.
      report: called with C and the log-loss as each knot is done.
    """
    judged: list[Judged] = [Judged(np.nan, np.nan)] * len(Cs)
    iterations, followed = np.zeros(len(Cs), np.int64), np.ones(len(Cs), bool)
    knots, heads = _knots(Cs), deque(maxlen=4)
    best: tuple[float, Any] = (np.inf, search.head())
    here = None

    def between(first, last):
        for i in range(first + 1, last):
            judged[i] = judge(*_interpolated(heads, np.log(Cs[i])))
            followed[i] = followed[first] and followed[last]

    for number, knot in enumerate(knots):
        search.set_penalty(penalty_of(float(Cs[knot])))
        here = judge(*search.head()) if here is None else here
        here, iterations[knot], followed[knot] = _settle(search, here, best[0], judge, tol, max_iter)
        judged[knot] = here
        report(float(Cs[knot]), here.log_loss)
        if here.log_loss < best[0]:
            best = here.log_loss, search.head()
        heads.append((np.log(Cs[knot]), *search.head()))
        if number >= 2:
            between(knots[number - 2], knots[number - 1])
    if len(knots) > 1:
        between(knots[-2], knots[-1])
    losses, errors = np.array(judged).T
    return FoldPath(losses, errors, iterations, followed, *best[1])


def _settle(search, here, least, judge, tol, max_iter):
    """Iterate until a head's held-out log-loss is settled; what it is, the iterations it took, and whether it is."""
    still = 0
    for iteration in range(max_iter):
        if search.predicted_share() <= _PREDICTED * tol or not search.advance():
            return here, iteration, True
        before, here = here, judge(*search.head())
        if here.log_loss > _FAR * least and here.log_loss >= before.log_loss:
            return here, iteration + 1, False
        still = still + 1 if abs(here.log_loss - before.log_loss) <= _CHANGED * tol * before.log_loss else 0
        if still == 2:
            return here, iteration + 1, True
    return here, max_iter, False


def _knots(Cs):
    """Indices of knots: the ends, and between them as few as leave no two neighbours too far apart, unless adjacent."""
    knots = [0]
    while knots[-1] < len(Cs) - 1:
        beyond = int(np.searchsorted(Cs, _MOST_BETWEEN_KNOTS * Cs[knots[-1]], side="right"))
        knots.append(min(max(beyond - 1, knots[-1] + 1), len(Cs) - 1))
    return knots


def _interpolated(heads, x):
    """The head at x of the polynomial through `heads`, (x, weight, intercept) each."""
    places = np.array([place for place, _, _ in heads])
    shares = [float(np.prod((x - places[places != place]) / (place - places[places != place]))) for place in places]
    weight = np.zeros_like(heads[0][1])
    for share, (_, of_knot, _) in zip(shares, heads, strict=True):
        weight += weight.dtype.type(share) * of_knot
    return weight, np.array(shares) @ np.array([intercept for _, _, intercept in heads])


def chosen_C(  # noqa: N802
    Cs: NDArray[np.float64], folds: Sequence[FoldPath], held_out_weight: Sequence[float], rule: Rule
) -> CPath:
    """The path of all folds, and the C that it chooses.

    "least" is the C of the least mean log-loss; "one_standard_error" the least C whose mean log-loss is not above that
    by more than its standard error (Hastie, Tibshirani & Friedman 2009, The Elements of Statistical Learning, 7.10).
    """
    weight = np.array(held_out_weight, np.float64)
    losses = np.stack([fold.log_losses for fold in folds], axis=1)
    means = losses @ (weight / weight.sum())
    errors = losses.std(axis=1, ddof=1) / np.sqrt(len(folds)) if len(folds) > 1 else folds[0].errors
    best = int(np.argmin(means))
    chosen = best
    if rule == "one_standard_error":
        chosen = int(np.argmax(means <= means[best] + errors[best]))
    iterations = np.stack([fold.iterations for fold in folds], axis=1)
    followed = np.stack([fold.followed for fold in folds], axis=1)
    return CPath(Cs, losses, weight, errors, iterations, followed, best, chosen)


def warn_of_end(path: CPath, stacklevel: int) -> None:
    """Warn if the best C is at an end of the path, and say what to try; `stacklevel` is counted from here."""
    last = len(path.Cs) - 1
    if last == 0 or 0 < path.best < last:
        return
    losses, (least, largest) = path.mean_log_losses, path.Cs[[0, -1]]
    if losses.max() <= (1 + _FLAT) * losses[path.best]:
        message = (
            f"the held-out log-losses hardly differ from C={least:g} to C={largest:g}, expected a least one between; "
            f"try Cs=np.geomspace({largest:.3g}, {largest * 1e8:.3g}, 9), or in a shell a larger --C, or "
            "standardize=True (--standardize): features of small numbers want large values."
        )
    else:
        larger = path.best == last
        ends = (largest / 10, largest * 1e4) if larger else (least / 1e4, least * 10)
        other = "larger" if larger else "smaller"
        message = (
            f"the least held-out log-loss, {losses[path.best]:.4g}, is that of C={path.Cs[path.best]:g}, the "
            f"{'largest' if larger else 'least'} of the path, expected one within it; try "
            f"Cs=np.geomspace({ends[0]:.3g}, {ends[1]:.3g}, 11), or in a shell a {other} --C."
        )
    warnings.warn(f"Cs: {message}", PathEndWarning, stacklevel=stacklevel + 1)

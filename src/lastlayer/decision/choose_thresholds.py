"""Thresholds of many labels, chosen on rows that the model has not seen."""

from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer._arrays import Number, as_labels
from lastlayer._indicator import as_indicator
from lastlayer.decision.evidence import Evidence
from lastlayer.decision.label_entries import LabelEntries
from lastlayer.decision.probability_matrix import Probabilities, as_probability_matrix
from lastlayer.decision.threshold_search import Aim, Found, search_each, search_shared
from lastlayer.decision.thresholds import Thresholds
from lastlayer.kernels.thresholds import COST, F1, PRECISION, RECALL

# As how many rows that have the label the expected counts weigh at most, so that many rows prevail.
_MOST_SMOOTHING = 500.0


def choose_thresholds(
    probabilities: Probabilities,
    targets: Any,
    *,
    objective: Literal["f1"] | None = None,
    precision: Number | None = None,
    recall: Number | None = None,
    cost: tuple[Number, Number] | None = None,
    per_label: bool = False,
    smoothing: Number = 2.0,
    unmet: Literal["refuse", "never"] = "refuse",
) -> Thresholds:
    """The thresholds that are best on these rows: one for all labels, or one for each.

    One threshold is judged by the counts of all labels together (micro), one for each by that label's own. They are
    exact: no other threshold is better on these rows, and of equally good ones the highest is chosen, half way to the
    next probability below. A probability of 0 is never predicted. Where none of these rows is best predicted, which
    says nothing of a larger probability, the threshold is that of right probabilities, or the largest one here. What is
    reached here is not guaranteed for new rows.

    Few rows have a rare label, and the threshold that is best on them is so by chance. Per label, each count is
    therefore the rows' own plus w times the one that the probabilities themselves expect of these rows, so they should
    be calibrated; w = min(smoothing, 500 / rows that are expected to have the label). A target is then met by these
    counts. decisions/0016-thresholds-and-prediction-sets.md has what that gains.

    Exactly one of `objective`, `precision`, `recall` and `cost` says what is sought; none of them means "f1".

    Args:
      probabilities: (N, K) from 0 to 1, dense or sparse; what a sparse matrix does not store is 0.
      targets: (N, K) indicator of 0 and 1, dense or sparse, the labels that a row has; or (N,) integers from 0 to
        K - 1 where every row has exactly one.
      objective: "f1" for the best F1.
      precision: for the most recall at a precision of at least this, above 0 and up to 1.
      recall: for the fewest predictions at a recall of at least this, above 0 and up to 1.
      cost: for the least cost, what a label that is wrongly predicted costs, and one that is missed.
      per_label: a threshold for each label.
      smoothing: the greatest w; 0 for the rows' own counts. One threshold for all labels takes no smoothing.
      unmet: what becomes of a label that cannot have the `precision`: "refuse", or "never" to predict it.
    Returns: a `Thresholds`. Its evidence states what is reached on these rows: F1, precision or recall of all labels
      together, or with `per_label` the mean over labels that are defined; the cost of a row.

    Memory beyond the arguments: O(N + K), whatever N times K, for float32 and float64 probabilities.

    Raises:
      ValueError: if a target cannot be met, with the best that can; if no row has a label that needs one; for another
        shape or an entry out of range, naming the row.
    >>> p, targets = [[0.9, 0.1], [0.6, 0.4], [0.3, 0.2]], [[1, 0], [0, 1], [1, 0]]
    >>> float(choose_thresholds(p, targets).threshold)
    0.25
    >>> choose_thresholds(p, targets, per_label=True, smoothing=0).threshold.round(3).tolist()
    [0.15, 0.3]
    """
    name, aim, target = _aim(objective, precision, recall, cost)
    if unmet not in ("refuse", "never"):
        raise ValueError(f'unmet: received {unmet!r}, expected "refuse" or "never".')
    if unmet == "never" and not (per_label and aim.kind == PRECISION):
        raise ValueError('unmet: received "never", which is for a precision of each label; pass per_label=True.')
    smoothing = _number(smoothing, "smoothing", 0, np.inf)
    p = as_probability_matrix(probabilities)
    if not p.shape[0]:
        raise ValueError("probabilities: no rows, expected at least one to choose thresholds on.")
    entries = LabelEntries(sp.csc_array(p) if sp.issparse(p) else p, _targets(targets, p.shape))
    if aim.kind != COST:
        _refuse_without_rows(entries.positive, per_label, smoothing)
    found = search_each(entries, aim, smoothing, _MOST_SMOOTHING) if per_label else search_shared(entries, aim)
    if aim.kind in (PRECISION, RECALL) and unmet == "refuse" and not found.met.all():
        raise ValueError(_what_cannot_be_met(name, target, found, per_label))
    evidence = Evidence(p.shape[0], name, target, _reached(aim, found, entries, per_label))
    return Thresholds(found.threshold if per_label else float(found.threshold[0]), evidence)


def _aim(objective, precision, recall, cost) -> tuple[str, Aim, float | None]:
    given = {"objective": objective, "precision": precision, "recall": recall, "cost": cost}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)}: received together, expected one of them.")
    if precision is not None:
        target = _number(precision, "precision", 0, 1, above=True)
        return "precision", Aim(PRECISION, target), target
    if recall is not None:
        target = _number(recall, "recall", 0, 1, above=True)
        return "recall", Aim(RECALL, target), target
    if cost is not None:
        if not isinstance(cost, (tuple, list, np.ndarray)) or np.shape(cost) != (2,):
            raise ValueError(
                f"cost: received {cost!r}, expected two numbers, what a wrong prediction costs and what a missed one."
            )
        wrong, missed = (_number(each, "cost", 0, np.inf) for each in cost)
        if wrong == missed == 0:
            raise ValueError("cost: received two zeros, expected at least one cost above 0.")
        return "cost", Aim(COST, wrong, missed), None
    if objective not in (None, "f1"):
        raise ValueError(f'objective: received {objective!r}, expected "f1"; or pass precision=, recall= or cost=.')
    return "f1", Aim(F1), None


def _number(value, name, least, most, *, above=False):
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: received {value!r}, expected a number.")
    number = float(value)
    inside = np.isfinite(number) and (number > least if above else number >= least) and number <= most
    if not inside:
        wanted = f"above {least}" if above else f"of at least {least}"
        wanted += "" if most == np.inf else f" and at most {most}"
        raise ValueError(f"{name}: received {value!r}, expected a finite number {wanted}.")
    return number


def _targets(targets, shape):
    if not sp.issparse(targets) and np.ndim(targets) == 1:
        labels = as_labels(targets, shape[1], shape[:1], name="targets", scores="probabilities")
        ones = (np.ones(len(labels), bool), (np.arange(len(labels)), labels))
        return as_indicator(sp.csc_array(ones, shape=shape), "targets")
    indicator = as_indicator(targets, "targets")
    if indicator.shape != shape:
        raise ValueError(f"targets: shape is {indicator.shape}, expected {shape} like the probabilities.")
    indicator.sort_indices()
    return indicator


def _refuse_without_rows(positive: NDArray[np.int64], per_label: bool, smoothing: float):
    if not positive.any():
        raise ValueError("targets: no row has any label, expected some to choose thresholds on.")
    none = positive == 0
    if per_label and smoothing == 0 and none.any():
        raise ValueError(
            f"targets: no row has label {int(none.argmax())} ({int(none.sum())} labels have none), expected at least "
            "one row for each; pass a smoothing above 0 to go by its probabilities."
        )


def _what_cannot_be_met(name, target, found: Found, per_label):
    if not per_label:
        return (
            f"{name}: {target:g} cannot be met on these rows, where no threshold reaches more than "
            f"{_rounded_down(found.most[0])}; ask for no more than that."
        )
    worst, count = int(np.where(found.met, np.inf, found.most).argmin()), int((~found.met).sum())
    remedy = 'or pass unmet="never" to never predict such labels' if name == "precision" else "or store more of them"
    return (
        f"{name}: {target:g} cannot be met for {count} of {len(found.met)} labels; label {worst} reaches the least, "
        f"{_rounded_down(found.most[worst])}; ask for no more than that, {remedy}."
    )


def _rounded_down(share):
    return f"{np.floor(share * 1e4) / 1e4:.4g}"


def _reached(aim: Aim, found: Found, entries: LabelEntries, per_label: bool) -> float:
    positive = entries.positive.astype(np.float64)
    if aim.kind == COST:
        wrong, missed = (found.predicted - found.right).sum(), positive.sum() - found.right.sum()
        return float((aim.first * wrong + aim.second * missed) / entries.probabilities.shape[0])
    positive = positive if per_label else positive.sum(keepdims=True)
    below = {F1: (found.predicted + positive) / 2, PRECISION: found.predicted, RECALL: positive}[aim.kind]
    defined = below > 0
    return float((found.right[defined] / below[defined]).mean()) if defined.any() else float("nan")

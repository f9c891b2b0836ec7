"""The decision rule of a head: which rules and values of "don't know" fit it, and what it answers under one."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer.decision import Rule, Thresholds, can_abstain, require_classes
from lastlayer.decision.head_rules import default_rule, is_default
from lastlayer.estimators.labelled_rows import plain
from lastlayer.estimators.linear_head import row_blocks

# What the names of a rule's arrays begin with among the tensors of a file.
DECISION = "decision."


class RuleDroppedWarning(UserWarning):
    """A decision rule was dropped, since the probabilities that it was chosen on are no more."""


def require_rule(rule: Any, abstain_label: Any, classes: NDArray[Any], *, many_labels: bool) -> None:
    """Refuse a rule or a value of "don't know" that does not fit a head.

    Raises: TypeError for what is no rule or a label of another kind than the classes; ValueError for a rule of other
      classes, one that does not suit a head of many labels, or an `abstain_label` that is a class or has no use.
    """
    require_classes(rule, len(classes))
    if many_labels and not isinstance(rule, Thresholds):
        raise ValueError(
            f"decision: received {type(rule).__name__}, expected Thresholds for a head of many labels a row, whose "
            "probabilities are each for itself."
        )
    if abstain_label is None:
        return
    if not can_abstain(rule):
        raise ValueError(f"abstain_label: received {abstain_label!r}, but the rule always answers; leave it out.")
    label, plain_classes = np.asarray(abstain_label), np.asarray(classes.tolist())
    kinds = {"number" if kind in "iuf" else kind for kind in (label.dtype.kind, plain_classes.dtype.kind)}
    if label.ndim or len(kinds) > 1 or "b" in kinds:
        raise TypeError(
            f"abstain_label: received {abstain_label!r}, expected a value of the kind of the classes, "
            f"{classes.dtype}, or None."
        )
    if (classes == abstain_label).any():
        raise ValueError(f"abstain_label: {abstain_label!r} is a class, expected a value that is none.")
    if "number" in kinds and classes.dtype.kind != "O":
        both = _dtype_of_answers(classes, abstain_label)
        if not (classes.astype(both).astype(classes.dtype) == classes).all():
            raise ValueError(
                f"abstain_label: received {abstain_label!r}, but classes and it are together {both}, in which some "
                f"classes are the same number; pass a label that {classes.dtype} holds, or None."
            )


def drop_rule(model: Any, *, many_labels: bool) -> None:
    """Give `model` the rule of a head that none was set for, and say so if that changes its answers."""
    dropped = getattr(model, "decision_", None)
    model.decision_, model.abstain_label_ = default_rule(many_labels=many_labels), None
    if dropped is not None and not is_default(dropped, many_labels=many_labels):
        warnings.warn(
            f"the decision rule, {type(dropped).__name__}, was dropped: it was chosen on probabilities that are no "
            "more; choose one on the new ones.",
            RuleDroppedWarning,
            stacklevel=3,
        )


def named(answers: NDArray[np.int64], rule: Rule, classes: NDArray[Any], abstain_label: Any) -> NDArray[Any]:
    """Class indices (N,), -1 for "don't know", as labels (N,); with None for "don't know", as objects."""
    if not can_abstain(rule):
        return classes[answers]
    if abstain_label is None:
        labels = classes.astype(object)[answers]
    else:
        labels = classes.astype(_dtype_of_answers(classes, abstain_label))[answers]
    labels[answers < 0] = abstain_label
    return labels


def _dtype_of_answers(classes, abstain_label):
    """Of an array that holds classes and the label of "don't know"."""
    label = np.asarray(abstain_label)
    if classes.dtype.kind == "O":
        return classes.dtype
    return np.result_type(classes, np.min_scalar_type(label) if label.dtype.kind in "iu" else label)


def answers_of_rule(rule: Rule, probabilities_of: Callable[[slice], NDArray[Any]], num_rows: int, width: int) -> Any:
    """What `rule` answers for rows whose probabilities are formed block by block.

    Args:
      rule: the rule.
      probabilities_of: a slice of rows -> (rows, K).
      num_rows: N.
      width: numbers that a row of probabilities takes.
    Returns: (N,) class indices, -1 for "don't know"; or (N, K) booleans, an array or CSR, of a rule of sets.
    """
    parts = [rule.apply(probabilities_of(rows)) for rows in row_blocks(max(1, num_rows), width)]
    if any(sp.issparse(part) for part in parts):
        return sp.vstack(parts, format="csr")
    return np.concatenate(parts)


def share_right(answers: Any, labels: NDArray[np.int64], sample_weight: NDArray[np.float64] | None) -> float:
    """The share of rows whose answer is the label, or whose set holds it; "don't know" is neither.

    Args:
      answers: as `answers_of_rule` gives them.
      labels: (N,) class indices, -1 for a label that is no class.
      sample_weight: (N,), or None.
    """
    if answers.ndim == 1:
        right = (answers == labels) & (labels >= 0)
    else:
        right = np.zeros(len(labels), bool)
        known = np.flatnonzero(labels >= 0)
        right[known] = np.asarray(answers[known, labels[known]]).ravel()
    return float(np.average(right, weights=sample_weight))


def plain_label(label: Any) -> Any:
    """`abstain_label` as JSON can hold it."""
    return None if label is None else plain(label)

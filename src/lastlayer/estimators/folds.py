"""Which rows each fold of a cross-validation learns from, and which it is judged on."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer
from lastlayer.estimators.labelled_rows import whole_number


class Splitter(Protocol):
    """What scikit-learn calls a cross-validation splitter."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        """Yield (training, held-out) indices of rows."""


Folds: TypeAlias = Integer | Splitter | Iterable[tuple[ArrayLike, ArrayLike]]


class Split(NamedTuple):
    """Indices of rows, int64: those to learn from and those to be judged on."""

    training: NDArray[np.int64]
    held_out: NDArray[np.int64]


def splits_of(
    cv: Folds,
    X: Any,
    y: NDArray[Any],
    labels: NDArray[np.int64],
    weight: NDArray[np.float64],
    groups: ArrayLike | None,
    generator: np.random.RandomState,
) -> list[Split]:
    """The splits that `cv` stands for, of the rows that have a weight.

    Args:
      cv: how many folds, from 2; a splitter of scikit-learn's; or pairs of indices, or of masks, (training, held-out).
      X: (N, D) features, for a splitter.
      y: (N,) labels, for a splitter.
      labels: (N,) int64, the class of each row; -1 would be no class.
      weight: (N,) float64 >= 0; rows of weight 0 are in no part.
      groups: (N,) what no fold may have in both parts, or None.
      generator: numpy.random.RandomState that deals the rows of a class, or groups, to folds.
    Returns: splits. With a number of folds each row is held out once, but for a class of one row, which is never; every
      class with a second row, and with groups most classes in a second group, are in every training part.
    Raises: ValueError or TypeError, in one sentence, for folds without rows or beyond them, and rows in both parts.
    """
    groups = None if groups is None else _checked_groups(groups, len(labels))
    if isinstance(cv, str) or not (hasattr(cv, "split") or isinstance(cv, Iterable)):
        count = whole_number(cv, "cv")
        if count < 2:
            raise ValueError("cv: received 1, expected at least 2 folds; pass validation=(X, y) to fit for one set.")
        weighs = np.flatnonzero(weight)
        fold = np.full(len(labels), -1)
        if groups is None:
            fold[weighs] = _dealt(labels[weighs], count, generator)
        else:
            fold[weighs] = _dealt_in_groups(labels[weighs], groups[weighs], count, generator)
        return [Split(weighs[fold[weighs] != k], np.flatnonzero(fold == k)) for k in range(count)]
    splitter: Any = cv
    given = splitter.split(X, y, groups) if hasattr(cv, "split") else splitter
    splits = [_checked(split, number, weight) for number, split in enumerate(given)]
    if not splits:
        raise ValueError("cv: has no splits, expected at least one; pass a list, since a generator gives them once.")
    return splits


def _dealt(labels, count, generator):
    """A fold for each row, -1 for a class of one row; the rows of a class are dealt in turn, from class to class."""
    order = np.lexsort((generator.random_sample(len(labels)), labels))
    order = order[np.bincount(labels)[labels[order]] > 1]
    if len(order) < count:
        raise ValueError(
            f"cv: received {count}, but only {len(order)} rows are of a class that has another row, expected as many "
            "folds at most; pass fewer, or more rows."
        )
    fold = np.full(len(labels), -1)
    fold[order] = np.arange(len(order)) % count
    return fold


def _dealt_in_groups(labels, groups, count, generator):
    """A fold for each row, the same for a group: where the group's most frequent class has the fewest rows so far."""
    try:
        _, group = np.unique(groups, return_inverse=True)
    except TypeError:
        kinds = sorted({type(name).__name__ for name in groups.tolist()})
        raise TypeError(
            f"groups: are of the types {' and '.join(kinds)}, expected names or numbers of one type; name a group for "
            "rows without one."
        ) from None
    number = int(group.max()) + 1
    if number < count:
        raise ValueError(
            f"groups: are {number} in rows that have a weight, but cv is {count}, expected a group for each fold at "
            "least; pass fewer folds."
        )
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    # The largest first, as they are the hardest to place.
    turns = np.lexsort((generator.random_sample(number), [-len(rows) for rows in members]))
    fold = np.empty(len(labels), np.int64)
    rows_of_class = np.zeros((count, int(labels.max()) + 1), np.int64)
    for turn in turns:
        rows = members[turn]
        counts = np.bincount(labels[rows], minlength=rows_of_class.shape[1])
        chosen = np.lexsort((rows_of_class.sum(axis=1), rows_of_class[:, counts.argmax()]))[0]
        fold[rows] = chosen
        rows_of_class[chosen] += counts
    return fold


def _checked(split, number, weight):
    """A split of the caller's, checked, without rows of weight 0."""
    try:
        parts = [np.asarray(part) for part in split]
        training, held_out = (np.flatnonzero(part) if part.dtype == bool else part for part in parts)
    except (TypeError, ValueError):
        raise TypeError(f"cv: split {number} is no pair of indices, expected (training rows, held-out rows).") from None
    for part in (training, held_out):
        if part.ndim != 1 or (part.size and part.dtype.kind not in "iu"):
            raise TypeError(
                f"cv: split {number} has {part.dtype} of shape {part.shape}, expected indices of rows in one dimension."
            )
        if part.size and not -1 < int(part.min()) <= int(part.max()) < len(weight):
            raise ValueError(
                f"cv: split {number} has rows beyond the {len(weight)} of X, expected 0 to {len(weight) - 1}."
            )
    training, held_out = (part[weight[part] > 0] if part.size else part for part in (training, held_out))
    if not (training.size and held_out.size):
        raise ValueError(f"cv: split {number} has a part without rows that have a weight, expected some in both parts.")
    shared = np.intersect1d(training, held_out)
    if shared.size:
        raise ValueError(
            f"cv: split {number} has row {shared[0]} in both parts ({shared.size} such rows), expected held-out rows "
            "that the fit has not seen."
        )
    return Split(training.astype(np.int64), held_out.astype(np.int64))


def _checked_groups(groups, num_rows):
    groups = np.asarray(groups)
    if groups.shape != (num_rows,):
        raise ValueError(f"groups: shape is {groups.shape}, expected ({num_rows},), one group for each row.")
    return groups

"""Rows kept from the fit, the same share of every class."""

from collections import Counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lastlayer._sorted_classes import sorted_classes
from lastlayer.tables.spool import swap_rows

Rows: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]
_SEED = 0


def hold_out(
    X: NDArray[Any],
    y: NDArray[Any],
    share: float,
    weight: NDArray[Any] | None = None,
) -> tuple[Rows, Rows | None]:
    """Split rows into those to fit and those to hold out, the same ones on every call.

    Every class keeps at least one row in the fit; classes too small for their share take turns.

    Args:
      X: (n, D) features.
      y: (n,) labels, or lists of labels, of which the one that fewest rows have is the row's class.
      share: of the rows to hold out, 0 <= share < 1.
      weight: (n,) weights, which go with their rows; None for none.
    Returns: ((X, y, weight), held): the rows to fit and those held out, None if that is no row.
    """
    held = _held_out(y, share)
    if not held.any():
        return (X, y, weight), None
    fitted, held = ((X[rows], y[rows], None if weight is None else weight[rows]) for rows in (~held, held))
    return fitted, held


def hold_out_in_place(
    X: NDArray[Any],
    y: NDArray[Any],
    share: float,
    weight: NDArray[Any] | None = None,
) -> tuple[Rows, Rows | None]:
    """Split rows as `hold_out` does, the same ones: those held out change places with rows at the end of X.

    So both parts are views of X, of which there is no second copy; within the parts rows have another order. Arguments
    and results are those of `hold_out`; y and weights stay as they are.
    """
    held = _held_out(y, share)
    if not held.any():
        return (X, y, weight), None
    end = len(y) - np.count_nonzero(held)
    ones, others = np.flatnonzero(held[:end]), end + np.flatnonzero(~held[end:])
    swap_rows(X, ones, others)
    y, weight = _swapped(y, ones, others), None if weight is None else _swapped(weight, ones, others)
    fitted, held = ((X[rows], y[rows], None if weight is None else weight[rows]) for rows in (np.s_[:end], np.s_[end:]))
    return fitted, held


def _swapped(values, ones, others):
    """Numbers or labels (n,) in the order that `swap_rows` gives; a file's own column may be read-only."""
    order = np.arange(len(values))
    order[ones], order[others] = others, ones
    return values[order]


def _held_out(y, share):
    """Which rows are held out, (n,) booleans."""
    codes = _rarest(y) if len(y) and isinstance(y[0], list) else sorted_classes(y)[1]
    order = np.lexsort((np.random.default_rng(_SEED).random(len(y)), codes))
    sorted_codes = codes[order]
    eligible = order[1:][sorted_codes[1:] == sorted_codes[:-1]]  # all but the first row of each class
    # Every 1 / share-th eligible row, which in this order is the same share of each class.
    turn = np.floor(np.arange(1, len(eligible) + 1) * min(1.0, share * len(y) / max(1, len(eligible))))
    held = np.zeros(len(y), dtype=bool)
    held[eligible[np.diff(turn, prepend=0) > 0]] = True
    return held


def _rarest(y):
    """For each list of labels a number, the same for the same rarest label."""
    counts = Counter(label for labels in y for label in labels)
    order = {label: place for place, (label, _) in enumerate(counts.most_common(), 1)}
    return np.array([max((order[label] for label in labels), default=0) for labels in y])

"""Average precision of labels whose probabilities were counted in cells."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.metrics.odds_cells import num_cells

# Cells that are looked at together.
_TOGETHER = 1 << 18
# Cells of all labels, about 64 MB of sums; of more than some 20,000 labels it is a cell for each power of two.
_CELLS = 1 << 22
_MOST_BITS = 10


def bits_for(num_labels: int) -> int:
    """How fine the cells of each of K labels are, in bits, for 64 MB of all: 10 up to 38 labels, 5 of 1,000."""
    bits = _MOST_BITS
    while bits > 0 and num_labels * num_cells(bits) > _CELLS:
        bits -= 1
    return bits


def average_precision(cells: NDArray[Any]) -> NDArray[np.float64]:
    """The sum over thresholds, from the highest, of the gain in recall times the precision; NaN without a row to find.

    Every cell is a threshold; as in scikit-learn, nothing is interpolated.

    Args:
      cells: (..., 2, cells) weights of rows by their probability: those without the label, those with it.
    Returns: (...)
    """
    without, having = cells[..., 0, ::-1], cells[..., 1, ::-1]
    found = np.cumsum(having, axis=-1)
    given = found + np.cumsum(without, axis=-1)
    precision = np.divide(found, given, out=np.zeros_like(given), where=given > 0)
    total = found[..., -1]
    gained = (having * precision).sum(axis=-1)
    return np.divide(gained, total, out=np.full(total.shape, np.nan), where=total > 0)


def average_precisions(cells: NDArray[Any]) -> NDArray[np.float64]:
    """(K,) that of each label, of (K, 2, cells), some labels at a time."""
    step = max(1, _TOGETHER // cells.shape[2])
    return np.concatenate([average_precision(cells[k : k + step]) for k in range(0, len(cells), step)])

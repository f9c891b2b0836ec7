"""Which rows keep their curvature in a minorant of F: those that carry most of it, as far as memory and time allow."""

from typing import TYPE_CHECKING, Any

import numpy as np

from lastlayer._memory import allowed_bytes
from lastlayer.solvers.training_rows import Line

if TYPE_CHECKING:
    from lastlayer.solvers.local_rows import LocalRows
    from lastlayer.solvers.softmax_regression import SoftmaxRegression
    from lastlayer.solvers.softmax_search import SoftmaxPoint

# Share of the curvature that the kept rows have together, if that takes at least so many rows for each feature, and
# rows at least.
_SHARE, _ROWS_PER_FEATURE, _FEWEST_ROWS = 0.3, 8, 1024
# Scores by which the kept rows are told from the others.
_SAMPLE = 1 << 14
# Bytes that are held for the kept rows, at most: their logits, the change of these, probabilities and features. Of
# large features they may be this share of what those take, up to so many; where memory is short, this share of what is
# allowed, but so many anyway.
_MOST_BYTES, _OF_FEATURES, _LARGEST, _OF_MEMORY, _BYTES_ANYWAY = 1 << 28, 0.5, 1 << 32, 0.5, 1 << 25


def kept_rows(
    problem: "SoftmaxRegression", point: "SoftmaxPoint", line: Line, dtype: np.dtype[Any], affordable_rows: int
) -> tuple["LocalRows", float]:
    """The rows of the highest scores, a copy, and the share of the curvature that they have.

    Args:
      problem: SoftmaxRegression.
      point: the head at which the curvature is taken.
      line: its logits.
      dtype: of the logits that are held for the rows.
      affordable_rows: how many there are at most, unless fewer than are needed anyway.
    """
    (num_rows, num_features), num_classes = problem.rows.shape, point.intercept.size
    of_features = problem.rows.dtype.itemsize * num_features
    of_row = of_features + (2 * dtype.itemsize + problem.rows.dtype.itemsize) * num_classes
    wanted = min(max(_MOST_BYTES, _OF_FEATURES * num_rows * of_features), _LARGEST)
    with_room = max(1, int(min(wanted, max(_BYTES_ANYWAY, _OF_MEMORY * allowed_bytes())) / of_row))
    fewest = min(num_rows, with_room, max(_FEWEST_ROWS, _ROWS_PER_FEATURE * num_features))
    if fewest == num_rows:
        return problem.rows.take(np.arange(num_rows)), 1.0
    # Each class's curvature counts alike.
    factors = 1 / np.maximum(point.masses, np.finfo(float).tiny)
    found = line.uncertainty(factors, -(-num_rows // _SAMPLE), min(with_room, num_rows))
    sample = np.sort(found.sample)[::-1]
    carried = np.cumsum(sample)
    share = (int(np.searchsorted(carried, _SHARE * carried[-1])) + 1) / sample.size
    count = min(with_room, max(fewest, min(affordable_rows, int(share * num_rows))))
    highest = np.argpartition(-found.scores, count - 1)[:count]
    return problem.rows.take(np.sort(found.rows[highest])), float(found.scores[highest].sum() / found.total)

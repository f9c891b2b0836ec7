"""The most probable classes of a linear head for each row, without an array of all logits."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer, Number, checked_beta, rounded
from lastlayer.decision.top_k import TopK, checked_k
from lastlayer.kernels.class_tiles import SCRATCH, RowSums, empty_sums, merge_sums, sum_tile
from lastlayer.kernels.largest import keep_largest, merge_largest
from lastlayer.linear import sweep
from lastlayer.losses import checked_head

# Groups of classes that threads share: each begins with lists of its own, which cost a few insertions.
_MOST_GROUPS = 16


def linear_top_k(
    features: ArrayLike, weight: ArrayLike, k: Integer, *, bias: ArrayLike | None = None, beta: Number = 1.0
) -> TopK[Any]:
    """The `k` most probable classes of each row under softmax(beta (features weight' + bias)), and their probabilities.

    The probabilities are exact, normalised over all K classes. Logits are seen a tile of classes at a time: memory
    beyond the arguments and the result is a few tens of MB, for any K and a `k` of up to a few hundred.

    Args:
      features: (..., D) features.
      weight: (K, D), a weight vector for each class.
      k: how many classes, 1 to K.
      bias: (K,), added to the logits; None means 0.
      beta: inverse temperature, > 0.
    Returns: a TopK, a named tuple of `indices` (..., k) int64 and `probabilities` (..., k), in the wider dtype of
      `features` and `weight`, in descending order; of equal logits the lower index comes first. A row whose logits are
      NaN or +inf, or all -inf, has NaN for its probabilities.

    Raises:
      ValueError: if a shape does not fit, there are no classes, `k` is not between 1 and K, or beta is not above 0.
      TypeError: if an argument is no dense array of real numbers, or `k` no integer.

    >>> import numpy as np
    >>> top = linear_top_k(np.array([[1.0]]), np.array([[2.0], [1.0], [0.1], [1.0]]), 2)
    >>> top.indices.tolist(), top.probabilities.round(3).tolist()
    ([[0, 1]], [[0.53, 0.195]])
    """
    beta, given = checked_beta(beta), checked_head(features, weight, bias, None)
    size, num_rows = checked_k(k, len(given.head.weight)), len(given.features)
    working = given.working if 1e-30 <= beta <= 1e30 else np.dtype(np.float64)
    rows, head = given.features, given.head
    if beta != 1.0:
        rows = rows.astype(working) * working.type(beta)
        head = head._replace(bias=None if head.bias is None else head.bias.astype(working) * working.type(beta))
    found = _TopKOnTiles(np.empty((num_rows, size), np.int64), np.empty((num_rows, size), working))
    sweep(found, head, rows, None, working, numbers_per_row=8 + 3 * size, most_groups=_MOST_GROUPS)
    shape = (*given.shape, size)
    return TopK(found.indices.reshape(shape), rounded(found.probabilities.reshape(shape), given.dtype))


class _Known(NamedTuple):
    sums: RowSums
    indices: NDArray[np.int64]
    keys: NDArray[Any]


class _TopKOnTiles(NamedTuple):
    """indices (N, k) int64 and probabilities (N, k), written."""

    indices: NDArray[np.int64]
    probabilities: NDArray[Any]

    def empty(self, where: slice) -> _Known:
        """See TileOperation."""
        num_rows, size = where.stop - where.start, self.indices.shape[1]
        keys = np.full((num_rows, size), -np.inf, self.probabilities.dtype)
        return _Known(empty_sums(num_rows), np.full((num_rows, size), -1), keys)

    def add(self, known: _Known, where: slice, logits: NDArray[Any], first: int) -> None:
        """See TileOperation."""
        no_labels = np.full(where.stop - where.start, -1)
        scratch = np.empty((SCRATCH, logits.shape[2]), logits.dtype)
        sum_tile(logits, first, no_labels, None, False, scratch, known.sums)
        keep_largest(logits, first, scratch[0], known.indices, known.keys)

    def merge(self, known: _Known, more: _Known) -> None:
        """See TileOperation."""
        merge_sums(known.sums, more.sums)
        merge_largest(known.indices, known.keys, more.indices, more.keys)

    def finish(self, known: _Known, where: slice) -> None:
        """See TileOperation."""
        sums, indices = known.sums, known.indices
        for row in np.flatnonzero(indices[:, -1] < 0):  # fewer possible classes than k: the first of the others
            kept = indices[row][indices[row] >= 0]
            others = np.setdiff1d(np.arange(indices.shape[1] + len(kept)), kept)
            indices[row, len(kept) :] = others[: indices.shape[1] - len(kept)]
        self.indices[where] = indices
        with np.errstate(invalid="ignore"):
            below = np.exp(known.keys.astype(np.float64) - sums.maxima[:, None])
            self.probabilities[where] = below / (sums.others + sums.winners)[:, None]

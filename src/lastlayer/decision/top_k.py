"""The most probable classes of each row, without an array of all probabilities."""

from typing import Any, Generic, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Float, Float_co, Integer, Number, as_float_array, checked_beta, result_dtype
from lastlayer._blocks import dense_blocks
from lastlayer._threads import run_blocks
from lastlayer.kernels.exponential import scale_of
from lastlayer.kernels.top_k import top_k_rows

# Logits worth a dispatch to another thread.
_DISPATCH = 1 << 17


class TopK(NamedTuple, Generic[Float_co]):
    """What `top_k` returns: `indices` (..., k) int64 and `probabilities` (..., k), most probable class first."""

    indices: NDArray[np.int64]
    probabilities: NDArray[Float_co]


@overload
def top_k(logits: NDArray[Float], k: Integer, *, beta: Number = 1.0) -> TopK[Float]: ...
@overload
def top_k(logits: ArrayLike, k: Integer, *, beta: Number = 1.0) -> TopK[np.floating[Any]]: ...
def top_k(logits: ArrayLike, k: Integer, *, beta: Number = 1.0) -> TopK[np.floating[Any]]:
    """The `k` most probable classes of each row and their probabilities under softmax(beta * logits).

    The probabilities are exact, normalised over all K classes, as accurate as those of `softmax`. Memory beyond the
    arguments is that of the result. Made for a `k` of up to a few hundred; a whole ranking is a sort of `softmax`.

    Args:
      logits: (..., K) scores, classes last; -inf marks a class as impossible.
      k: how many classes, 1 to K.
      beta: inverse temperature, > 0, as from `fit_temperature`.
    Returns: a named tuple of `indices` (..., k) int64 and `probabilities` (..., k) in the dtype of `logits` (float64
      for integers, float16 computed in float32), in descending order; of equal logits the lower index comes first. A
      row that holds NaN or +inf, or nothing but -inf, has NaN for its probabilities.

    Raises:
      ValueError: if there are no classes, `k` is not between 1 and K, or beta is not above 0.
      TypeError: if `logits` are not a dense array of real numbers or `k` is no integer.

    >>> import numpy as np
    >>> top = top_k(np.array([[2.0, 1.0, 0.1, 1.0]]), 2)
    >>> top.indices.tolist(), top.probabilities.round(3).tolist()
    ([[0, 1]], [[0.53, 0.195]])
    """
    beta = checked_beta(beta)
    # An array is converted block by block; anything else must become an array first.
    logits = logits if isinstance(logits, np.ndarray) else as_float_array(logits, "logits")
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits: shape is {logits.shape}, expected (..., K), at least one class.")
    num_classes = logits.shape[-1]
    k = checked_k(k, num_classes)
    rows = logits.reshape(-1, num_classes)
    working = _working_dtype(logits, beta)
    indices, probabilities = np.empty((len(rows), k), np.int64), np.empty((len(rows), k), working)

    def work(start, stop):
        for part, block in dense_blocks(rows, start, stop, "logits", working):
            top_k_rows(block, scale_of(beta, working), indices[part], probabilities[part])

    run_blocks(work, len(rows), items_per_block=max(1, _DISPATCH // num_classes))
    shape = (*logits.shape[:-1], k)
    return TopK(indices.reshape(shape), probabilities.reshape(shape).astype(result_dtype(logits), copy=False))


def checked_k(k: object, num_classes: int) -> int:
    """`k` as an int. Raises TypeError unless it is an integer, ValueError unless it is from 1 to num_classes."""
    if isinstance(k, (bool, np.bool_)) or not isinstance(k, (int, np.integer)):
        raise TypeError(f"k: received {k!r}, expected a whole number from 1 to {num_classes}.")
    if not 1 <= k <= num_classes:
        raise ValueError(f"k: received {k}, expected 1 to {num_classes}, the number of classes.")
    return int(k)


def _working_dtype(logits: NDArray[Any], beta: float) -> np.dtype[Any]:
    """float32 where that holds both the logits and the products of beta, else float64."""
    single = as_float_array(logits[:0], "logits").dtype == np.float32 and 1e-30 <= beta <= 1e30
    return np.dtype(np.float32 if single else np.float64)

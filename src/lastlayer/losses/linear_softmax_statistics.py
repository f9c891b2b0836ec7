"""linear_softmax_statistics: logsumexp, the most probable class and the entropy of a linear head's logits."""

from typing import Any, Generic, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import ArrayOrScalar, Float, Float_co, Number, rounded
from lastlayer.linear import sweep
from lastlayer.losses.linear_arguments import checked_head
from lastlayer.losses.softmax_loss_on_tiles import StatisticsOnTiles


class LinearSoftmaxStatistics(NamedTuple, Generic[Float_co]):
    """What is known of examples without their labels.

    logsumexp, entropy: (...) nats. predicted: (...) int64, the most probable class; of equal ones the first.
    """

    logsumexp: ArrayOrScalar[Float_co]
    predicted: Any
    entropy: ArrayOrScalar[Float_co]


@overload
def linear_softmax_statistics(
    features: NDArray[Float], weight: NDArray[Float], *, bias: ArrayLike | None = None, soft_cap: Number | None = None
) -> LinearSoftmaxStatistics[Float]: ...
@overload
def linear_softmax_statistics(
    features: ArrayLike, weight: ArrayLike, *, bias: ArrayLike | None = None, soft_cap: Number | None = None
) -> LinearSoftmaxStatistics[np.floating[Any]]: ...
def linear_softmax_statistics(
    features: ArrayLike, weight: ArrayLike, *, bias: ArrayLike | None = None, soft_cap: Number | None = None
) -> LinearSoftmaxStatistics[np.floating[Any]]:
    """Of the logits z = features weight' + bias of each example: logsumexp, the most probable class and the entropy.

    No (N, K) array is formed: memory beyond the arguments is 16 MB and a few numbers an example, for any K.

    Args:
      features: (..., D) features.
      weight: (K, D), a weight vector for each class.
      bias: (K,), added to the logits; None means 0.
      soft_cap: c > 0, for logits c tanh(z / c); None means none.
    Returns: a LinearSoftmaxStatistics, a named tuple of `logsumexp`, `predicted` and `entropy` (...), the floats in the
      wider dtype of `features` and `weight`. They are NaN, and `predicted` of no meaning, for an example whose logits
      are NaN or +inf, or all -inf.

    Raises:
      ValueError: if there are no classes, a shape does not fit, or the cap is not above 0.
      TypeError: if an argument is no dense array of real numbers.

    >>> import numpy as np
    >>> result = linear_softmax_statistics(np.array([[1.0]]), np.array([[2.0], [1.0], [0.1]]))
    >>> result.logsumexp.round(3).tolist(), result.predicted.tolist(), result.entropy.round(3).tolist()
    ([2.417], [0], [0.847])
    """
    given = checked_head(features, weight, bias, soft_cap)
    num_rows = len(given.features)
    found = StatisticsOnTiles(np.empty(num_rows), np.empty(num_rows, np.int64), np.empty(num_rows))
    sweep(found, given.head, given.features, None, given.working)
    return LinearSoftmaxStatistics(
        rounded(found.logsumexp.reshape(given.shape), given.dtype)[()],
        found.predicted.reshape(given.shape)[()],
        rounded(found.entropy.reshape(given.shape), given.dtype)[()],
    )

"""binary_cross_entropy_with_logits: one score against yes, no or a probability of yes, and the gradient."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import ArrayOrScalar, Float, as_float_array, rounded
from lastlayer.kernels.binary import binary_cross_entropy_entries
from lastlayer.losses._each_entry import each_entry
from lastlayer.losses.losses_and_gradient import LossesAndGradient

# Entries between two looks at where the factors repeat.
PERIOD = 4096


@overload
def binary_cross_entropy_with_logits(
    logits: NDArray[Float], targets: ArrayLike, *, positive_weight: ArrayLike | None = None
) -> ArrayOrScalar[Float]: ...
@overload
def binary_cross_entropy_with_logits(
    logits: ArrayLike, targets: ArrayLike, *, positive_weight: ArrayLike | None = None
) -> ArrayOrScalar[np.floating[Any]]: ...
def binary_cross_entropy_with_logits(
    logits: ArrayLike, targets: ArrayLike, *, positive_weight: ArrayLike | None = None
) -> ArrayOrScalar[np.floating[Any]]:
    """Cross-entropy of sigmoid(z) against a target t from 0 to 1, entry by entry, in nats.

    The loss is w t log(1 + exp(-z)) + (1 - t) log(1 + exp(z)), which is stable at any z, and for t = 1 or 0 accurate
    relative to itself where it is near 0. For many labels an example, one entry is one label; a sum or mean is the
    caller's step. The name is PyTorch's, where binary_cross_entropy takes probabilities.

    Args:
      logits: (..., K) or (...) scores.
      targets: the same shape; 1 (or True) for yes, 0 for no, or the probability of yes; taken in the dtype of `logits`.
      positive_weight: w above, a number >= 0, or (K,) of them for the last axis; the factor of what yes costs. The
        number of negatives over that of positives makes both weigh the same.
    Returns: losses in the shape and dtype of `logits` (float64 for integers, float16 computed in float32). NaN gives
      NaN; a logit of -inf is the certainty of no, and costs 0 or +inf.

    Raises:
      ValueError: if the shapes do not fit, a target is not from 0 to 1 (it names the first), or a weight is negative.
      TypeError: if one of them is not a dense array of real numbers.

    >>> import numpy as np
    >>> binary_cross_entropy_with_logits(np.array([2.0, -1e4, -1e4]), np.array([1, 0, 1])).round(4).tolist()
    [0.1269, 0.0, 10000.0]
    """
    return _binary_cross_entropy_with_logits(logits, targets, positive_weight, with_gradient=False)


@overload
def binary_cross_entropy_with_logits_value_and_grad(
    logits: NDArray[Float], targets: ArrayLike, *, positive_weight: ArrayLike | None = None
) -> LossesAndGradient[Float]: ...
@overload
def binary_cross_entropy_with_logits_value_and_grad(
    logits: ArrayLike, targets: ArrayLike, *, positive_weight: ArrayLike | None = None
) -> LossesAndGradient[np.floating[Any]]: ...
def binary_cross_entropy_with_logits_value_and_grad(
    logits: ArrayLike, targets: ArrayLike, *, positive_weight: ArrayLike | None = None
) -> LossesAndGradient[np.floating[Any]]:
    """binary_cross_entropy_with_logits of each entry and its derivative with respect to that entry's logit.

    Args:
      logits: (..., K) or (...) scores.
      targets: the same shape; 1 (or True) for yes, 0 for no, or the probability of yes.
      positive_weight: a number >= 0, or (K,) of them for the last axis; None means 1.
    Returns: a named tuple of `losses` as binary_cross_entropy_with_logits gives them and `gradient`,
      (1 - t) p - w t (1 - p) with p = sigmoid(z), both in the shape and dtype of `logits`.

    Raises:
      ValueError: if the shapes do not fit, a target is not from 0 to 1 (it names the first), or a weight is negative.
      TypeError: if one of them is not a dense array of real numbers.

    >>> import numpy as np
    >>> result = binary_cross_entropy_with_logits_value_and_grad(np.array([2.0, -1e4]), np.array([1, 0]))
    >>> result.gradient.round(4).tolist()
    [-0.1192, 0.0]
    """
    return _binary_cross_entropy_with_logits(logits, targets, positive_weight, with_gradient=True)


def _binary_cross_entropy_with_logits(
    logits: ArrayLike, targets: ArrayLike, positive_weight: ArrayLike | None, *, with_gradient: bool
) -> Any:
    scores = as_float_array(logits, "logits")
    factors = _factors(positive_weight, scores)

    def kernel(z, t, losses, gradient):
        binary_cross_entropy_entries(z, t, factors, losses, gradient)

    return each_entry(kernel, logits, targets, with_gradient=with_gradient, period=factors.size)


def repeated(factors: NDArray[Any]) -> NDArray[Any]:
    """Factors (P,) one after the other to a length at which a loop over them is worth its while."""
    return np.tile(factors, -(-PERIOD // factors.size)) if factors.size else np.ones(PERIOD, factors.dtype)


def _factors(positive_weight: ArrayLike | None, scores: NDArray[Any]) -> NDArray[Any]:
    if positive_weight is None:
        return np.ones(PERIOD, scores.dtype)
    given = as_float_array(positive_weight, "positive_weight")
    last = scores.shape[-1:]
    if given.shape not in ((), last):
        raise ValueError(f"positive_weight: shape is {given.shape}, expected a number or {last}, one for each label.")
    weight = rounded(given, scores.dtype)
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        raise ValueError(
            f"positive_weight: received {given[bad][0]}, expected finite numbers in {scores.dtype} that are not "
            "negative."
        )
    return repeated(weight.reshape(-1))

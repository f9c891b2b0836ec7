"""soft_cross_entropy: the loss of logits against a whole distribution an example, and its gradient."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import ArrayOrScalar, Float, Integer, as_float_array, named_row
from lastlayer.kernels.softmax_loss import SoftmaxLoss
from lastlayer.losses._on_logits import Logits, OperationOf, as_logits, distribution, losses_and_gradient_of, losses_of
from lastlayer.losses.losses_and_gradient import LossesAndGradient

# Wide enough for float16 targets, which sum to 1 within about 5e-4; far too narrow for logits.
_TOLERANCE = 1e-3


@overload
def soft_cross_entropy(
    logits: NDArray[Float], probabilities: ArrayLike, *, axis: Integer = -1
) -> ArrayOrScalar[Float]: ...
@overload
def soft_cross_entropy(
    logits: ArrayLike, probabilities: ArrayLike, *, axis: Integer = -1
) -> ArrayOrScalar[np.floating[Any]]: ...
def soft_cross_entropy(
    logits: ArrayLike, probabilities: ArrayLike, *, axis: Integer = -1
) -> ArrayOrScalar[np.floating[Any]]:
    """Cross-entropy -sum_k t_k log softmax(z)_k of each example against a target distribution t, in nats.

    With t the distribution of a teacher this is knowledge distillation; with t one-hot it is cross_entropy. It is the
    Kullback-Leibler divergence from the target plus the target's own entropy, so its least value is that entropy.

    Args:
      logits: (..., K, ...) scores; -inf marks a class as impossible.
      probabilities: targets in the same shape, >= 0, that sum to 1 within 1e-3; taken as they are, in the dtype of
        `logits`.
      axis: the axis of the classes.
    Returns: losses in the dtype of `logits` (float64 for integers, float16 computed in float32), sums
      compensated. A class that is impossible costs +inf if its target is not 0, and nothing if it is. A row that holds
      NaN or +inf, or nothing but -inf, is NaN.

    Raises:
      ValueError: if there are no classes, the shapes differ, or a row of targets is no distribution (it names the
        first).
      TypeError: if either is not a dense array of real numbers.

    >>> import numpy as np
    >>> soft_cross_entropy(np.array([[2.0, 1.0, 0.1]]), np.array([[0.7, 0.2, 0.1]])).round(4).tolist()
    [0.807]
    """
    scores = as_logits(logits, axis)
    weight = _checked_distributions(probabilities, scores)
    return losses_of(scores, _operation_of(weight, scores.axis))


@overload
def soft_cross_entropy_value_and_grad(
    logits: NDArray[Float], probabilities: ArrayLike, *, axis: Integer = -1, out: NDArray[Float] | None = None
) -> LossesAndGradient[Float]: ...
@overload
def soft_cross_entropy_value_and_grad(
    logits: ArrayLike, probabilities: ArrayLike, *, axis: Integer = -1, out: NDArray[np.floating[Any]] | None = None
) -> LossesAndGradient[np.floating[Any]]: ...
def soft_cross_entropy_value_and_grad(
    logits: ArrayLike, probabilities: ArrayLike, *, axis: Integer = -1, out: NDArray[np.floating[Any]] | None = None
) -> LossesAndGradient[np.floating[Any]]:
    """soft_cross_entropy of each example and its gradient with respect to that example's logits, in one pass.

    Args:
      logits: (..., K, ...) scores; -inf marks a class as impossible, its gradient is exactly 0 unless the
        loss itself is +inf.
      probabilities: targets in the same shape, >= 0, that sum to 1 within 1e-3.
      axis: the axis of the classes.
      out: array for the gradient, in the shape of `logits` and in the result's dtype; it may be `logits` itself.
    Returns: a named tuple of `losses` as soft_cross_entropy gives them and `gradient` in the shape of `logits`, both in
      their dtype; the gradient of an example's loss is softmax(z) times the sum of t, minus t.

    Raises:
      ValueError: if there are no classes, the shapes differ, or a row of targets is no distribution (it names the
        first).
      TypeError: if either is not a dense array of real numbers.

    >>> import numpy as np
    >>> result = soft_cross_entropy_value_and_grad(np.array([[2.0, 1.0, 0.1]]), np.array([[0.7, 0.2, 0.1]]))
    >>> result.gradient.round(4).tolist()
    [[-0.041, 0.0424, -0.0014]]
    """
    scores = as_logits(logits, axis)
    weight = _checked_distributions(probabilities, scores)
    if out is not None and np.may_share_memory(weight, out):
        weight = weight.copy()
    return losses_and_gradient_of(scores, _operation_of(weight, scores.axis), out)


def _operation_of(weight: NDArray[Any], axis: int) -> OperationOf:
    return lambda source, losses: SoftmaxLoss(distribution(weight, axis, source), 1.0, losses)


def _checked_distributions(probabilities: ArrayLike, logits: Logits) -> NDArray[Any]:
    """Targets in the shape of the logits. Raises ValueError, naming the first example whose are no distribution."""
    targets = np.atleast_1d(as_float_array(probabilities, "probabilities"))
    if targets.shape != logits.array.shape:
        raise ValueError(f"probabilities: shape is {targets.shape}, expected {logits.array.shape}, like logits.")
    if not targets.size:
        return targets
    with np.errstate(over="ignore", invalid="ignore"):
        sums = targets.sum(axis=logits.axis, dtype=np.float64)
    # A sum that is NaN is not near 1, so one look covers NaN and infinities.
    bad = ~((targets.min(axis=logits.axis) >= 0) & (np.abs(sums - 1) <= _TOLERANCE))
    if bad.any():
        first = np.unravel_index(int(bad.argmax()), bad.shape)
        row, weights = named_row(first), np.moveaxis(targets, logits.axis, -1)[first]
        outside = ~((weights >= 0) & (weights <= 1 + _TOLERANCE))
        if outside.any():
            k = int(outside.argmax())
            what = f"{row}has {weights[k]:.6g} for class {k}, expected numbers from 0 to 1"
        else:
            what = f"{row}sums to {sums[first]:.6g}, expected 1 within {_TOLERANCE}"
        raise ValueError(f"probabilities: {what}; pass softmax(scores) if these are scores.")
    return targets

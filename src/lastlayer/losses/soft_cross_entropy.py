"""soft_cross_entropy: the loss of logits against a whole distribution an example, and its gradient."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import (
    ArrayOrScalar,
    Float,
    as_float_array,
    check_out,
    class_axis,
    named_row,
    result_dtype,
    rounded,
)
from lastlayer._blocks import dense_blocks
from lastlayer._threads import run_blocks
from lastlayer.functions._along_axis import BLOCKS_PER_THREAD, GRAIN
from lastlayer.losses._every_class import soft_rows
from lastlayer.losses.losses_and_gradient import LossesAndGradient

# Wide enough for float16 targets, which sum to 1 within about 5e-4; far too narrow for logits.
_TOLERANCE = 1e-3


@overload
def soft_cross_entropy(logits: NDArray[Float], probabilities: ArrayLike) -> ArrayOrScalar[Float]: ...
@overload
def soft_cross_entropy(logits: ArrayLike, probabilities: ArrayLike) -> ArrayOrScalar[np.floating[Any]]: ...
def soft_cross_entropy(logits: ArrayLike, probabilities: ArrayLike) -> ArrayOrScalar[np.floating[Any]]:
    """Cross-entropy -sum_k t_k log softmax(z)_k of each example against a target distribution t, in nats.

    With t the distribution of a teacher this is knowledge distillation; with t one-hot it is cross_entropy. It is the
    Kullback-Leibler divergence from the target plus the target's own entropy, so its least value is that entropy.

    Args:
      logits: (..., K) scores, classes last; -inf marks a class as impossible.
      probabilities: (..., K) targets, >= 0, that sum to 1 within 1e-3; they are taken as they are, in the dtype of
        `logits`.
    Returns: (...) losses in the dtype of `logits` (float64 for integers, float16 computed in float32), sums accumulated
      in float64. A class that is impossible costs +inf if its target is not 0, and nothing if it is. A row that holds
      NaN or +inf, or nothing but -inf, is NaN.

    Raises:
      ValueError: if there are no classes, the shapes differ, or a row of targets is no distribution (it names the
        first).
      TypeError: if either is not a dense array of real numbers.

    >>> import numpy as np
    >>> soft_cross_entropy(np.array([[2.0, 1.0, 0.1]]), np.array([[0.7, 0.2, 0.1]])).round(4).tolist()
    [0.807]
    """
    return _soft_cross_entropy(logits, probabilities, None)


@overload
def soft_cross_entropy_value_and_grad(
    logits: NDArray[Float], probabilities: ArrayLike, *, out: NDArray[Float] | None = None
) -> LossesAndGradient[Float]: ...
@overload
def soft_cross_entropy_value_and_grad(
    logits: ArrayLike, probabilities: ArrayLike, *, out: NDArray[np.floating[Any]] | None = None
) -> LossesAndGradient[np.floating[Any]]: ...
def soft_cross_entropy_value_and_grad(
    logits: ArrayLike, probabilities: ArrayLike, *, out: NDArray[np.floating[Any]] | None = None
) -> LossesAndGradient[np.floating[Any]]:
    """soft_cross_entropy of each example and its gradient with respect to that example's logits, in one pass.

    Args:
      logits: (..., K) scores, classes last; -inf marks a class as impossible, its gradient is exactly 0 unless the
        loss itself is +inf.
      probabilities: (..., K) targets, >= 0, that sum to 1 within 1e-3.
      out: (..., K) array for the gradient, in the result's dtype; it may be `logits` itself.
    Returns: a named tuple of `losses` (...) as soft_cross_entropy gives them and `gradient` (..., K), both in the dtype
      of `logits`; row i of the gradient is the gradient of loss i, softmax(z) times the sum of t, minus t.

    Raises:
      ValueError: if there are no classes, the shapes differ, or a row of targets is no distribution (it names the
        first).
      TypeError: if either is not a dense array of real numbers.

    >>> import numpy as np
    >>> result = soft_cross_entropy_value_and_grad(np.array([[2.0, 1.0, 0.1]]), np.array([[0.7, 0.2, 0.1]]))
    >>> result.gradient.round(4).tolist()
    [[-0.041, 0.0424, -0.0014]]
    """
    shape, dtype = np.atleast_1d(as_float_array(logits, "logits")).shape, result_dtype(logits)
    if out is not None:
        check_out(out, shape, dtype)
    gradient = np.empty(shape, np.float64 if dtype == np.float64 else np.float32)
    losses = _soft_cross_entropy(logits, probabilities, gradient)
    if out is None:
        return LossesAndGradient(losses, gradient.astype(dtype, copy=False))
    out[...] = gradient
    return LossesAndGradient(losses, out)


def _soft_cross_entropy(
    logits: ArrayLike, probabilities: ArrayLike, gradient: NDArray[Any] | None
) -> ArrayOrScalar[Any]:
    """The losses in the caller's shape and dtype; the gradient goes to `gradient` (..., K), if it is not None."""
    array = np.atleast_1d(as_float_array(logits, "logits"))
    class_axis(array, -1)
    targets = np.atleast_1d(as_float_array(probabilities, "probabilities"))
    if targets.shape != array.shape:
        raise ValueError(f"probabilities: shape is {targets.shape}, expected {array.shape}, like logits.")
    num_classes = array.shape[-1]
    rows, targets = array.reshape(-1, num_classes), targets.reshape(-1, num_classes)
    _check_distributions(targets, array.shape[:-1])
    losses = np.empty(len(rows))
    into = None if gradient is None else gradient.reshape(-1, num_classes)

    def work(first, last):
        for part, block in dense_blocks(rows, first, last, "logits"):
            for within, target in dense_blocks(targets[part], 0, len(block), "probabilities", block.dtype):
                here = slice(part.start + within.start, part.start + within.stop)
                ones = np.ones(within.stop - within.start)
                written = None if into is None else into[here]
                soft_rows(block[within], target, ones, losses[here], written)

    run_blocks(work, len(rows), items_per_block=-(-GRAIN // num_classes), blocks_per_thread=BLOCKS_PER_THREAD)
    return rounded(losses.reshape(array.shape[:-1]), result_dtype(logits))[()]


def _check_distributions(targets: NDArray[Any], shape: Sequence[int]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        sums = targets.sum(axis=1, dtype=np.float64)
    # A sum that is NaN is not near 1, so one look covers NaN and infinities.
    bad = ~((targets.min(axis=1) >= 0) & (np.abs(sums - 1) <= _TOLERANCE)) if targets.size else np.zeros(0, bool)
    if bad.any():
        first = int(bad.argmax())
        row = named_row(np.unravel_index(first, shape))
        outside = ~((targets[first] >= 0) & (targets[first] <= 1 + _TOLERANCE))
        if outside.any():
            k = int(outside.argmax())
            what = f"{row}has {targets[first, k]:.6g} for class {k}, expected numbers from 0 to 1"
        else:
            what = f"{row}sums to {sums[first]:.6g}, expected 1 within {_TOLERANCE}"
        raise ValueError(f"probabilities: {what}; pass softmax(scores) if these are scores.")

"""binary_likelihood_loss: the probability given to the wrong answer, for comparison with cross-entropy."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import ArrayOrScalar, Float
from lastlayer.kernels.binary import binary_likelihood_entries
from lastlayer.losses._each_entry import each_entry
from lastlayer.losses.losses_and_gradient import LossesAndGradient


@overload
def binary_likelihood_loss(logits: NDArray[Float], targets: ArrayLike) -> ArrayOrScalar[Float]: ...
@overload
def binary_likelihood_loss(logits: ArrayLike, targets: ArrayLike) -> ArrayOrScalar[np.floating[Any]]: ...
def binary_likelihood_loss(logits: ArrayLike, targets: ArrayLike) -> ArrayOrScalar[np.floating[Any]]:
    """The probability that sigmoid(z) gives to the wrong answer, entry by entry: 1 - p for yes, p for no.

    An introductory loss, here for comparison: it is bounded by 1, so that a confident wrong answer costs no more than a
    wrong one and its gradient vanishes there. Train with binary_cross_entropy_with_logits, whose gradient does not.

    Source: the MNIST loss of Howard & Gugger 2020, Deep Learning for Coders with fastai and PyTorch, chapter 4.

    Args:
      logits: (...) scores.
      targets: the same shape; 1 (or True) for yes, 0 for no, or the probability t of yes: t (1 - p) + (1 - t) p.
    Returns: losses from 0 to 1, a probability and not nats, in the shape and dtype of `logits` (float64 for integers,
      float16 computed in float32); NaN gives NaN.

    Raises:
      ValueError: if the shapes differ or a target is not from 0 to 1 (it names the first).
      TypeError: if one of them is not a dense array of real numbers.

    >>> import numpy as np
    >>> binary_likelihood_loss(np.array([2.0, 2.0]), np.array([1, 0])).round(4).tolist()
    [0.1192, 0.8808]
    """
    return each_entry(binary_likelihood_entries, logits, targets, with_gradient=False)


@overload
def binary_likelihood_loss_value_and_grad(logits: NDArray[Float], targets: ArrayLike) -> LossesAndGradient[Float]: ...
@overload
def binary_likelihood_loss_value_and_grad(
    logits: ArrayLike, targets: ArrayLike
) -> LossesAndGradient[np.floating[Any]]: ...
def binary_likelihood_loss_value_and_grad(logits: ArrayLike, targets: ArrayLike) -> LossesAndGradient[np.floating[Any]]:
    """binary_likelihood_loss of each entry and its derivative (1 - 2 t) p (1 - p) with respect to that entry's logit.

    Args:
      logits: (...) scores.
      targets: the same shape; 1 (or True) for yes, 0 for no, or the probability of yes.
    Returns: a named tuple of `losses` and `gradient`, both in the shape and dtype of `logits`.

    Raises:
      ValueError: if the shapes differ or a target is not from 0 to 1 (it names the first).
      TypeError: if one of them is not a dense array of real numbers.

    >>> import numpy as np
    >>> result = binary_likelihood_loss_value_and_grad(np.array([2.0, -20.0]), np.array([1, 1]))
    >>> result.gradient.round(4).tolist()  # hardly a slope where the answer is surely wrong
    [-0.105, -0.0]
    """
    return each_entry(binary_likelihood_entries, logits, targets, with_gradient=True)

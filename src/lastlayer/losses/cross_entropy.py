"""cross_entropy: the loss of logits against one label an example, and its gradient."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import ArrayOrScalar, Float, Integer, Number
from lastlayer.kernels.softmax_loss import SoftmaxLoss
from lastlayer.losses._on_logits import Logits, OperationOf, as_logits, losses_and_gradient_of, losses_of
from lastlayer.losses.label_targets import label_target
from lastlayer.losses.losses_and_gradient import LossesAndGradient


@overload
def cross_entropy(
    logits: NDArray[Float],
    labels: ArrayLike,
    *,
    axis: Integer = -1,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
) -> ArrayOrScalar[Float]: ...
@overload
def cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    axis: Integer = -1,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
) -> ArrayOrScalar[np.floating[Any]]: ...
def cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    axis: Integer = -1,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
) -> ArrayOrScalar[np.floating[Any]]:
    """Cross-entropy -log softmax(z)[label] of each example, in nats.

    With weights w and smoothing e, the loss of an example is (1 - e) w_y (-log p_y) + e / K sum_k w_k (-log p_k), as
    in PyTorch; a mean is the caller's step (PyTorch's divides by the sum of w_y over the labels that are kept, and
    over none of them it is nan). No array of the logits' size is formed; sums are compensated. The loss l
    of a confident right answer keeps its relative accuracy: 4e-7 (1 + |ln l|) in float32, or 1e-15 (1 + |ln l|).

    Args:
      logits: (..., K, ...) scores; -inf marks a class as impossible.
      labels: integers in 0..K-1, or `ignore_index`, in the shape of `logits` without the classes.
      axis: the axis of the classes.
      class_weight: (K,) factors >= 0, one for each class; None means 1.
      label_smoothing: the part e of the target that is spread evenly over the classes, 0 to 1.
      ignore_index: the label of examples whose loss is 0, whatever their logits.
    Returns: losses in the shape of `labels`, in the dtype of `logits` (float64 for integers, float16 computed in
      float32). A label that is impossible costs +inf, and so does smoothing over an impossible class whose weight is
      not 0. A row that holds NaN or +inf, or nothing but -inf, is NaN.

    Raises:
      ValueError: if there are no classes, a shape does not fit, or a label is out of range (it names the first).
      TypeError: if the labels are not integers.

    >>> import numpy as np
    >>> cross_entropy(np.array([[2.0, 1.0, 0.1]]), [0]).round(4).tolist()
    [0.417]
    """
    scores = as_logits(logits, axis)
    return losses_of(scores, _operation_of(scores, labels, class_weight, label_smoothing, ignore_index))


@overload
def cross_entropy_value_and_grad(
    logits: NDArray[Float],
    labels: ArrayLike,
    *,
    axis: Integer = -1,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    out: NDArray[Float] | None = None,
) -> LossesAndGradient[Float]: ...
@overload
def cross_entropy_value_and_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    axis: Integer = -1,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    out: NDArray[np.floating[Any]] | None = None,
) -> LossesAndGradient[np.floating[Any]]: ...
def cross_entropy_value_and_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    axis: Integer = -1,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    out: NDArray[np.floating[Any]] | None = None,
) -> LossesAndGradient[np.floating[Any]]:
    """cross_entropy of each example and its gradient with respect to that example's logits, in one pass.

    The gradient at the label comes from the sum of the other classes, not from p - 1, so that a confident right answer
    keeps its relative accuracy.

    Args:
      logits: (..., K, ...) scores; -inf marks a class as impossible, its gradient is exactly 0 unless the
        loss itself is +inf.
      labels: integers in 0..K-1, or `ignore_index`, in the shape of `logits` without the classes.
      axis: the axis of the classes.
      class_weight: (K,) factors >= 0, one for each class; None means 1.
      label_smoothing: the part of the target that is spread evenly over the classes, 0 to 1.
      ignore_index: the label of examples whose loss and gradient are 0, whatever their logits.
      out: array for the gradient, in the shape of `logits` and in the result's dtype; it may be `logits` itself.
    Returns: a named tuple of `losses` as cross_entropy gives them and `gradient` in the shape of `logits`, both in
      their dtype; what belongs to an example in the gradient is the gradient of its loss.

    Raises:
      ValueError: if there are no classes, a shape does not fit, or a label is out of range (it names the first).
      TypeError: if the labels are not integers.

    >>> import numpy as np
    >>> result = cross_entropy_value_and_grad(np.array([[2.0, 1.0, 0.1]]), [0])
    >>> result.losses.round(4).tolist(), result.gradient.round(4).tolist()
    ([0.417], [[-0.341, 0.2424, 0.0986]])
    """
    scores = as_logits(logits, axis)
    return losses_and_gradient_of(
        scores, _operation_of(scores, labels, class_weight, label_smoothing, ignore_index), out
    )


def _operation_of(
    logits: Logits,
    labels: ArrayLike,
    class_weight: ArrayLike | None,
    label_smoothing: Number,
    ignore_index: Integer | None,
) -> OperationOf:
    target = label_target(
        labels,
        logits.num_classes,
        logits.examples,
        logits.array.dtype,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        ignore_index=ignore_index,
    )
    return lambda _source, losses: SoftmaxLoss(target, 1.0, losses)

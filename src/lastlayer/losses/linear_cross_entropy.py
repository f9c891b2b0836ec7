"""linear_cross_entropy: the loss of a linear head's logits against labels, and its gradients, without the logits."""

from typing import Any, Generic, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import ArrayOrScalar, Float, Float_co, Integer, Number, rounded
from lastlayer.linear import Gradients
from lastlayer.losses.linear_arguments import checked_linear


class LinearLossesAndGradients(NamedTuple, Generic[Float_co]):
    """Losses of examples, and the gradients of the sum of sample_weight times them.

    losses: (...) nats. features: (..., D). weight: (K, D). bias: (K,), or None where the head has none.
    """

    losses: ArrayOrScalar[Float_co]
    features: NDArray[Float_co]
    weight: NDArray[Float_co]
    bias: NDArray[Float_co] | None


@overload
def linear_cross_entropy(
    features: NDArray[Float],
    weight: NDArray[Float],
    labels: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    soft_cap: Number | None = None,
    z_loss: Number = 0.0,
) -> ArrayOrScalar[Float]: ...
@overload
def linear_cross_entropy(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    soft_cap: Number | None = None,
    z_loss: Number = 0.0,
) -> ArrayOrScalar[np.floating[Any]]: ...
def linear_cross_entropy(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    soft_cap: Number | None = None,
    z_loss: Number = 0.0,
) -> ArrayOrScalar[np.floating[Any]]:
    """cross_entropy of the logits z = features weight' + bias of each example, in nats; no (N, K) array is formed.

    The logits are seen a tile of classes at a time: memory beyond the arguments is 16 MB and a few numbers an
    example, for any K. Sums of exponentials are compensated, a loss is never below 0 (without z_loss), and the same
    bits come out for any number of threads. Logits are accumulated in their dtype.

    Args:
      features: (..., D) features.
      weight: (K, D), a weight vector for each class.
      labels: integers in 0..K-1, or `ignore_index`, in the shape of `features` without D.
      bias: (K,), added to the logits; None means 0.
      class_weight: (K,) factors >= 0, one for each class; None means 1.
      label_smoothing: the part of the target that is spread evenly over the classes, 0 to 1.
      ignore_index: the label of examples whose loss is 0, whatever their features, and which cost no product.
      soft_cap: c > 0, for logits c tanh(z / c), which no bias of -inf makes impossible; None means none.
      z_loss: the factor of logsumexp(z)², which is added to the loss, >= 0.
    Returns: losses in the shape of `labels`, in the wider dtype of `features` and `weight` (float64 for integers,
      float16 computed in float32). An example whose logits are NaN or +inf, or all -inf, is NaN.

    Raises:
      ValueError: if there are no classes, a shape does not fit, or a label or a number is out of range (it names the
        first).
      TypeError: if the labels are not integers, or an argument is no dense array of real numbers.

    Source: Wijmans et al. 2024, Cut Your Losses in Large-Vocabulary Language Models, of the idea of tiles.

    >>> import numpy as np
    >>> weight = np.array([[2.0, 0.0], [1.0, 0.0], [0.1, 0.0]])
    >>> linear_cross_entropy(np.array([[1.0, 3.0]]), weight, [0]).round(4).tolist()
    [0.417]
    """
    given = checked_linear(
        features, weight, labels, bias, class_weight, label_smoothing, ignore_index, soft_cap, z_loss
    )
    return given.sweep()


@overload
def linear_cross_entropy_value_and_grad(
    features: NDArray[Float],
    weight: NDArray[Float],
    labels: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    soft_cap: Number | None = None,
    z_loss: Number = 0.0,
    sample_weight: ArrayLike | None = None,
) -> LinearLossesAndGradients[Float]: ...
@overload
def linear_cross_entropy_value_and_grad(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    soft_cap: Number | None = None,
    z_loss: Number = 0.0,
    sample_weight: ArrayLike | None = None,
) -> LinearLossesAndGradients[np.floating[Any]]: ...
def linear_cross_entropy_value_and_grad(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    *,
    bias: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    soft_cap: Number | None = None,
    z_loss: Number = 0.0,
    sample_weight: ArrayLike | None = None,
) -> LinearLossesAndGradients[np.floating[Any]]:
    """linear_cross_entropy of each example and the gradients of the sum of sample_weight times them.

    Memory beyond the gradients is at most 128 MB, for any N and K: logits are kept where that takes less time, for as
    many tiles as fit into 96 MB, and computed anew for the others.

    Args:
      features: (..., D) features.
      weight: (K, D), a weight vector for each class.
      labels: integers in 0..K-1, or `ignore_index`, in the shape of `features` without D.
      bias: (K,), or None.
      class_weight: (K,) factors >= 0; None means 1.
      label_smoothing: the part of the target that is spread evenly over the classes, 0 to 1.
      ignore_index: the label of examples whose loss and gradient are 0, whatever their features.
      soft_cap: c > 0, for logits c tanh(z / c), which no bias of -inf makes impossible; None means none.
      z_loss: the factor of logsumexp(z)², which is added to the loss, >= 0.
      sample_weight: numbers >= 0 in the shape of `labels`, the factors of the examples' gradients; losses are as they
        are without them, and an example of weight 0 adds nothing to a gradient, whatever its features. None means 1.
    Returns: a LinearLossesAndGradients, a named tuple of `losses`, as linear_cross_entropy gives them, and the
      gradients `features`, `weight` and `bias` (None without one), in the same dtype.

    Raises:
      ValueError: if there are no classes, a shape does not fit, or a label or a number is out of range (it names the
        first).
      TypeError: if the labels are not integers, or an argument is no dense array of real numbers.

    >>> import numpy as np
    >>> weight = np.array([[2.0, 0.0], [1.0, 0.0], [0.1, 0.0]])
    >>> result = linear_cross_entropy_value_and_grad(np.array([[1.0, 3.0]]), weight, [0])
    >>> result.losses.round(4).tolist(), result.weight[0].round(4).tolist()
    ([0.417], [-0.341, -1.023])
    """
    given = checked_linear(
        features, weight, labels, bias, class_weight, label_smoothing, ignore_index, soft_cap, z_loss, sample_weight
    )
    linear = given.linear
    num_classes, num_features = linear.head.weight.shape
    of_features = np.zeros((len(linear.features), num_features), linear.working)
    of_weight = np.empty((num_classes, num_features), linear.working)
    of_bias = None if linear.head.bias is None else np.empty((1, num_classes))
    return LinearLossesAndGradients(
        given.sweep(Gradients(of_features, of_weight, of_bias)),
        rounded(of_features.reshape(*linear.shape, num_features), linear.dtype),
        rounded(of_weight, linear.dtype),
        None if of_bias is None else rounded(of_bias[0], linear.dtype),
    )

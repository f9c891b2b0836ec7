"""Labels, the weights of classes and label smoothing as the target of a softmax loss; no logits are needed for it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lastlayer._arrays import Integer, Number, as_float_array, as_labels
from lastlayer.kernels.targets import Label, Smoothed


def label_target(
    labels: ArrayLike,
    num_classes: int,
    shape: Sequence[int],
    dtype: DTypeLike,
    *,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
) -> Label | Smoothed:
    """The target of examples with a label each, as kernels take it.

    With class weights w and smoothing e, the weight of the label y is (1 - e) w_y, and beside it that of each class k
    e w_k / K.

    Args:
      labels: integers in 0..num_classes-1, or `ignore_index`.
      num_classes: K.
      shape: what the labels' shape has to be.
      dtype: what the loss is computed in.
      class_weight: (K,) factors >= 0; None means 1.
      label_smoothing: the part e, 0 to 1.
      ignore_index: the label of examples that cost nothing.

    Raises:
      ValueError: if a shape does not fit, or a label, a weight or the smoothing is out of range (it names the first).
      TypeError: if the labels are not integers, or the smoothing is no number.
    """
    known = as_labels(labels, num_classes, shape, ignore_index=ignore_index).reshape(-1)
    if ignore_index is not None:
        known = np.where(known == ignore_index, -1, known)
    smoothing = checked_smoothing(label_smoothing)
    factors = checked_class_weight(class_weight, num_classes)
    weight = 1.0 - smoothing
    if factors is not None:
        weight = weight * np.take(factors, known, mode="clip")
    if not smoothing:
        return Label(known, weight)
    every = np.full(num_classes, smoothing / num_classes) * (1.0 if factors is None else factors)
    return Smoothed(known, weight, every.astype(dtype))


def checked_smoothing(label_smoothing: object) -> float:
    """label_smoothing as a float. Raises TypeError or ValueError unless it is a number from 0 to 1."""
    if isinstance(label_smoothing, (bool, np.bool_)) or not isinstance(
        label_smoothing, (int, float, np.integer, np.floating)
    ):
        raise TypeError(f"label_smoothing: received {label_smoothing!r}, expected a number from 0 to 1.")
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing: received {label_smoothing!r}, expected a number from 0 to 1.")
    return float(label_smoothing)


def checked_class_weight(class_weight: ArrayLike | None, num_classes: int) -> NDArray[np.float64] | None:
    """class_weight as (K,) float64, or None. Raises ValueError unless its entries are finite and not negative."""
    if class_weight is None:
        return None
    weight = as_float_array(class_weight, "class_weight").astype(np.float64)
    if weight.shape != (num_classes,):
        raise ValueError(f"class_weight: shape is {weight.shape}, expected ({num_classes},), one for each class.")
    bad = ~(np.isfinite(weight) & (weight >= 0.0))
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(f"class_weight: class {k} has {weight[k]}, expected a finite number that is not negative.")
    return weight

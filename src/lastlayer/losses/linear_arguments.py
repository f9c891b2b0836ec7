"""What losses of a linear head ask of their arguments; nothing of the size of the weights is copied."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import (
    Integer,
    Number,
    as_float_array,
    as_sample_weight,
    positive_number,
    refuse_foreign,
    result_dtype,
    rounded,
)
from lastlayer.kernels.targets import Smoothed
from lastlayer.linear import Gradients, Head, sweep
from lastlayer.losses.label_targets import label_target
from lastlayer.losses.softmax_loss_on_tiles import SoftmaxLossOnTiles


class Linear(NamedTuple):
    """Checked features and head: `features` (N, D) as given, `shape` that of the examples, `working` the dtype that is
    computed with, `dtype` that of results.
    """

    head: Head
    features: NDArray[Any]
    shape: tuple[int, ...]
    working: np.dtype[Any]
    dtype: np.dtype[Any]


class LinearWithLabels(NamedTuple):
    """A checked head, and the operation on the `rows` that are not ignored, all if that is None."""

    linear: Linear
    rows: NDArray[np.int64] | None
    operation: SoftmaxLossOnTiles

    def sweep(self, gradients: Gradients | None = None) -> Any:
        """The losses as they are returned; gradients are written."""
        linear, losses = self.linear, self.operation.losses
        sweep(self.operation, linear.head, linear.features, self.rows, linear.working, gradients)
        if self.rows is not None:
            losses = np.zeros(len(linear.features))
            losses[self.rows] = self.operation.losses
        return rounded(losses.reshape(linear.shape), linear.dtype)[()]


def checked_head(features: ArrayLike, weight: ArrayLike, bias: ArrayLike | None, soft_cap: Number | None) -> Linear:
    """Features (..., D), weights (K, D), bias (K,) or None and soft cap.

    Raises: ValueError where a shape does not fit, there are no classes, or the cap is not above 0; TypeError for what
      is no dense array of real numbers.
    """
    rows, head = _array(features, "features"), _array(weight, "weight")
    if head.ndim != 2 or not head.shape[0]:
        raise ValueError(f"weight: shape is {head.shape}, expected (K, D), a vector for each of at least one class.")
    if not rows.ndim or rows.shape[-1] != head.shape[1]:
        raise ValueError(
            f"features: shape is {rows.shape}, expected (..., {head.shape[1]}), as many features as weight has."
        )
    shift = None
    if bias is not None:
        shift = _array(bias, "bias")
        if shift.shape != head.shape[:1]:
            raise ValueError(f"bias: shape is {shift.shape}, expected {head.shape[:1]}, one for each class.")
    dtype = np.result_type(result_dtype(rows), result_dtype(head))
    working = np.dtype(np.float32) if dtype == np.float16 else dtype
    cap = 0.0 if soft_cap is None else positive_number(soft_cap, "soft_cap")
    examples = rows.shape[:-1]
    flat = rows.reshape(math.prod(examples), rows.shape[-1])
    return Linear(Head(head, shift, cap), flat, examples, working, dtype)


def checked_linear(
    features: ArrayLike,
    weight: ArrayLike,
    labels: ArrayLike,
    bias: ArrayLike | None,
    class_weight: ArrayLike | None,
    label_smoothing: Number,
    ignore_index: Integer | None,
    soft_cap: Number | None,
    z_loss: Number,
    sample_weight: ArrayLike | None = None,
) -> LinearWithLabels:
    """All arguments of a loss of a linear head. Raises: ValueError or TypeError, as `linear_cross_entropy` says."""
    given = checked_head(features, weight, bias, soft_cap)
    target = label_target(
        labels,
        len(given.head.weight),
        given.shape,
        given.working,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        ignore_index=ignore_index,
    )
    known, weights = target.labels, np.broadcast_to(target.weight, target.labels.shape)
    scale, rows = _checked_row_scale(sample_weight, given.shape), None
    if known.size and known.min() < 0:
        rows = np.flatnonzero(known >= 0)
        known, weights, scale = known[rows], weights[rows], scale[rows]
    operation = SoftmaxLossOnTiles(
        known,
        np.ascontiguousarray(weights, np.float64),
        target.class_weight if isinstance(target, Smoothed) else None,
        _checked_z_loss(z_loss),
        given.head.soft_cap,
        scale,
        *np.empty((2, len(known))),
    )
    return LinearWithLabels(given, rows, operation)


def _checked_row_scale(sample_weight: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Weights in the shape of the labels, flat; 1 for None. Raises ValueError unless finite and not negative."""
    size = int(np.prod(shape))
    if sample_weight is None:
        return np.ones(size)
    given = as_float_array(sample_weight, "sample_weight")
    if given.shape != shape:
        raise ValueError(f"sample_weight: shape is {given.shape}, expected {shape}, one weight for each label.")
    weights = as_sample_weight(given.reshape(-1), size, some_rows=True)
    return np.ones(size) if weights is None else weights


def _array(values: ArrayLike, name: str) -> NDArray[Any]:
    """An array as it is, whatever its real dtype; anything else as one of floats."""
    if not isinstance(values, np.ndarray):
        return as_float_array(values, name)
    refuse_foreign(values, name)
    as_float_array(values[:0], name)
    return values


def _checked_z_loss(z_loss: object) -> float:
    if isinstance(z_loss, (bool, np.bool_)) or not isinstance(z_loss, (int, float, np.integer, np.floating)):
        raise TypeError(f"z_loss: received {z_loss!r}, expected a number that is not negative.")
    if not 0 <= z_loss < np.inf:
        raise ValueError(f"z_loss: received {z_loss!r}, expected a finite number that is not negative.")
    return float(z_loss)

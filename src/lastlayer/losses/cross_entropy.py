"""cross_entropy: the loss of logits against one label an example, and its gradient."""

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import (
    ArrayOrScalar,
    Float,
    Integer,
    Number,
    as_float_array,
    as_labels,
    check_out,
    class_axis,
    refuse_foreign,
    result_dtype,
    rounded,
)
from lastlayer._blocks import dense, dense_blocks
from lastlayer._threads import run_blocks
from lastlayer.functions._along_axis import (
    BLOCKS_PER_THREAD,
    GRAIN,
    SHORT,
    lanes_of,
    scratch,
)
from lastlayer.kernels.cross_entropy import cross_entropy_losses_rows, cross_entropy_rows
from lastlayer.kernels.cross_entropy_short_rows import cross_entropy_losses_short_rows, cross_entropy_short_rows
from lastlayer.losses._every_class import smoothed_rows
from lastlayer.losses.losses_and_gradient import LossesAndGradient


@overload
def cross_entropy(
    logits: NDArray[Float],
    labels: ArrayLike,
    *,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
) -> ArrayOrScalar[Float]: ...
@overload
def cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
) -> ArrayOrScalar[np.floating[Any]]: ...
def cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
) -> ArrayOrScalar[np.floating[Any]]:
    """Cross-entropy -log softmax(z)[label] of each example, in nats.

    With weights w and smoothing e, the loss of an example is (1 - e) w_y (-log p_y) + e / K sum_k w_k (-log p_k), as
    in PyTorch; a mean is the caller's step (PyTorch's divides by the sum of w_y over the labels that are kept, and
    over none of them it is nan). No array of the logits' size is formed; sums are accumulated in float64. The loss l
    of a confident right answer keeps its relative accuracy: 4e-7 (1 + |ln l|) in float32, or 1e-15 (1 + |ln l|).

    Args:
      logits: (..., K) scores, classes last; -inf marks a class as impossible.
      labels: (...) integers in 0..K-1, or `ignore_index`.
      class_weight: (K,) factors >= 0, one for each class; None means 1.
      label_smoothing: the part e of the target that is spread evenly over the classes, 0 to 1.
      ignore_index: the label of examples whose loss is 0, whatever their logits.
    Returns: (...) losses in the dtype of `logits` (float64 for integers, float16 computed in float32). A label that is
      impossible costs +inf, and so does smoothing over an impossible class whose weight is not 0. A row that holds
      NaN or +inf, or nothing but -inf, is NaN.

    Raises:
      ValueError: if there are no classes, a shape does not fit, or a label is out of range (it names the first).
      TypeError: if the labels are not integers.

    >>> import numpy as np
    >>> cross_entropy(np.array([[2.0, 1.0, 0.1]]), [0]).round(4).tolist()
    [0.417]
    """
    problem = _Problem(logits, labels, class_weight, label_smoothing, ignore_index)
    return problem.finish(problem.losses(None))


@overload
def cross_entropy_value_and_grad(
    logits: NDArray[Float],
    labels: ArrayLike,
    *,
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
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    out: NDArray[np.floating[Any]] | None = None,
) -> LossesAndGradient[np.floating[Any]]: ...
def cross_entropy_value_and_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    class_weight: ArrayLike | None = None,
    label_smoothing: Number = 0.0,
    ignore_index: Integer | None = None,
    out: NDArray[np.floating[Any]] | None = None,
) -> LossesAndGradient[np.floating[Any]]:
    """cross_entropy of each example and its gradient with respect to that example's logits, in one pass.

    The gradient at the label comes from the sum of the other classes, not from p - 1, so that a confident right answer
    keeps its relative accuracy.

    Args:
      logits: (..., K) scores, classes last; -inf marks a class as impossible, its gradient is exactly 0 unless the
        loss itself is +inf.
      labels: (...) integers in 0..K-1, or `ignore_index`.
      class_weight: (K,) factors >= 0, one for each class; None means 1.
      label_smoothing: the part of the target that is spread evenly over the classes, 0 to 1.
      ignore_index: the label of examples whose loss and gradient are 0, whatever their logits.
      out: (..., K) array for the gradient, in the result's dtype; it may be `logits` itself.
    Returns: a named tuple of `losses` (...) as cross_entropy gives them and `gradient` (..., K), both in the dtype of
      `logits`; row i of the gradient is the gradient of loss i.

    Raises:
      ValueError: if there are no classes, a shape does not fit, or a label is out of range (it names the first).
      TypeError: if the labels are not integers.

    >>> import numpy as np
    >>> result = cross_entropy_value_and_grad(np.array([[2.0, 1.0, 0.1]]), [0])
    >>> result.losses.round(4).tolist(), result.gradient.round(4).tolist()
    ([0.417], [[-0.341, 0.2424, 0.0986]])
    """
    problem = _Problem(logits, labels, class_weight, label_smoothing, ignore_index)
    shape, dtype = problem.array.shape, problem.dtype
    if out is not None:
        check_out(out, shape, dtype)
    if out is not None and out.dtype == problem.array.dtype and dense(out):
        gradient = out
        if np.may_share_memory(problem.array, out) and problem.array.ctypes.data != out.ctypes.data:
            problem.array = problem.array.copy()
    else:
        gradient = np.empty(shape, problem.array.dtype)
    if not dense(problem.array):
        gradient[...] = problem.array
        problem.array = gradient
    losses = problem.finish(problem.losses(gradient))
    if out is None:
        return LossesAndGradient(losses, gradient.astype(dtype, copy=False))
    if gradient is not out:
        out[...] = gradient
    return LossesAndGradient(losses, out)


class _Problem:
    """Checked arguments: `array` (..., K), `labels` (n,) with -1 where ignored, `weight` (n,) and `spread` (K,)."""

    def __init__(
        self,
        logits: ArrayLike,
        labels: ArrayLike,
        class_weight: ArrayLike | None,
        label_smoothing: Number,
        ignore_index: Integer | None,
    ):
        self.dtype = result_dtype(logits)
        self.array = np.atleast_1d(as_float_array(logits, "logits"))
        class_axis(self.array, -1)
        num_classes = self.array.shape[-1]
        labels = as_labels(labels, num_classes, self.array.shape[:-1], ignore_index=ignore_index)
        self.shape, self.labels = labels.shape, labels.reshape(-1)
        if ignore_index is not None:
            self.labels = np.where(self.labels == ignore_index, -1, self.labels)
        smoothing = _checked_smoothing(label_smoothing)
        weight = _checked_class_weight(class_weight, num_classes)
        self.weight = (1.0 - smoothing) * (
            np.ones(self.labels.size) if weight is None else np.take(weight, self.labels, mode="clip")
        )
        self.weighted = weight is not None
        self.spread = None
        if smoothing:
            self.spread = np.full(num_classes, smoothing / num_classes) * (1.0 if weight is None else weight)

    def losses(self, gradient: NDArray[Any] | None) -> NDArray[np.float64]:
        """(n,) float64 losses; with `gradient` (..., K), a dense array, its gradient is written there."""
        num_classes = self.array.shape[-1]
        rows = self.array.reshape(-1, num_classes)
        losses = np.empty(len(rows))
        into = None if gradient is None else gradient.reshape(-1, num_classes)

        def work(first, last):
            for part, block in dense_blocks(rows, first, last, "logits"):
                self._block(block, part, losses[part], None if into is None else into[part])

        run_blocks(work, len(rows), items_per_block=-(-GRAIN // num_classes), blocks_per_thread=BLOCKS_PER_THREAD)
        return losses

    def _block(
        self, block: NDArray[Any], part: slice, losses: NDArray[np.float64], gradient: NDArray[Any] | None
    ) -> None:
        labels, weight = self.labels[part], self.weight[part]
        if self.spread is not None:
            smoothed_rows(block, labels, weight, self.spread, np.ones(len(labels)), losses, gradient)
            return
        if block.shape[1] >= SHORT:
            if gradient is None:
                cross_entropy_losses_rows(block, labels, losses, None)
            else:
                cross_entropy_rows(block, labels, weight, losses, gradient)
        else:
            memory = *scratch(block.shape[1], block.dtype), np.empty((2, lanes_of(block.shape[1])), block.dtype)
            if gradient is None:
                cross_entropy_losses_short_rows(block, labels, losses, None, *memory)
            else:
                cross_entropy_short_rows(block, labels, weight, losses, gradient, *memory)
        if self.weighted:
            # A class of weight 0 costs 0 even where it is impossible: never 0 times inf.
            np.multiply(losses, weight, out=losses, where=weight > 0.0)
            losses[(weight == 0.0) & ~np.isnan(losses)] = 0.0

    def finish(self, losses: NDArray[np.float64]) -> ArrayOrScalar[Any]:
        """The losses in the caller's shape and dtype."""
        return rounded(losses.reshape(self.shape), self.dtype)[()]


def _checked_smoothing(label_smoothing: object) -> float:
    if isinstance(label_smoothing, bool) or not isinstance(label_smoothing, (int, float, np.integer, np.floating)):
        raise TypeError(f"label_smoothing: received {label_smoothing!r}, expected a number from 0 to 1.")
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing: received {label_smoothing!r}, expected a number from 0 to 1.")
    return float(label_smoothing)


def _checked_class_weight(class_weight: ArrayLike | None, num_classes: int) -> NDArray[np.float64] | None:
    if class_weight is None:
        return None
    refuse_foreign(class_weight, "class_weight")
    weight = as_float_array(class_weight, "class_weight").astype(np.float64)
    if weight.shape != (num_classes,):
        raise ValueError(f"class_weight: shape is {weight.shape}, expected ({num_classes},), one for each class.")
    bad = ~(np.isfinite(weight) & (weight >= 0.0))
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(f"class_weight: class {k} has {weight[k]}, expected a finite number that is not negative.")
    return weight

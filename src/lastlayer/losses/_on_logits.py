"""How a loss runs along one axis of logits of any rank and stride, with or without its gradient."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer, as_float_array, check_out, class_axis, result_dtype, rounded, without_overlap
from lastlayer._blocks import dense, without_read_only_flag
from lastlayer._layouts import run, three_axes
from lastlayer.kernels.targets import Distribution
from lastlayer.losses.losses_and_gradient import LossesAndGradient

# The record of a loss for logits that are seen as (outer, K, inner), and for the flat float64 array of its losses.
OperationOf: TypeAlias = Callable[[NDArray[Any], NDArray[np.float64]], Any]


class Logits(NamedTuple):
    """Checked logits: `array` (..., K, ...) as it is computed with, its class `axis`, and the dtype of results."""

    array: NDArray[Any]
    axis: int
    dtype: np.dtype[Any]

    @property
    def num_classes(self) -> int:
        """K."""
        return self.array.shape[self.axis]

    @property
    def examples(self) -> tuple[int, ...]:
        """The shape without the classes."""
        return self.array.shape[: self.axis] + self.array.shape[self.axis + 1 :]


def as_logits(logits: ArrayLike, axis: Integer) -> Logits:
    """Check logits.

    Raises: ValueError on zero classes or a bad axis; TypeError if they are no dense array of real numbers.
    """
    array = np.atleast_1d(as_float_array(logits, "logits"))
    return Logits(array, class_axis(array, axis), result_dtype(logits))


def losses_of(logits: Logits, operation_of: OperationOf) -> Any:
    """The losses in the shape of the examples and the dtype of results."""
    return _run(logits, logits.array, operation_of, None)


def losses_and_gradient_of(
    logits: Logits, operation_of: OperationOf, out: NDArray[Any] | None
) -> LossesAndGradient[Any]:
    """The losses, and their gradient in the shape of the logits, in `out` if that is given.

    Raises: TypeError or ValueError if `out` does not fit.
    """
    array, dtype = logits.array, logits.dtype
    if out is not None:
        check_out(out, array.shape, dtype)
    if out is not None and out.dtype == array.dtype and dense(out):
        gradient, array = out, without_overlap(array, out)
    else:
        gradient = np.empty(array.shape, array.dtype)
    if not dense(array):
        gradient[...] = array
        array = gradient
    losses = _run(logits, array, operation_of, gradient)
    if out is None:
        return LossesAndGradient(losses, rounded(gradient, dtype))
    if gradient is not out:
        out[...] = rounded(gradient, dtype)
    return LossesAndGradient(losses, out)


def distribution(weight: NDArray[Any], axis: int, source: NDArray[Any]) -> Distribution:
    """Weights in the shape of the logits as a target, laid out as `source` (outer, K, inner) is."""
    num_classes, inner = source.shape[1:]
    if inner == 1:
        weight = np.moveaxis(weight, axis, -1).reshape(-1, num_classes)
    dense_weight = without_read_only_flag(np.require(weight, source.dtype, ["C", "A"]))
    return Distribution(dense_weight if inner == 1 else dense_weight.reshape(source.shape))


def _run(logits, array, operation_of, gradient):
    losses = np.empty(math.prod(logits.examples))
    if losses.size:
        if dense(array):
            source = three_axes(without_read_only_flag(array), logits.axis)
        else:
            source = np.moveaxis(array, logits.axis, -1).reshape(-1, logits.num_classes, 1)
        into = None if gradient is None else three_axes(gradient, logits.axis)
        run(operation_of(source, losses), source, into)
    return rounded(losses.reshape(logits.examples), logits.dtype)[()]

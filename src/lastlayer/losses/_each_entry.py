"""What losses of one score an example share: checked targets, and entries spread over the cores."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lastlayer._arrays import as_float_array, result_dtype, rounded
from lastlayer._blocks import without_read_only_flag
from lastlayer.functions._entries import in_periods
from lastlayer.losses.losses_and_gradient import LossesAndGradient


def each_entry(
    kernel: Callable[..., None], logits: ArrayLike, targets: ArrayLike, *, with_gradient: bool, period: int = 1
) -> Any:
    """Losses, and with the gradient LossesAndGradient, of `kernel` on flat blocks that start at multiples of `period`.

    Args:
      kernel: function of the flat logits, targets, losses and gradient (or None) of a block.
      logits: (...) scores.
      targets: (...) numbers from 0 to 1.
      with_gradient: whether the gradient is wanted too.
      period: entries that belong together.
    Raises: ValueError if the shapes differ or a target is not from 0 to 1, naming the first; TypeError if either is no
      array of real numbers.
    """
    scores, dtype = as_float_array(logits, "logits"), result_dtype(logits)
    wanted = as_float_array(targets, "targets")
    if wanted.shape != scores.shape:
        raise ValueError(f"targets: shape is {wanted.shape}, expected {scores.shape}, one for each logit.")
    if wanted.size and not (wanted.min() >= 0 and wanted.max() <= 1):
        outside = ~((wanted >= 0) & (wanted <= 1))
        first = np.unravel_index(int(outside.argmax()), wanted.shape)
        place = f"entry [{', '.join(map(str, first))}] " if first else ""
        raise ValueError(f"targets: {place}is {wanted[first]}, expected a number from 0 to 1.")
    source = without_read_only_flag(np.require(scores, requirements=["C", "A"]))
    target = without_read_only_flag(np.require(wanted, scores.dtype, ["C", "A"]))
    losses = np.empty(scores.shape, scores.dtype)
    gradient = np.empty(scores.shape, scores.dtype) if with_gradient else None
    in_periods(kernel, period, source, target, losses, gradient)
    losses = rounded(losses, dtype)[()]
    return losses if gradient is None else LossesAndGradient(losses, rounded(gradient, dtype)[()])

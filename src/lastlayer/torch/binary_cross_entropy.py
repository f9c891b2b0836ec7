"""binary_cross_entropy of tensors: one score against yes or no, or a probability of yes."""

import numpy as np
import torch

from lastlayer.functions._entries import in_periods
from lastlayer.kernels.binary import binary_cross_entropy_entries
from lastlayer.losses.binary_cross_entropy_with_logits import PERIOD, repeated
from lastlayer.torch._memory import empty, numbers_of
from lastlayer.torch._tensors import (
    checked_reduction,
    reduced,
    require_broadcast,
    require_floats,
    require_same_device,
    require_same_shape,
    require_tensor,
    runs_on_kernels,
    widened,
    working_dtype,
)
from lastlayer.torch.sigmoid import log_sigmoid, sigmoid


def binary_cross_entropy(
    logits: torch.Tensor,
    targets: torch.Tensor,
    *,
    weight: torch.Tensor | None = None,
    positive_weight: torch.Tensor | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """Cross-entropy of sigmoid(z) against targets t, entry by entry, in nats, reduced as PyTorch does.

    The loss is w t log(1 + exp(-z)) + (1 - t) log(1 + exp(z)), stable at any z. It is
    torch.nn.functional.binary_cross_entropy_with_logits, but that a mean over no entries is 0, and PyTorch's is NaN.

    Args:
      logits: (...) scores, floating point.
      targets: the same shape; 1 for yes, 0 for no, or the probability of yes; taken as they are; may require grad.
      weight: factors of the losses, anything that broadcasts against `logits`; the mean does not divide by them.
      positive_weight: w above, anything that broadcasts against `logits`.
      reduction: "mean" over the entries, "sum" or "none".
    Returns: a scalar, or with "none" losses in the shape of `logits`, in their dtype; bfloat16 and float16 are computed
      and reduced in float32.

    Raises:
      ValueError: if a shape or an option does not fit.
      TypeError: if `logits` are no dense floating-point tensor or another is no tensor.

    >>> import torch
    >>> logits = torch.tensor([2.0, -1e4, -1e4])
    >>> [round(x, 4) for x in binary_cross_entropy(logits, torch.tensor([1.0, 0.0, 1.0]), reduction="none").tolist()]
    [0.1269, 0.0, 10000.0]
    """
    require_floats(logits, "logits")
    checked_reduction(reduction)
    dtype = working_dtype(logits.dtype)
    targets = _like(logits, targets, "targets")
    require_same_shape(targets, "targets", logits)
    factors = (
        logits.new_ones((), dtype=dtype)
        if positive_weight is None
        else _like(logits, positive_weight, "positive_weight")
    )
    if runs_on_kernels(logits):
        losses = _binary_cross_entropy(logits, targets, factors)
    else:
        wide = widened(logits)
        losses = _term(factors * targets, -torch.nn.functional.logsigmoid(wide)) + _term(
            1 - targets, -torch.nn.functional.logsigmoid(-wide)
        )
    if weight is not None:
        losses = losses * _like(logits, weight, "weight")
    return reduced(losses, reduction, losses.numel(), logits.dtype)


def _like(logits, tensor, name):
    """`tensor` in the dtype that is computed in. Raises unless it is a tensor that broadcasts against the logits."""
    require_tensor(tensor, name)
    require_same_device(tensor, name, logits)
    require_broadcast(tensor, name, logits)
    return tensor.to(working_dtype(logits.dtype))


def _term(factor, cost):
    """Factor * cost, and 0 where the factor is 0, though the cost be infinite."""
    return factor * cost.masked_fill((factor == 0) & cost.isinf(), 0.0)


def _run(logits, targets, factors, losses, gradient):
    """Write what is not None, arrays of the logits' size."""
    scores, wanted = numbers_of(logits.contiguous()), numbers_of(targets.contiguous())
    if factors.numel() == 1 or (factors.numel() == logits.shape[-1] == factors.shape[-1]):
        cycle = repeated(numbers_of(factors).reshape(-1))

        def kernel(z, t, of_losses, of_gradient):
            binary_cross_entropy_entries(z, t, cycle, of_losses, of_gradient)

        in_periods(kernel, cycle.size, scores, wanted, losses, gradient)
    else:
        each = np.ascontiguousarray(numbers_of(factors.expand(logits.shape)))
        in_periods(binary_cross_entropy_entries, PERIOD, scores, wanted, each, losses, gradient)


@torch.library.custom_op("lastlayer::binary_cross_entropy", mutates_args=())
def _binary_cross_entropy(logits: torch.Tensor, targets: torch.Tensor, positive_weight: torch.Tensor) -> torch.Tensor:
    """Losses in the shape of the logits and the dtype that is computed in."""
    result, losses = empty(logits.shape, working_dtype(logits.dtype))
    _run(logits, targets, positive_weight, losses, None)
    return result


@_binary_cross_entropy.register_fake
def _(logits, targets, positive_weight):
    return logits.new_empty(logits.shape, dtype=working_dtype(logits.dtype))


@torch.library.custom_op("lastlayer::binary_cross_entropy_backward", mutates_args=())
def _binary_cross_entropy_backward(
    upstream: torch.Tensor, logits: torch.Tensor, targets: torch.Tensor, positive_weight: torch.Tensor
) -> torch.Tensor:
    """The gradient of sum(upstream * losses) in the logits."""
    result, gradient = empty(logits.shape, working_dtype(logits.dtype))
    _run(logits, targets, positive_weight, None, gradient)
    return result.mul_(upstream).to(logits.dtype)


@_binary_cross_entropy_backward.register_fake
def _(upstream, logits, targets, positive_weight):
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _keep(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward(ctx, upstream):
    logits, targets, factors = ctx.saved_tensors
    of_logits = of_targets = of_factors = None
    if ctx.needs_input_grad[0]:
        of_logits = _binary_cross_entropy_backward(upstream, logits, targets, factors)
    if ctx.needs_input_grad[1]:
        of_targets = upstream * (log_sigmoid(-widened(logits)) - factors * log_sigmoid(widened(logits)))
    if ctx.needs_input_grad[2]:
        of_factors = (upstream * _term(targets, -log_sigmoid(widened(logits)))).sum_to_size(factors.shape)
    return of_logits, of_targets, of_factors


def _double_backward(ctx, direction):
    # The gradient is g ((1 - t) p - w t (1 - p)); each derivative is composed, so differentiable again.
    upstream, logits, targets, factors = ctx.saved_tensors
    wide, direction = widened(logits), widened(direction)
    p, not_p = sigmoid(wide), sigmoid(-wide)
    of_upstream = direction * ((1 - targets) * p - factors * targets * not_p)
    of_logits = direction * upstream * (1 - targets + factors * targets) * p * not_p
    of_targets = -direction * upstream * (p + factors * not_p)
    of_factors = (-direction * upstream * targets * not_p).sum_to_size(factors.shape)
    return of_upstream, of_logits.to(logits.dtype), of_targets, of_factors


_binary_cross_entropy.register_autograd(_backward, setup_context=_keep)
_binary_cross_entropy_backward.register_autograd(_double_backward, setup_context=_keep)

"""soft_cross_entropy of tensors: a whole distribution an example."""

import numpy as np
import torch

from lastlayer.losses._every_class import write_soft
from lastlayer.torch._memory import empty, entries_of, numbers_of
from lastlayer.torch._tensors import (
    checked_reduction,
    loss_dim,
    reduced,
    require_floats,
    require_same_device,
    require_same_shape,
    runs_on_kernels,
    three_dims,
    widened,
    working_dtype,
)
from lastlayer.torch.softmax import log_softmax, through_softmax


def soft_cross_entropy(
    logits: torch.Tensor, probabilities: torch.Tensor, dim: int | None = None, *, reduction: str = "mean"
) -> torch.Tensor:
    """Cross-entropy -sum_k t_k log softmax(z)_k of each example against targets t, in nats, reduced as PyTorch does.

    It is torch.nn.functional.cross_entropy with probabilities, and like that takes targets as they are: they need not
    sum to 1. A class of target 0 costs 0 where it is impossible, and PyTorch's is NaN; a mean over no examples is 0,
    and PyTorch's is NaN.

    Args:
      logits: (N, K, ...), or (K,) for a single example; -inf marks a class as impossible.
      probabilities: targets in the same shape, floating point; may require grad.
      dim: the dimension of the classes; None is PyTorch's choice, 1, or 0 for a single example.
      reduction: "mean" over the examples, "sum" or "none".
    Returns: a scalar, or with "none" losses in the shape of `logits` without the classes, in the dtype of `logits`;
      bfloat16 and float16 are computed and reduced in float32.

    Raises:
      ValueError: if a shape or an option does not fit.
      TypeError: if one of them is no dense floating-point tensor.
      IndexError: if there is no such dimension.

    >>> import torch
    >>> logits, targets = torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([[0.7, 0.2, 0.1]])
    >>> round(soft_cross_entropy(logits, targets).item(), 4)
    0.807
    """
    require_floats(logits, "logits")
    require_floats(probabilities, "probabilities")
    require_same_device(probabilities, "probabilities", logits)
    checked_reduction(reduction)
    dim = loss_dim(logits, dim)
    require_same_shape(probabilities, "probabilities", logits)
    targets = probabilities.to(working_dtype(logits.dtype))
    if runs_on_kernels(logits):
        losses = _soft_cross_entropy(three_dims(logits, dim), three_dims(targets, dim))
        losses = losses.reshape((*logits.shape[:dim], *logits.shape[dim + 1 :]))
    else:
        losses = (targets * _cost(torch.log_softmax(widened(logits), dim), targets)).sum(dim)
    return reduced(losses, reduction, losses.numel(), logits.dtype)


def _cost(log_probabilities, targets):
    """-log p, and 0 for an impossible class whose target is 0."""
    return -log_probabilities.masked_fill((targets == 0) & log_probabilities.isinf(), 0.0)


@torch.library.custom_op("lastlayer::soft_cross_entropy", mutates_args=())
def _soft_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Losses (outer, inner) of (outer, K, inner) logits and targets."""
    losses = np.empty((logits.shape[0], logits.shape[2]))
    write_soft(entries_of(logits), entries_of(targets), np.ones_like(losses), losses, None)
    return torch.from_numpy(losses).to(working_dtype(logits.dtype))


@_soft_cross_entropy.register_fake
def _(logits, targets):
    return logits.new_empty((logits.shape[0], logits.shape[2]), dtype=working_dtype(logits.dtype))


@torch.library.custom_op("lastlayer::soft_cross_entropy_backward", mutates_args=())
def _soft_cross_entropy_backward(upstream: torch.Tensor, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The gradient of sum(upstream * losses) in the logits, (outer, K, inner)."""
    result, gradient = empty(logits.shape, logits.dtype)
    row_scale = numbers_of(upstream.double().contiguous())
    write_soft(entries_of(logits), entries_of(targets), row_scale, np.empty_like(row_scale), gradient)
    return result.to(logits.dtype)


@_soft_cross_entropy_backward.register_fake
def _(upstream, logits, targets):
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _keep(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward(ctx, upstream):
    logits, targets = ctx.saved_tensors
    of_logits = of_targets = None
    if ctx.needs_input_grad[0]:
        of_logits = _soft_cross_entropy_backward(upstream, logits, targets)
    if ctx.needs_input_grad[1]:
        of_targets = -upstream.unsqueeze(1) * log_softmax(widened(logits), 1)
    return of_logits, of_targets


def _double_backward(ctx, direction):
    # The gradient is g (s p - t), s the sum of t.
    upstream, logits, targets = ctx.saved_tensors
    direction, total = widened(direction), targets.sum(1, keepdim=True)
    along, of_logits = through_softmax(widened(logits), direction, upstream.unsqueeze(1) * total)
    of_upstream = (total * along).squeeze(1) - (targets * direction).sum(1)
    of_targets = upstream.unsqueeze(1) * (along - direction)
    return of_upstream, of_logits.to(logits.dtype), of_targets


_soft_cross_entropy.register_autograd(_backward, setup_context=_keep)
_soft_cross_entropy_backward.register_autograd(_double_backward, setup_context=_keep)

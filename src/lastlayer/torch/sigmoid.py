"""sigmoid and log_sigmoid of tensors."""

import torch

from lastlayer.functions._entries import in_periods
from lastlayer.kernels.sigmoid import (
    log_sigmoid_backward_entries,
    log_sigmoid_entries,
    sigmoid_backward_entries,
    sigmoid_entries,
)
from lastlayer.torch._memory import empty, entries_of
from lastlayer.torch._tensors import require_floats, runs_on_kernels, widened


def sigmoid(logits: torch.Tensor) -> torch.Tensor:
    """Probabilities 1 / (1 + exp(-z)) of `logits`, entry by entry: softmax of [z, 0].

    As `lastlayer.sigmoid`, with gradients to any order.

    Args:
      logits: (...) scores, floating point.
    Returns: (...) probabilities in the dtype of `logits`; -inf gives 0, +inf gives 1, NaN gives NaN.

    Raises: TypeError if `logits` are no dense floating-point tensor.

    >>> import torch
    >>> round(sigmoid(torch.tensor(1.0899)).item(), 4)
    0.7484
    """
    require_floats(logits, "logits")
    return _sigmoid(logits) if runs_on_kernels(logits) else torch.sigmoid(widened(logits)).to(logits.dtype)


def log_sigmoid(logits: torch.Tensor) -> torch.Tensor:
    """Log-probabilities -log(1 + exp(-z)) of `logits`, entry by entry, in nats.

    As `lastlayer.log_sigmoid`, with gradients to any order.

    Args:
      logits: (...) scores, floating point.
    Returns: (...) numbers <= 0 in the dtype of `logits`; -inf gives -inf, +inf gives 0, NaN gives NaN.

    Raises: TypeError if `logits` are no dense floating-point tensor.

    >>> import torch
    >>> log_sigmoid(torch.tensor(-1000.0)).item()
    -1000.0
    """
    require_floats(logits, "logits")
    if runs_on_kernels(logits):
        return _log_sigmoid(logits)
    return torch.nn.functional.logsigmoid(widened(logits)).to(logits.dtype)


def _written(kernel, *tensors):
    result, entries = empty(tensors[0].shape, tensors[0].dtype)
    in_periods(kernel, 1, *map(entries_of, tensors), entries)
    return result.to(tensors[0].dtype)


@torch.library.custom_op("lastlayer::sigmoid", mutates_args=())
def _sigmoid(logits: torch.Tensor) -> torch.Tensor:
    return _written(sigmoid_entries, logits)


@torch.library.custom_op("lastlayer::log_sigmoid", mutates_args=())
def _log_sigmoid(logits: torch.Tensor) -> torch.Tensor:
    return _written(log_sigmoid_entries, logits)


@torch.library.custom_op("lastlayer::sigmoid_backward", mutates_args=())
def _sigmoid_backward(logits: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
    """The gradient g p (1 - p)."""
    return _written(sigmoid_backward_entries, logits, upstream)


@torch.library.custom_op("lastlayer::log_sigmoid_backward", mutates_args=())
def _log_sigmoid_backward(logits: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
    """The gradient g (1 - p)."""
    return _written(log_sigmoid_backward_entries, logits, upstream)


def _same_shape(logits, *_):
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _keep(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _of_sigmoid(ctx, upstream):
    return _sigmoid_backward(*ctx.saved_tensors, upstream)


def _of_log_sigmoid(ctx, upstream):
    return _log_sigmoid_backward(*ctx.saved_tensors, upstream)


def _of_sigmoid_backward(ctx, direction):
    # Composed, so differentiable again.
    logits, upstream = ctx.saved_tensors
    p, not_p = sigmoid(logits), sigmoid(-logits)
    return direction * upstream * p * not_p * (not_p - p), direction * p * not_p


def _of_log_sigmoid_backward(ctx, direction):
    logits, upstream = ctx.saved_tensors
    p, not_p = sigmoid(logits), sigmoid(-logits)
    return -direction * upstream * p * not_p, direction * not_p


for _operator, _backward in (
    (_sigmoid, _of_sigmoid),
    (_log_sigmoid, _of_log_sigmoid),
    (_sigmoid_backward, _of_sigmoid_backward),
    (_log_sigmoid_backward, _of_log_sigmoid_backward),
):
    _operator.register_fake(_same_shape)
    _operator.register_autograd(_backward, setup_context=_keep)

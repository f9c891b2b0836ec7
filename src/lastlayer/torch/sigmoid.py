"""sigmoid and log_sigmoid of tensors."""

import torch

from lastlayer.functions.sigmoid import fill_entries
from lastlayer.kernels.sigmoid import log_sigmoid_entries, sigmoid_entries
from lastlayer.torch._memory import empty, entries_of
from lastlayer.torch._tensors import require_floats, runs_on_kernels, widened


def sigmoid(logits):
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


def log_sigmoid(logits):
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


def _written(kernel, logits):
    result, entries = empty(logits.shape, logits.dtype)
    fill_entries(kernel, entries_of(logits).reshape(-1), entries.reshape(-1))
    return result.to(logits.dtype)


@torch.library.custom_op("lastlayer::sigmoid", mutates_args=())
def _sigmoid(logits: torch.Tensor) -> torch.Tensor:
    return _written(sigmoid_entries, logits)


@torch.library.custom_op("lastlayer::log_sigmoid", mutates_args=())
def _log_sigmoid(logits: torch.Tensor) -> torch.Tensor:
    return _written(log_sigmoid_entries, logits)


def _same_shape(logits):
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _keep_logits(ctx, inputs, output):
    ctx.save_for_backward(inputs[0])


def _sigmoid_backward(ctx, gradient):
    (logits,) = ctx.saved_tensors
    return gradient * (sigmoid(logits) * sigmoid(-logits))


def _log_sigmoid_backward(ctx, gradient):
    (logits,) = ctx.saved_tensors
    return gradient * sigmoid(-logits)


for _operator, _backward in ((_sigmoid, _sigmoid_backward), (_log_sigmoid, _log_sigmoid_backward)):
    _operator.register_fake(_same_shape)
    _operator.register_autograd(_backward, setup_context=_keep_logits)

"""logsumexp and smooth_max of tensors."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from lastlayer._arrays import checked_beta as in_range
from lastlayer.functions._along_axis import fill_reduced, fits_float32
from lastlayer.functions.logsumexp import KERNELS
from lastlayer.torch._memory import entries_of, numbers_of
from lastlayer.torch._tensors import (
    checked_beta,
    class_dim,
    require_floats,
    runs_on_kernels,
    scaled_by,
    three_dims,
    widened,
)
from lastlayer.torch.softmax import softmax, through_softmax


def logsumexp(logits: torch.Tensor, dim: int | Sequence[int] = -1, *, keepdim: bool = False) -> torch.Tensor:
    """Logarithm of the sum of exponentials of `logits` along `dim`, in nats; it never overflows.

    As `lastlayer.logsumexp`, with gradients to any order.

    Args:
      logits: (..., K, ...) scores, floating point; -inf adds nothing.
      dim: the dimension of the classes, or a tuple of several that are summed over together.
      keepdim: leave `dim` in the result, with length 1.
    Returns: (..., ...) with `dim` removed, in the dtype of `logits`; on the CPU sums are accumulated in float64. A row
      that holds NaN is NaN, one with +inf is +inf and one of nothing but -inf is -inf.

    Raises:
      TypeError: if `logits` are no dense floating-point tensor.
      ValueError: if `dim` has no classes.
      IndexError: if there is no such dimension.

    >>> import torch
    >>> logsumexp(torch.tensor([1000.0, 1000.0], dtype=torch.float64)).item()
    1000.6931471805599
    """
    require_floats(logits, "logits")
    dims = [class_dim(logits, d) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]
    if len(set(dims)) < len(dims):
        raise ValueError(f"dim: received {dim!r}, expected each dimension once.")
    if len(dims) == 1 or not logits.ndim:
        result = _smooth_max(logits, dims[0] if dims else 0, 1.0)
    else:
        dims = dims or list(range(logits.ndim))
        last = tuple(range(-len(dims), 0))
        result = _smooth_max(logits.movedim(dims, last).flatten(-len(dims)), logits.ndim - len(dims), 1.0)
    if keepdim and logits.ndim:
        shape = [1 if d in (dims or range(logits.ndim)) else size for d, size in enumerate(logits.shape)]
        result = result.reshape(shape)
    return result


def smooth_max(logits: torch.Tensor, dim: int = -1, *, beta: float | torch.Tensor = 1.0) -> torch.Tensor:
    """Smooth maximum of `logits` along `dim`, in the logits' own unit: logsumexp(beta z) / beta.

    max(z) <= smooth_max(z) <= max(z) + log(K) / beta. As `lastlayer.smooth_max`, with gradients in `logits` and `beta`.

    Args:
      logits: (..., K, ...) scores, floating point; -inf marks a class as impossible.
      dim: the dimension of the classes.
      beta: inverse temperature, > 0: a number, or a tensor with one entry, which may require grad.
    Returns: (..., ...) with `dim` removed, in the dtype of `logits`. A row that holds NaN is NaN, one with +inf is +inf
      and one of nothing but -inf is -inf.

    Raises:
      TypeError: if `logits` are no dense floating-point tensor.
      ValueError: if `dim` has no classes or beta is not above 0.
      IndexError: if there is no such dimension.

    >>> import torch
    >>> round(smooth_max(torch.tensor([0.0, 0.0]), beta=2.0).item(), 4)
    0.3466
    """
    require_floats(logits, "logits")
    beta = checked_beta(beta)
    dim = class_dim(logits, dim)
    if not isinstance(beta, torch.Tensor):
        return _smooth_max(logits, dim, beta)
    if beta.numel() != 1:
        raise ValueError(f"beta: shape is {tuple(beta.shape)}, expected a number or a tensor with one entry.")
    beta = beta.reshape(())
    below, top = scaled_by(logits, dim, beta)
    finite = top.isfinite()
    # A row without a finite maximum has no part in any gradient.
    sums = _smooth_max(below.masked_fill(~finite, 0.0), dim, 1.0)
    # An infinite maximum is the result itself; a finite one gets its gradient by way of `below`.
    offset = widened(logits).detach().amax(dim) if logits.ndim else top
    result = torch.where(finite.squeeze(dim) if logits.ndim else finite, offset + sums / beta, offset)
    return result.to(logits.dtype)


def _smooth_max(logits, dim, beta):
    shape = (*logits.shape[:dim], *logits.shape[dim + 1 :])
    if runs_on_kernels(logits):
        return _logsumexp(three_dims(logits, dim), beta).reshape(shape)
    wide = widened(logits)
    top = wide.detach().amax(dim, keepdim=True) if logits.ndim else wide.detach()
    finite = torch.where(top.isfinite(), top, torch.zeros_like(top))
    nothing = top == -math.inf
    sums = torch.logsumexp((wide - finite).masked_fill(nothing, 0.0) * beta, dim, keepdim=True) / beta + finite
    sums = sums.masked_fill(nothing, -math.inf)
    return sums.reshape(shape).to(logits.dtype)


@torch.library.custom_op("lastlayer::logsumexp", mutates_args=())
def _logsumexp(logits: torch.Tensor, beta: float) -> torch.Tensor:
    """log(sum exp(beta z)) / beta of (outer, K, inner) along the middle."""
    sums = np.empty((logits.shape[0], logits.shape[2]))
    source = entries_of(logits) if fits_float32(in_range(beta)) else numbers_of(logits.double())
    fill_reduced(KERNELS, source, beta, sums)
    return torch.from_numpy(sums).to(logits.dtype)


@_logsumexp.register_fake
def _(logits, beta):
    return logits.new_empty(logits.shape[0], logits.shape[2])


def _keep_logits(ctx, inputs, output):
    ctx.save_for_backward(inputs[0], output)
    ctx.beta = inputs[1]


def _backward(ctx, upstream):
    return _logsumexp_backward(upstream, *ctx.saved_tensors, ctx.beta), None


@torch.library.custom_op("lastlayer::logsumexp_backward", mutates_args=())
def _logsumexp_backward(upstream: torch.Tensor, logits: torch.Tensor, sums: torch.Tensor, beta: float) -> torch.Tensor:
    """The gradient g softmax(beta z), (outer, K, inner)."""
    shares = softmax(widened(logits.detach()), 1, beta=beta).mul_(upstream.unsqueeze(1))
    # Nothing moves a sum over nothing: a row of -inf has gradient 0, not the NaN of its shares.
    nothing = sums == -math.inf
    shares = shares.masked_fill_(nothing.unsqueeze(1), 0.0) if nothing.any() else shares
    return shares.to(logits.dtype)


@_logsumexp_backward.register_fake
def _(upstream, logits, sums, beta):
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _keep_inputs(ctx, inputs, output):
    *tensors, ctx.beta = inputs
    ctx.save_for_backward(*tensors)


def _double_backward(ctx, direction):
    upstream, logits, sums = ctx.saved_tensors
    nothing = (sums == -math.inf).unsqueeze(1)
    wide, direction = widened(logits).masked_fill(nothing, 0.0), widened(direction).masked_fill(nothing, 0.0)
    along, of_logits = through_softmax(wide, direction, widened(upstream).unsqueeze(1), ctx.beta)
    return along.squeeze(1).to(upstream.dtype), of_logits.to(logits.dtype), None, None


_logsumexp.register_autograd(_backward, setup_context=_keep_logits)
_logsumexp_backward.register_autograd(_double_backward, setup_context=_keep_inputs)

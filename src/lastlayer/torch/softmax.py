"""softmax and log_softmax of tensors."""

import torch

from lastlayer._arrays import checked_beta as in_range
from lastlayer.functions._along_axis import fill, fits_float32
from lastlayer.functions.backward import log_softmax_backward, softmax_backward
from lastlayer.functions.log_softmax import KERNELS as LOG_SOFTMAX
from lastlayer.functions.softmax import KERNELS as SOFTMAX
from lastlayer.torch._memory import empty, entries_of
from lastlayer.torch._tensors import (
    checked_beta,
    class_dim,
    require_floats,
    runs_on_kernels,
    scaled_by,
    three_dims,
    widened,
)


def softmax(logits: torch.Tensor, dim: int = -1, *, beta: float | torch.Tensor = 1.0) -> torch.Tensor:
    """Probabilities exp(beta z) / sum exp(beta z) of `logits` along `dim`.

    As `lastlayer.softmax`, with gradients to any order in `logits` and in `beta`.

    Args:
      logits: (..., K, ...) scores, floating point; -inf marks a class as impossible, its probability and its gradient
        are exactly 0.
      dim: the dimension of the classes.
      beta: inverse temperature, > 0: a number, or a tensor that broadcasts against `logits` and may require grad (it is
        not looked at; one that is not above 0 is not refused).
    Returns: (..., K, ...) probabilities, contiguous, in the dtype of `logits`; bfloat16 and float16 are computed in
      float32. A row that holds NaN or +inf, or nothing but -inf, is NaN.

    Raises:
      TypeError: if `logits` are no dense floating-point tensor.
      ValueError: if `dim` has no classes or beta is not above 0.
      IndexError: if there is no such dimension.

    >>> import torch
    >>> softmax(torch.tensor([2.0, 1.0, 0.1])).round(decimals=3).tolist()  # doctest: +ELLIPSIS
    [0.65..., 0.24..., 0.09...]
    """
    return _along_dim(_softmax, torch.softmax, logits, dim, beta)


def log_softmax(logits: torch.Tensor, dim: int = -1, *, beta: float | torch.Tensor = 1.0) -> torch.Tensor:
    """Log-probabilities beta z - log sum exp(beta z) of `logits` along `dim`, in nats.

    As `lastlayer.log_softmax`, with gradients to any order in `logits` and in `beta`.

    Args:
      logits: (..., K, ...) scores, floating point; -inf marks a class as impossible.
      dim: the dimension of the classes.
      beta: inverse temperature, > 0: a number, or a tensor that broadcasts against `logits` and may require grad (it is
        not looked at; one that is not above 0 is not refused).
    Returns: (..., K, ...) numbers <= 0, contiguous, in the dtype of `logits`, on the CPU accurate relative to
      themselves also where one class takes nearly everything. A row that holds NaN or +inf, or nothing but -inf, is
      NaN.

    Raises:
      TypeError: if `logits` are no dense floating-point tensor.
      ValueError: if `dim` has no classes or beta is not above 0.
      IndexError: if there is no such dimension.

    >>> import torch
    >>> round(log_softmax(torch.tensor([2.0, 1.0, 0.1]))[0].item(), 4)
    -0.417
    """
    return _along_dim(_log_softmax, torch.log_softmax, logits, dim, beta)


def _along_dim(operator, of_torch, logits, dim, beta):
    require_floats(logits, "logits")
    beta = checked_beta(beta)
    dim = class_dim(logits, dim)
    source = logits
    if isinstance(beta, torch.Tensor):
        source, beta = scaled_by(logits, dim, beta)[0], 1.0
    if runs_on_kernels(logits):
        result = operator(three_dims(source, dim), beta).reshape(source.shape)
    else:
        wide = widened(source)
        # The maximum first: beta times a large logit may overflow.
        result = of_torch((wide - wide.detach().amax(dim, keepdim=True)) * beta, dim)
    return result.to(logits.dtype)


def through_softmax(
    logits: torch.Tensor, direction: torch.Tensor, factor: torch.Tensor, beta: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """What second derivatives share where a gradient is a factor times p = softmax(beta z), less a constant.

    Args:
      logits: (n, K, ...), in the dtype that is computed in, as are the others.
      direction: (n, K, ...), by which the gradient is multiplied and summed.
      factor: (n, 1, ...).
      beta: a number > 0.
    Returns: sum_k p_k direction_k, (n, 1, ...), and the gradient of factor times that in the logits; both are composed,
      so differentiable again.
    """
    p = softmax(logits, 1, beta=beta)
    along = (p * direction).sum(1, keepdim=True)
    return along, beta * factor * p * (direction - along)


def _computed(kernels, logits, beta):
    # A beta whose products float32 could not hold is computed with in float64.
    source = logits if fits_float32(in_range(beta)) else logits.double()
    result, target = empty(source.shape, source.dtype)
    fill(kernels, entries_of(source), beta, target)
    return result.to(logits.dtype)


@torch.library.custom_op("lastlayer::softmax", mutates_args=())
def _softmax(logits: torch.Tensor, beta: float) -> torch.Tensor:
    """Softmax of (outer, K, inner) along the middle."""
    return _computed(SOFTMAX, logits, beta)


@torch.library.custom_op("lastlayer::log_softmax", mutates_args=())
def _log_softmax(logits: torch.Tensor, beta: float) -> torch.Tensor:
    """log_softmax of (outer, K, inner) along the middle."""
    return _computed(LOG_SOFTMAX, logits, beta)


def _slopes(write, result, upstream, beta):
    dtype = result.dtype if fits_float32(beta) else torch.float64
    gradient, entries = empty(result.shape, dtype)
    write(entries_of(result.to(dtype)), entries_of(upstream.to(dtype)), beta, entries)
    return gradient.to(result.dtype)


@torch.library.custom_op("lastlayer::softmax_backward", mutates_args=())
def _softmax_backward(upstream: torch.Tensor, probabilities: torch.Tensor, beta: float) -> torch.Tensor:
    """Beta p (g - sum p g) of (outer, K, inner)."""
    return _slopes(softmax_backward, probabilities, upstream, beta)


@torch.library.custom_op("lastlayer::log_softmax_backward", mutates_args=())
def _log_softmax_backward(upstream: torch.Tensor, log_probabilities: torch.Tensor, beta: float) -> torch.Tensor:
    """Beta (g - exp(l) sum g) of (outer, K, inner)."""
    return _slopes(log_softmax_backward, log_probabilities, upstream, beta)


def _like_first(first, *_):
    return torch.empty_like(first, memory_format=torch.contiguous_format)


def _keep_output(ctx, inputs, output):
    ctx.save_for_backward(output)
    ctx.beta = inputs[1]


def _keep_inputs(ctx, inputs, output):
    *tensors, ctx.beta = inputs
    ctx.save_for_backward(*tensors)


def _of_softmax(ctx, upstream):
    return _softmax_backward(upstream, *ctx.saved_tensors, ctx.beta), None


def _of_log_softmax(ctx, upstream):
    return _log_softmax_backward(upstream, *ctx.saved_tensors, ctx.beta), None


def _of_softmax_backward(ctx, direction):
    # Linear in g, and symmetric; in p by the product rule, composed and so differentiable again.
    upstream, p = ctx.saved_tensors
    g, wide, v = widened(upstream), widened(p), widened(direction)
    inner, along = (wide * g).sum(1, keepdim=True), (wide * v).sum(1, keepdim=True)
    of_p = ctx.beta * (v * (g - inner) - g * along)
    return _softmax_backward(direction, p, ctx.beta), of_p.to(p.dtype), None


def _of_log_softmax_backward(ctx, direction):
    upstream, log_p = ctx.saved_tensors
    weighted = widened(direction) * widened(log_p).exp()
    of_upstream = ctx.beta * (widened(direction) - weighted.sum(1, keepdim=True))
    of_log_p = -ctx.beta * weighted * widened(upstream).sum(1, keepdim=True)
    return of_upstream.to(upstream.dtype), of_log_p.to(log_p.dtype), None


for _operator, _backward, _keep in (
    (_softmax, _of_softmax, _keep_output),
    (_log_softmax, _of_log_softmax, _keep_output),
    (_softmax_backward, _of_softmax_backward, _keep_inputs),
    (_log_softmax_backward, _of_log_softmax_backward, _keep_inputs),
):
    _operator.register_fake(_like_first)
    _operator.register_autograd(_backward, setup_context=_keep)

"""softmax and log_softmax of tensors, with an inverse temperature."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer.functions._along_axis import fits_float32
from lastlayer.torch import fast_path
from lastlayer.torch._arguments import checked_beta, refuse_arrays
from lastlayer.torch._tracing import compile_instead, is_recorded, record


def softmax(
    input: torch.Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: torch.dtype | None = None,
    *,
    beta: float | torch.Tensor = 1.0,
) -> torch.Tensor:
    """Probabilities exp(beta z) / sum exp(beta z) of `input` along `dim`.

    torch.nn.functional.softmax with an inverse temperature, composed of PyTorch's operators: the maximum is subtracted
    first and the difference then multiplied by beta, so that nothing overflows.

    Args:
      input: (..., K, ...) scores; -inf marks a class as impossible, its probability and its gradient are exactly 0.
      dim: the dimension of the classes; None is PyTorch's deprecated choice.
      dtype: what `input` is converted to before anything else, and the dtype of the result.
      beta: inverse temperature, > 0: a number, or a tensor that broadcasts against `input` and may require grad (it is
        not looked at; one that is not above 0 is not refused).
    Returns: (..., K, ...) probabilities in the dtype of `input`; with a beta, float16 and bfloat16 are computed in
      float32. A row that holds NaN or +inf, or nothing but -inf, is NaN. Where the compiled kernels serve (a CPU, few
      classes and many rows, see fast_path.py) the relative error of a probability p is at most 4e-7 (1 + |ln p|) in
      float32 and 1e-15 (1 + |ln p|) in float64; elsewhere accuracy is PyTorch's.

    Raises:
      ValueError: if a number beta is not above 0.
      TypeError: if `input` is a NumPy array, or with a beta no floating-point tensor.

    >>> import torch
    >>> softmax(torch.tensor([2.0, 1.0, 0.1]), 0).round(decimals=3).tolist()  # doctest: +ELLIPSIS
    [0.65..., 0.24..., 0.09...]
    """
    return _along_dim("softmax", input, dim, _stacklevel, dtype, beta)


def log_softmax(
    input: torch.Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: torch.dtype | None = None,
    *,
    beta: float | torch.Tensor = 1.0,
) -> torch.Tensor:
    """Log-probabilities beta z - log sum exp(beta z) of `input` along `dim`, in nats.

    torch.nn.functional.log_softmax with an inverse temperature; see `softmax`.

    Args:
      input: (..., K, ...) scores; -inf marks a class as impossible.
      dim: the dimension of the classes; None is PyTorch's deprecated choice.
      dtype: what `input` is converted to before anything else, and the dtype of the result.
      beta: inverse temperature, > 0: a number, or a tensor that broadcasts against `input` and may require grad (it is
        not looked at; one that is not above 0 is not refused).
    Returns: (..., K, ...) numbers <= 0 in the dtype of `input`; with a beta, float16 and bfloat16 are computed in
      float32. A row that holds NaN or +inf, or nothing but -inf, is NaN. Where the compiled kernels serve, results are
      accurate relative to themselves also where one class takes nearly everything; elsewhere accuracy is PyTorch's.

    Raises:
      ValueError: if a number beta is not above 0.
      TypeError: if `input` is a NumPy array, or with a beta no floating-point tensor.

    >>> import torch
    >>> round(log_softmax(torch.tensor([2.0, 1.0, 0.1]), 0)[0].item(), 4)
    -0.417
    """
    return _along_dim("log_softmax", input, dim, _stacklevel, dtype, beta)


def _along_dim(name, input, dim, _stacklevel, dtype, beta):
    if type(beta) in (int, float) and fits_float32(beta):
        if dtype is None and dim is not None and fast_path.takes(name, input, dim):
            return fast_path.along_last_dim(name, input, float(beta))
        if beta == 1:
            refuse_arrays(input=input)
            return getattr(F, name)(input, dim, _stacklevel + 2, dtype)
    refuse_arrays(input=input)
    if is_recorded(input, beta):
        function = softmax if name == "softmax" else log_softmax
        return record(function, input, dim=dim, _stacklevel=_stacklevel, dtype=dtype, beta=beta)
    beta = checked_beta(beta)
    return (_composed_softmax if name == "softmax" else _composed_log_softmax)(input, dim, _stacklevel + 3, dtype, beta)


def _composed_softmax(
    input: torch.Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: torch.dtype | None = None,
    beta: float | torch.Tensor = 1.0,
) -> torch.Tensor:
    """What TorchScript compiles, which knows no keyword-only arguments with defaults."""
    if not isinstance(beta, torch.Tensor) and beta == 1.0:
        return F.softmax(input, dim, _stacklevel, dtype)
    if dtype is not None:
        input = input.to(dtype)
    return F.softmax(scaled(input, _choice(input, dim), beta), dim, _stacklevel).to(input.dtype)


def _composed_log_softmax(
    input: torch.Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: torch.dtype | None = None,
    beta: float | torch.Tensor = 1.0,
) -> torch.Tensor:
    """What TorchScript compiles."""
    if not isinstance(beta, torch.Tensor) and beta == 1.0:
        return F.log_softmax(input, dim, _stacklevel, dtype)
    if dtype is not None:
        input = input.to(dtype)
    return F.log_softmax(scaled(input, _choice(input, dim), beta), dim, _stacklevel).to(input.dtype)


def _choice(input: torch.Tensor, dim: int | None) -> int:
    """The dimension, or where it is None the one that PyTorch chooses, and warns about."""
    if dim is None:
        return 0 if input.dim() in (0, 1, 3) else 1
    return dim


def scaled(input: torch.Tensor, dim: int, beta: float | torch.Tensor) -> torch.Tensor:
    """Beta (z - max z) in the dtype that is computed in; what is not finite stays out of a tensor beta's gradient.

    The maximum first: beta times a large logit may overflow.
    """
    if not input.is_floating_point():
        raise TypeError(f"input: dtype is {input.dtype}, expected a floating-point one; convert with .float().")
    wide = input.float() if input.dtype == torch.bfloat16 or input.dtype == torch.float16 else input
    if isinstance(beta, torch.Tensor):
        if wide.numel() == 0:
            return wide * beta.to(wide.dtype)
        top = wide.detach().amax(dim, keepdim=True)
        impossible, hopeless = wide == -math.inf, ~top.isfinite()
        one = beta.reshape([]) if beta.numel() == 1 else beta
        below = (wide - top).masked_fill(impossible | hopeless, 0.0) * one.to(wide.dtype)
        if below.shape != wide.shape:
            raise ValueError(
                f"beta: shape is {beta.shape}, expected one that broadcasts to {wide.shape}, the shape of input."
            )
        return below.masked_fill(impossible, -math.inf).masked_fill(hopeless, math.nan)
    if not 1e-30 <= beta <= 1e30:  # as fits_float32, which TorchScript does not know
        wide = wide.double()
    if wide.numel() == 0:
        return wide * beta
    return (wide - wide.detach().amax(dim, keepdim=True)) * beta


compile_instead(softmax, _composed_softmax)
compile_instead(log_softmax, _composed_log_softmax)

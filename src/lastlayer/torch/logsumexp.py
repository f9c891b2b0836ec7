"""logsumexp and smooth_max of tensors."""

import math
from collections.abc import Sequence

import torch

from lastlayer.torch._arguments import checked_beta, refuse_arrays


def logsumexp(input: torch.Tensor, dim: int | Sequence[int], keepdim: bool = False) -> torch.Tensor:
    """Logarithm of the sum of exponentials of `input` along `dim`, in nats: torch.logsumexp.

    >>> import torch
    >>> logsumexp(torch.tensor([1000.0, 1000.0], dtype=torch.float64), 0).item()
    1000.6931471805599
    """
    return torch.logsumexp(input, dim, keepdim)  # pyright: ignore[reportArgumentType]


def smooth_max(
    input: torch.Tensor, dim: int = -1, keepdim: bool = False, *, beta: float | torch.Tensor = 1.0
) -> torch.Tensor:
    """Smooth maximum of `input` along `dim`, in the logits' own unit: logsumexp(beta z) / beta.

    max(z) <= smooth_max(z) <= max(z) + log(K) / beta. As `lastlayer.smooth_max`, with gradients in `input` and `beta`.

    Args:
      input: (..., K, ...) scores, floating point; -inf marks a class as impossible.
      dim: the dimension of the classes.
      keepdim: leave `dim` in the result, with length 1.
      beta: inverse temperature, > 0: a number, or a tensor with one entry, which may require grad.
    Returns: (..., ...) with `dim` removed, in the dtype of `input`; float16 and bfloat16 are computed in float32. A row
      that holds NaN is NaN, one with +inf is +inf and one of nothing but -inf is -inf; its gradient is 0.

    Raises:
      ValueError: if beta is not above 0, or a tensor of several entries.
      TypeError: if `input` is a NumPy array.
      IndexError: if there are no classes along `dim`.

    >>> import torch
    >>> round(smooth_max(torch.tensor([0.0, 0.0]), beta=2.0).item(), 4)
    0.3466
    """
    refuse_arrays(input=input)
    beta = checked_beta(beta)
    if isinstance(beta, torch.Tensor):
        if beta.numel() != 1:
            raise ValueError(f"beta: shape is {tuple(beta.shape)}, expected a number or a tensor with one entry.")
        beta = beta.reshape(())
    wide = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
    top = wide.detach().amax(dim, keepdim=True)
    finite = top.isfinite()
    # A row without a finite maximum, and an impossible class, have no part in any gradient.
    impossible = wide == -math.inf
    below = (wide - top).masked_fill(impossible | ~finite, 0.0) * beta
    sums = torch.logsumexp(below.masked_fill(impossible & finite, -math.inf), dim, keepdim=True)
    result = torch.where(finite, top + sums / beta, top)
    return (result if keepdim else result.squeeze(dim)).to(input.dtype)

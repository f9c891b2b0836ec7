"""hardmax of tensors."""

import math

import torch

from lastlayer.torch._tensors import class_dim, require_floats


def hardmax(logits: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """One-hot argmax of `logits` along `dim`: 1 at the largest score, 0 elsewhere; the first of equals wins.

    It is constant wherever it is smooth, so no gradient flows through it.

    Args:
      logits: (..., K, ...) scores, floating point; -inf marks a class as impossible.
      dim: the dimension of the classes.
    Returns: (..., K, ...) zeros and ones, in the dtype of `logits`. A row that holds NaN or +inf, or nothing but -inf,
      is NaN, as in softmax.

    Raises:
      TypeError: if `logits` are no dense floating-point tensor.
      ValueError: if `dim` has no classes.
      IndexError: if there is no such dimension.

    >>> import torch
    >>> hardmax(torch.tensor([0.95, 0.99, 0.98])).tolist()
    [0.0, 1.0, 0.0]
    """
    require_floats(logits, "logits")
    dim = class_dim(logits, dim)
    logits = logits.detach()
    if not logits.numel():
        return torch.zeros_like(logits)
    winner = logits.argmax(dim, keepdim=True)
    top = logits.gather(dim, winner)
    result = torch.zeros_like(logits).scatter(dim, winner, 1.0)
    return result.masked_fill(~top.isfinite(), math.nan)

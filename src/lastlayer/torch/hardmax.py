"""hardmax of tensors."""

import math

import torch

from lastlayer.torch._arguments import refuse_arrays


def hardmax(input: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """One-hot argmax of `input` along `dim`: 1 at the largest score, 0 elsewhere; the first of equals wins.

    It is constant wherever it is smooth, so no gradient flows through it.

    Args:
      input: (..., K, ...) scores, floating point; -inf marks a class as impossible.
      dim: the dimension of the classes.
    Returns: (..., K, ...) zeros and ones, in the dtype of `input`. A row that holds NaN or +inf, or nothing but -inf,
      is NaN, as in softmax.

    Raises:
      TypeError: if `input` is a NumPy array.
      IndexError: if there is no such dimension, or no classes along it.

    >>> import torch
    >>> hardmax(torch.tensor([0.95, 0.99, 0.98])).tolist()
    [0.0, 1.0, 0.0]
    """
    refuse_arrays(input=input)
    input = input.detach()
    winner = input.argmax(dim, keepdim=True)
    top = input.gather(dim, winner)
    return torch.zeros_like(input).scatter(dim, winner, 1.0).masked_fill(~top.isfinite(), math.nan)

"""soft_cross_entropy of tensors: a whole distribution an example."""

import torch

from lastlayer.torch.cross_entropy import cross_entropy


def soft_cross_entropy(input: torch.Tensor, probabilities: torch.Tensor, *, reduction: str = "mean") -> torch.Tensor:
    """Cross-entropy -sum_k t_k log softmax(z)_k of each example against targets t, in nats, reduced as PyTorch does.

    It is `cross_entropy` that takes nothing but probabilities. They are taken as they are: they need not sum to 1.

    Args:
      input: (N, K, ...) logits, or (K,) for a single example; -inf marks a class as impossible.
      probabilities: targets in the same shape, floating point; may require grad.
      reduction: "mean" over the examples, "sum" or "none".
    Returns: a scalar, or with "none" losses in the shape of `input` without the classes.

    Raises:
      ValueError: if the shapes differ.
      TypeError: if the targets are not floating-point.

    >>> import torch
    >>> logits, targets = torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([[0.7, 0.2, 0.1]])
    >>> round(soft_cross_entropy(logits, targets).item(), 4)
    0.807
    """
    if isinstance(probabilities, torch.Tensor):
        if not probabilities.is_floating_point():
            raise TypeError(
                f"probabilities: dtype is {probabilities.dtype}, expected a floating-point one; cross_entropy takes "
                "labels."
            )
        if probabilities.shape != input.shape:
            raise ValueError(
                f"probabilities: shape is {tuple(probabilities.shape)}, expected {tuple(input.shape)}, like input."
            )
    return cross_entropy(input, probabilities, reduction=reduction)

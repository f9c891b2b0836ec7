"""binary_cross_entropy_with_logits of tensors: one score against yes or no, or a probability of yes."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer.torch._arguments import checked_reduction, refuse_arrays
from lastlayer.torch._tracing import compile_instead, is_recorded, record
from lastlayer.torch.fast_path import is_plain
from lastlayer.torch.nll import needs_no_care


def binary_cross_entropy_with_logits(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    reduction: str = "mean",
    pos_weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy of sigmoid(z) against targets t, entry by entry, in nats, reduced as PyTorch does.

    The loss is w (p t log(1 + exp(-z)) + (1 - t) log(1 + exp(z))). It is PyTorch's function of that name, without the
    deprecated size_average and reduce, but for two answers: a mean over no entries is 0 (PyTorch: NaN), and what has no
    part in the target or no weight costs 0 where it is impossible (z of -inf against 0: PyTorch's is NaN).

    Args:
      input: (...) logits.
      target: the same shape; 1 for yes, 0 for no, or the probability of yes; taken as it is; may require grad.
      weight: factors w of the losses, anything that broadcasts against `input`; the mean does not divide by them.
      reduction: "mean" over the entries, "sum" or "none".
      pos_weight: factors p of what a positive costs, anything that broadcasts against `input`.
    Returns: a scalar, or with "none" losses in the shape of `input`; float32 under autocast.

    Raises:
      ValueError: if a shape or an option does not fit.
      TypeError: if an argument is a NumPy array; and what else PyTorch raises.

    >>> import torch
    >>> logits, targets = torch.tensor([2.0, -1e4, -1e4]), torch.tensor([1.0, 0.0, 1.0])
    >>> [round(x, 4) for x in binary_cross_entropy_with_logits(logits, targets, reduction="none").tolist()]
    [0.1269, 0.0, 10000.0]
    """
    refuse_arrays(input=input, target=target, weight=weight, pos_weight=pos_weight)
    checked_reduction(reduction)
    if is_plain(input):
        result = F.binary_cross_entropy_with_logits(input, target, weight, reduction=reduction, pos_weight=pos_weight)
        if needs_no_care(result, reduction, True):
            return result
    elif is_recorded(input, target, weight):
        return record(binary_cross_entropy_with_logits, input, target, weight, reduction, pos_weight)
    return _composed(input, target, weight, reduction, pos_weight)


def _composed(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    reduction: str = "mean",
    pos_weight: torch.Tensor | None = None,
) -> torch.Tensor:
    """The loss of all tensors: no branch looks at their entries."""
    if target.shape != input.shape:
        raise ValueError(f"target: shape is {target.shape}, expected {input.shape}, like input.")
    no_yes = target == 0 if pos_weight is None else (target == 0) | (pos_weight == 0)
    free = ((input == -math.inf) & no_yes) | ((input == math.inf) & (target == 1))
    if weight is not None:
        free = free | (input.isinf() & (weight == 0))
    # The largest number in place of infinity costs exactly 0 there, with gradient 0.
    input = torch.where(free, input.nan_to_num(), input)
    if reduction == "mean" and input.numel() == 0:
        reduction = "sum"
    return F.binary_cross_entropy_with_logits(input, target, weight, reduction=reduction, pos_weight=pos_weight)


compile_instead(binary_cross_entropy_with_logits, _composed)

"""nll of tensors: the loss of given log-probabilities."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer.torch._arguments import checked_ignore_index, checked_reduction, refuse_arrays
from lastlayer.torch._tracing import compile_instead, is_recorded, record
from lastlayer.torch.fast_path import is_plain


def nll(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> torch.Tensor:
    """Negative log-likelihood -w_y log p[label] of each example, in nats, reduced as PyTorch does.

    It is torch.nn.functional.nll_loss, but for two answers: a mean over no label that is kept, or none with weight, is
    0 with gradient 0 (PyTorch: NaN); and a class of weight 0 costs 0 where it is impossible (PyTorch: NaN).

    Args:
      input: (N, K, ...) log-probabilities, or (K,) for a single example.
      target: that shape without the classes, integers in 0..K-1 or `ignore_index`.
      weight: (K,) factors w >= 0, one for each class; None means 1.
      ignore_index: the label of examples whose loss and gradient are 0.
      reduction: "mean" over the summed w_y of the labels that are kept, "sum" or "none".
    Returns: a scalar, or with "none" losses in the shape of `target`.

    Raises: what PyTorch raises, IndexError for a label out of range among it.

    >>> import torch
    >>> nll(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([1])).item()
    0.2876820...
    """
    refuse_arrays(input=input, target=target, weight=weight)
    ignore_index, reduction = checked_ignore_index(ignore_index), checked_reduction(reduction)
    if is_plain(input):
        result = F.nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)
        if needs_no_care(result, reduction, weight is not None):
            return result
    elif is_recorded(input, target, weight):
        return record(nll, input, target, weight, ignore_index, reduction)
    return composed_nll(input, target, weight, ignore_index, reduction)


def needs_no_care(result: torch.Tensor, reduction: str, weighted: bool) -> bool:
    """Whether PyTorch's own answer, of a plain tensor, is the answer: that is so wherever it is finite."""
    if reduction == "none":
        return not weighted or math.isfinite(result.detach().sum().item())
    return math.isfinite(result.item())


def composed_nll(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """The loss of log-probabilities for all tensors: no branch looks at their entries."""
    class_dim = 0 if input.dim() == 1 else 1
    if weight is not None:
        # Never 0 times inf, nor in the gradient.
        input = input.masked_fill((of_class(weight, input) == 0) & input.isinf(), 0.0)
    losses = F.nll_loss(input, target, weight, ignore_index=ignore_index, reduction="none")
    if label_smoothing > 0.0:
        every = input if weight is None else input * of_class(weight, input)
        every = every.sum(class_dim).masked_fill(target == ignore_index, 0.0)
        losses = (1.0 - label_smoothing) * losses - label_smoothing / input.shape[class_dim] * every
    return reduced(losses, target, weight, ignore_index, reduction)


def reduced(
    losses: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None, ignore_index: int, reduction: str
) -> torch.Tensor:
    """Losses of labels as they are, their sum, or that over the weights of the labels that are kept, 0 over none.

    Divided here and not by PyTorch's mean, which of a DTensor is the mean of each process's means.
    """
    if reduction == "none":
        return losses
    total = wide_sum(losses)
    if reduction == "mean":
        ignored = target == ignore_index
        if weight is None:
            divisor = (~ignored).sum().to(total.dtype)
        else:
            divisor = wide_sum(weight[target.masked_fill(ignored, 0).long()].masked_fill(ignored, 0.0)).to(total.dtype)
        nothing = divisor == 0
        total = (total / divisor.masked_fill(nothing, 1.0)).masked_fill(nothing, 0.0)
    return total.to(losses.dtype)


def of_class(weight: torch.Tensor, input: torch.Tensor) -> torch.Tensor:
    """The weights (K,) of classes in the dimensions of `input`, (N, K, ...) or (K,)."""
    return weight.reshape([input.shape[min(1, input.dim() - 1)]] + [1] * max(0, input.dim() - 2))


def as_autocast(input: torch.Tensor) -> torch.Tensor:
    """Half precision in float32 where autocast is at work, as for PyTorch's own loss."""
    if not torch.jit.is_scripting():  # pyright: ignore[reportPrivateImportUsage]
        half = input.dtype in (torch.bfloat16, torch.float16)
        return input.float() if half and torch.is_autocast_enabled(input.device.type) else input
    return input


def wide_sum(losses: torch.Tensor) -> torch.Tensor:
    """The sum; of half precision, whose largest numbers a sum may pass, in float32."""
    half = losses.dtype == torch.float16 or losses.dtype == torch.bfloat16
    return (losses.float() if half else losses).sum()


compile_instead(nll, composed_nll)

"""The corrected logits of true classes and candidates, composed of PyTorch's operators."""

from functools import reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer.torch._arguments import refuse_arrays
from lastlayer.torch._logit_tiles import is_autocast
from lastlayer.torch.candidates import AnyCandidates, as_tensors
from lastlayer.torch.nll import wide_sum

_HALF = (torch.float16, torch.bfloat16)


class SampledLogits(NamedTuple):
    """What sampled losses are computed from.

    true: (N, M) logits of true classes, whatever they are where there is none. exists: (N, M) bool. candidates: (N, S)
    logits, -inf where one is a true class of the row. kept: (N,) bool, rows that are not ignored. dtype: of the losses.
    """

    true: torch.Tensor
    exists: torch.Tensor
    candidates: torch.Tensor
    kept: torch.Tensor
    dtype: torch.dtype


def check_head(
    input: torch.Tensor, linear_weight: torch.Tensor, target: torch.Tensor, linear_bias: torch.Tensor | None
) -> None:
    """Raise TypeError for a NumPy array and ValueError where shapes do not fit."""
    refuse_arrays(input=input, linear_weight=linear_weight, target=target, linear_bias=linear_bias)
    if input.dim() != 2 or linear_weight.dim() != 2 or linear_weight.shape[1] != input.shape[1]:
        raise ValueError(
            f"input: shape is {tuple(input.shape)} beside linear_weight {tuple(linear_weight.shape)}, expected (N, D) "
            "beside (K, D)."
        )
    if target.dim() not in (1, 2) or target.shape[0] != input.shape[0] or target.is_floating_point():
        raise ValueError(
            f"target: is {target.dtype} of shape {tuple(target.shape)}, expected integers ({input.shape[0]},) or "
            f"({input.shape[0]}, M)."
        )
    if linear_bias is not None and linear_bias.shape != linear_weight.shape[:1]:
        raise ValueError(f"linear_bias: shape is {tuple(linear_bias.shape)}, expected ({linear_weight.shape[0]},).")


def sampled_logits(
    input: torch.Tensor,
    linear_weight: torch.Tensor,
    target: torch.Tensor,
    candidates: AnyCandidates,
    linear_bias: torch.Tensor | None,
    remove_accidental_hits: bool,
    ignore_index: int,
    *,
    sparse: bool = False,
) -> SampledLogits:
    """The logits of checked arguments, of half precision in float32.

    With `sparse`, the gradients of weight and bias are sparse tensors.

    Raises: ValueError, TypeError or IndexError if candidates do not fit.
    """
    drawn = as_tensors(candidates, target, linear_weight.shape[0], ignore_index, input.device)
    single = target.dim() == 1
    labels, counts = (t.unsqueeze(1) if single else t for t in (target.long(), drawn.of_target))
    exists = labels != ignore_index
    kept = exists.squeeze(1) if single else torch.ones_like(labels[:, 0], dtype=torch.bool)
    if labels.shape[1] > 1:
        # In ascending order, so that a label that stands twice counts once.
        labels, order = labels.sort(dim=1, stable=True)
        counts, exists = counts.gather(1, order), labels != ignore_index
        again = F.pad(labels[:, 1:] == labels[:, :-1], (1, 0))
        exists = exists & ~again
    classes = torch.cat([labels.masked_fill(~exists, 0).reshape(-1), drawn.indices])
    # One look-up, so that there is one gradient, which may be sparse.
    rows = F.embedding(classes, linear_weight, sparse=sparse)
    num_true = labels.numel()
    of_true = rows[:num_true].reshape(*labels.shape, input.shape[1])
    true = (input.unsqueeze(1) * of_true).sum(2) - counts
    offset = -drawn.log_expected_count
    if linear_bias is not None:
        biases = linear_bias.gather(0, classes, sparse_grad=sparse)
        true, offset = true + biases[:num_true].reshape(labels.shape), offset + biases[num_true:]
    if is_autocast(input) or input.dtype in _HALF:
        sampled = F.linear(input, rows[num_true:])
        dtype = torch.float32 if is_autocast(input) else sampled.dtype
        sampled = sampled.float() if sampled.dtype in _HALF else sampled
        sampled = sampled + offset.to(sampled.dtype)
    else:
        sampled = F.linear(input, rows[num_true:], offset.to(input.dtype))
        dtype = sampled.dtype
    true = true.to(sampled.dtype)
    if remove_accidental_hits:
        # No candidate is negative. In place: of a product nothing is needed for its gradient.
        columns = labels.masked_fill(~exists, -1).unsqueeze(2).unbind(1)
        sampled = sampled.masked_fill_(reduce(torch.logical_or, [c == drawn.indices for c in columns]), -torch.inf)
    return SampledLogits(true, exists, sampled, kept, dtype)


def reduced_rows(losses: torch.Tensor, kept: torch.Tensor, dtype: torch.dtype, reduction: str) -> torch.Tensor:
    """Losses (N,) as they are, their sum, or their mean over the rows that are kept, 0 over none."""
    losses = losses.masked_fill(~kept, 0.0)
    if reduction == "none":
        return losses.to(dtype)
    total = wide_sum(losses)
    if reduction == "mean":
        total = total / kept.sum().clamp(min=1)
    return total.to(dtype)

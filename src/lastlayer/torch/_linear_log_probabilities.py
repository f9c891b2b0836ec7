"""Log-probabilities of a linear head, a tile of its logits at a time: what every loss of such a head is made of.

Forward keeps a few numbers of each row; backward, in _linear_gradients.py, computes the logits again.
"""

from typing import Any, NamedTuple

import torch
from torch import _C
from torch._C._functorch import is_legacy_batchedtensor
from torch.compiler import is_compiling

from lastlayer.torch._composed_gradients import composed_gradients
from lastlayer.torch._linear_gradients import gradients
from lastlayer.torch._logit_tiles import (
    HALF,
    Head,
    Memory,
    added,
    blocks,
    bytes_of_a_logit,
    finite_top,
    index_in,
    logits_of,
    rows_of_block,
    tile_of_logits,
    top_and_total,
    weights_of_tile,
    without_autocast,
)
from lastlayer.torch._tiles import tile_sizes


class RowLogProbabilities(NamedTuple):
    """Numbers of each row and position, (N, P), float32 of half precision.

    Attributes:
      logsumexp: of the logits.
      of_target: log p of the label, or sum_k w_k t_k log p_k of probabilities t.
      of_all: sum_k w_k log p_k, or zeros if that was not asked for.
    """

    logsumexp: torch.Tensor
    of_target: torch.Tensor
    of_all: torch.Tensor


class RowSums(NamedTuple):
    """Sums over classes for each row and position, (N, P), out of which its log-probabilities are found.

    Attributes:
      top: the largest logit.
      total: sum_k exp(z_k - top).
      of_target: the logit of the label, or sum_k w_k t_k z_k of probabilities t.
      of_all: sum_k w_k z_k, or zeros if that was not asked for.
      mass: sum_k w_k t_k of probabilities, zeros of labels.
    """

    top: torch.Tensor
    total: torch.Tensor
    of_target: torch.Tensor
    of_all: torch.Tensor
    mass: torch.Tensor


def tiled_log_probabilities(
    input: torch.Tensor, head: Head, target: torch.Tensor, class_weight: torch.Tensor | None, *, all_classes: bool
) -> RowLogProbabilities:
    """Of (N, D) rows without an array of N x K: target is (N, P) labels in 0..K-1 or (N, K, P) probabilities.

    Differentiable in input, weight, bias and probabilities, to any order; second derivatives form the logits.
    """
    return RowLogProbabilities(
        *_Tiled.apply(input, head.weight, head.bias, target, class_weight, head[2:], all_classes)
    )


def composed_log_probabilities(
    input: torch.Tensor, head: Head, target: torch.Tensor, class_weight: torch.Tensor | None, *, all_classes: bool
) -> RowLogProbabilities:
    """The same composed of PyTorch's operators on all logits, for all that is done to them."""
    z = logits_of(input, head)
    log_p = z.log_softmax(1)
    lse = z.logsumexp(1)
    weights = None if class_weight is None else class_weight.to(z.dtype).reshape(1, -1, 1)
    if target.is_floating_point():
        wide = target.to(z.dtype)
        weighted = wide if weights is None else wide * weights
        of_target = (log_p.masked_fill((weighted == 0) & log_p.isinf(), 0.0) * weighted).sum(1)
    else:
        of_target = log_p.gather(1, target.unsqueeze(1)).squeeze(1)
    if not all_classes:
        of_all = torch.zeros_like(lse)
    elif weights is None:
        of_all = log_p.sum(1)
    else:
        of_all = (log_p.masked_fill((weights == 0) & log_p.isinf(), 0.0) * weights).sum(1)
    return RowLogProbabilities(lse, of_target, of_all)


class _Tiled(torch.autograd.Function):
    """Inputs and outputs as in `tiled_log_probabilities`, the head as its tensors and its rest."""

    @staticmethod
    def forward(
        input: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        target: torch.Tensor,
        class_weight: torch.Tensor | None,
        rest: tuple[int, float | None],
        all_classes: bool,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        head = Head(weight, bias, *rest)
        sums = row_sums(input, head, target, class_weight, all_classes=all_classes)
        all_weight = sum_of_weights(head.num_classes, class_weight, sums.total.dtype) if all_classes else None
        return of_sums(sums, all_weight, labels=not target.is_floating_point())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        *tensors, rest, all_classes = inputs
        ctx.save_for_backward(*tensors, *output)
        ctx.rest, ctx.all_classes = rest, all_classes

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        *tensors, lse, of_target, _of_all = ctx.saved_tensors
        if not is_compiling() and (torch.is_grad_enabled() or _is_transformed(*upstream)):

            def composed(input, weight, bias, target, class_weight):
                head = Head(weight, bias, *ctx.rest)
                return composed_log_probabilities(input, head, target, class_weight, all_classes=ctx.all_classes)

            with without_autocast(tensors[0]):
                found = composed_gradients(composed, tensors, ctx.needs_input_grad[:5], upstream)[:4]
        else:
            input, weight, bias, target, class_weight = tensors
            options = {"all_classes": ctx.all_classes, "needed": ctx.needs_input_grad}
            with without_autocast(input):
                head = Head(weight, bias, *ctx.rest)
                of_input, *others = gradients(input, head, target, class_weight, lse, of_target, upstream, **options)
                found = (None if of_input is None else of_input.to(input.dtype), *others)
        return (*found, None, None, None)


def _is_transformed(*tensors):
    return _C._are_functorch_transforms_active() or any(map(is_legacy_batchedtensor, tensors))


def row_sums(
    input: torch.Tensor, head: Head, target: torch.Tensor, class_weight: torch.Tensor | None, *, all_classes: bool
) -> RowSums:
    """The sums of (N, D) rows over the classes of a head, tile by tile. Labels outside 0..K-1 add nothing to them."""
    memory = None if is_compiling() else Memory()
    size = bytes_of_a_logit(input, head, target, all_classes=all_classes)
    rows, classes = tile_sizes(
        input.shape[0], *head.sizes, input.device, compiled=memory is None, bytes_of_a_logit=size
    )
    found = []
    with without_autocast(input):
        for first, last in blocks(input.shape[0], rows):
            some = rows_of_block(first, last, rows)
            found.append(_of_rows(some(input), some(target), head, class_weight, all_classes, classes, memory))
    return found[0] if len(found) == 1 else RowSums(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def of_sums(sums: RowSums, all_weight: float | torch.Tensor | None, *, labels: bool) -> RowLogProbabilities:
    """The results, out of sums over all classes, whose weights sum to `all_weight`: None if of_all is not asked for."""
    # Two subtractions, since top may be large; the label's logit is from the same products, so log p <= 0.
    base, log_total = finite_top(sums.top), sums.total.log()
    lse = base + log_total
    of_target = (sums.of_target - base) - log_total if labels else sums.of_target - sums.mass * lse
    return RowLogProbabilities(lse, of_target, sums.of_all if all_weight is None else sums.of_all - all_weight * lse)


def sum_of_weights(num_classes: int, class_weight: torch.Tensor | None, dtype: torch.dtype) -> float | torch.Tensor:
    """The sum of the weights of all classes, 1 each if there are none."""
    return num_classes if class_weight is None else class_weight.to(dtype).sum()


def losses_of(
    log_p: RowLogProbabilities,
    num_classes: int,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    smoothing: float,
    z_loss: float,
) -> torch.Tensor:
    """Losses (N, P) against labels, none of them ignored, or probabilities (N, K, P), of numbers of each row."""
    losses = -log_p.of_target
    if weight is not None and not target.is_floating_point():
        of_label = weight.to(losses.dtype)[target]
        losses = losses.masked_fill(of_label == 0, 0.0) * of_label  # never 0 times inf
    if smoothing > 0.0:
        losses = (1.0 - smoothing) * losses - smoothing / num_classes * log_p.of_all
    return losses + z_loss * log_p.logsumexp**2 if z_loss else losses


def _of_rows(input, target, head, class_weight, all_classes, classes, memory):
    """The sums of a block of rows."""
    probabilities = target.is_floating_point()
    dtype = torch.float32 if input.dtype in HALF else input.dtype
    shape = (input.shape[0], head.positions)
    top = torch.full(shape, -torch.inf, dtype=dtype, device=input.device)
    total, of_target, of_all, mass = (torch.zeros(shape, dtype=dtype, device=input.device) for _ in range(4))
    for first, last in blocks(head.num_classes, classes):
        z = tile_of_logits(input, head.of_classes(first, last), memory)
        weights = weights_of_tile(class_weight, first, last, dtype)
        if probabilities:
            weighted = target[:, first:last].to(dtype)
            weighted = weighted if weights is None else weighted * weights
            of_target += (z * weighted).masked_fill_(weighted == 0, 0.0).sum(1)
            mass += weighted.sum(1)
        else:
            index, inside = index_in(target, first, last)
            of_target = torch.where(inside, z.gather(1, index).squeeze(1), of_target)
        if all_classes:
            of_all += z.sum(1) if weights is None else (z * weights).masked_fill_(weights == 0, 0.0).sum(1)
        top, total = added(top, total, *top_and_total(z))
    return RowSums(top, total, of_target, of_all, mass)

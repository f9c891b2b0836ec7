"""Log-probabilities of a linear head whose classes many processes hold, each of them seeing all rows.

Forward is two collectives, of the largest logits (N,) and of the sums (2 N, or 3 N with label smoothing), backward one,
of the features' gradient (N, D). Each process computes what concerns its classes a tile of logits at a time.
"""

from typing import Any

import torch

from lastlayer.torch._class_shard import ClassShard
from lastlayer.torch._collectives import largest, shared, sum_of_parts, summed
from lastlayer.torch._composed_gradients import composed_gradients
from lastlayer.torch._linear_gradients import gradients
from lastlayer.torch._linear_log_probabilities import (
    RowLogProbabilities,
    RowSums,
    of_sums,
    row_sums,
    sum_of_weights,
)
from lastlayer.torch._logit_tiles import Head, finite_top, index_in, logits_of, without_autocast


def sharded_log_probabilities(
    input: torch.Tensor,
    head: Head,
    target: torch.Tensor,
    class_weight: torch.Tensor | None,
    shard: ClassShard,
    *,
    all_classes: bool,
) -> RowLogProbabilities:
    """Of (N, D) rows, alike on all processes, and labels (N, 1) in 0..K-1; the head is that of the shard.

    Differentiable in input, weight and bias, to any order; second derivatives form the shard's logits. The weights (K,)
    are those of all classes.
    """
    return RowLogProbabilities(
        *_Sharded.apply(input, head.weight, head.bias, target, class_weight, head[2:], shard, all_classes)
    )


class _Sharded(torch.autograd.Function):
    """Inputs and outputs as in `sharded_log_probabilities`, the head as its tensors and its rest."""

    @staticmethod
    def forward(
        ctx: Any,
        input: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        target: torch.Tensor,
        class_weight: torch.Tensor | None,
        rest: tuple[int, float | None],
        shard: ClassShard,
        all_classes: bool,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        head, here = Head(weight, bias, *rest), _part(class_weight, shard)
        found = row_sums(input, head, target - shard.first, here, all_classes=all_classes)
        top = largest(found.top, shard.group)
        parts = [found.total * (found.top - finite_top(top)).exp(), found.of_target]
        sums = summed(torch.stack([*parts, found.of_all] if all_classes else parts), shard.group)
        all_weight = sum_of_weights(shard.num_classes, class_weight, top.dtype) if all_classes else None
        of_all = sums[2] if all_classes else found.of_all
        results = of_sums(RowSums(top, sums[0], sums[1], of_all, found.mass), all_weight, labels=True)
        ctx.save_for_backward(input, weight, bias, target, class_weight, *results)
        ctx.rest, ctx.shard, ctx.all_classes = rest, shard, all_classes
        return results

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        *tensors, lse, of_target, _of_all = ctx.saved_tensors
        input, weight, bias, target, class_weight = tensors
        shard, needed = ctx.shard, ctx.needs_input_grad
        with without_autocast(input):
            if torch.is_grad_enabled():

                def composed(input, weight, bias, target, class_weight):
                    head = Head(weight, bias, *ctx.rest)
                    return _composed(input, head, target, class_weight, shard, all_classes=ctx.all_classes)

                return *composed_gradients(composed, tensors, needed[:5], upstream), None, None, None
            head, here = Head(weight, bias, *ctx.rest), _part(class_weight, shard)
            if shard.size:
                # Of all classes' log-probabilities, whose normaliser has the weights of other shards too.
                a, b, c = upstream
                if ctx.all_classes:
                    a = a - c * (
                        sum_of_weights(shard.num_classes, class_weight, lse.dtype)
                        - sum_of_weights(shard.size, here, lse.dtype)
                    )
                options = {"all_classes": ctx.all_classes, "needed": (*needed[:3], False)}
                of_input, of_weight, of_bias, _ = gradients(
                    input, head, target - shard.first, here, lse, of_target, (a, b, c), **options
                )
            else:
                of_input = torch.zeros_like(input, dtype=lse.dtype) if needed[0] else None
                of_weight, of_bias = torch.zeros_like(weight), None if bias is None else torch.zeros_like(bias)
            if of_input is not None:
                of_input = summed(of_input, shard.group).to(input.dtype)
        return of_input, of_weight, of_bias, None, None, None, None, None


def _composed(input, head, target, class_weight, shard, *, all_classes):
    """The same composed of differentiable operators, with the logits (N, shard) of this process."""
    z = logits_of(shared(input, shard.group), head)
    with torch.no_grad():
        tops = z.amax(1) if shard.size else z.new_full((z.shape[0], z.shape[2]), -torch.inf)
    top = largest(tops, shard.group)
    total = (z - finite_top(top).unsqueeze(1)).exp().sum(1)
    if shard.size:
        index, inside = index_in(target, shard.first, shard.last)
        of_target = z.gather(1, index).squeeze(1).masked_fill(~inside, 0.0)
    else:
        of_target = torch.zeros_like(total)
    parts = [total, of_target]
    if all_classes:
        here = _part(class_weight, shard)
        weights = None if here is None else here.to(z.dtype).reshape(1, -1, 1)
        of_all = z if weights is None else z.masked_fill((weights == 0) & z.isinf(), 0.0) * weights
        parts.append(of_all.sum(1))
    sums = sum_of_parts(torch.stack(parts), shard.group)
    all_weight = sum_of_weights(shard.num_classes, class_weight, z.dtype) if all_classes else None
    none = torch.zeros_like(top)
    return of_sums(RowSums(top, sums[0], sums[1], sums[2] if all_classes else none, none), all_weight, labels=True)


def _part(class_weight, shard):
    """The weights of the shard's classes."""
    return None if class_weight is None else class_weight[shard.first : shard.last]

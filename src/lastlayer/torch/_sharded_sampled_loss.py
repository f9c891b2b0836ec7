"""Sampled softmax over classes that many processes hold: each draws from its own, and all take part in every loss."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer.samplers import Uniform
from lastlayer.torch._class_shard import ClassShard
from lastlayer.torch._collectives import largest, shared, sum_of_parts
from lastlayer.torch._logit_tiles import HALF, Head, finite_top, without_autocast

# What the seed is continued with: other numbers are those of the head's own draws.
_STREAM = 2


class ShardCandidates(NamedTuple):
    """Classes of a shard to score as negatives: `indices` (S,) counted from its first class.

    log_expected_count: the logarithm of how often each class of the shard is expected among them.
    """

    indices: torch.Tensor
    log_expected_count: float


def drawn_candidates(draws: torch.Tensor, num_candidates: int, shard: ClassShard) -> ShardCandidates:
    """Distinct classes of the shard, each as likely as any other, and one more in the number of draws.

    `draws` is (2,): the seed of all processes, and how often they have drawn. What comes depends on nothing else.
    """
    seed, number = draws.tolist()
    draws[1] += 1
    count = candidates_of_shard(num_candidates, shard)
    if count == shard.size:
        return ShardCandidates(torch.arange(count, device=draws.device), 0.0)
    rng = np.random.default_rng((seed, _STREAM, number, shard.first))
    drawn = Uniform(shard.size).sample(count, rng)
    return ShardCandidates(torch.from_numpy(drawn.indices).to(draws.device), float(drawn.log_expected_count[0]))


def candidates_of_shard(num_candidates: int, shard: ClassShard) -> int:
    """How many of S candidates a shard draws: a part like that of its classes, and one at least."""
    most = min(num_candidates, shard.num_classes)
    part = most * shard.last // shard.num_classes - most * shard.first // shard.num_classes
    return min(shard.size, max(1, part))


def sharded_sampled_losses(
    input: torch.Tensor,
    head: Head,
    target: torch.Tensor,
    candidates: ShardCandidates,
    shard: ClassShard,
) -> torch.Tensor:
    """The losses (N,) of rows (N, D), alike on all processes, against labels (N,), over these and candidates.

    Composed of PyTorch's operators; half precision is taken to float32 from the logits on. Two collectives forward and
    one backward.

    Args:
      input: (N, D).
      head: the classes of the shard.
      target: labels in 0..K-1.
      candidates: of this process.
      shard: what this process holds.
    """
    with without_autocast(input):
        rows = shared(input, shard.group)
        inside = (target >= shard.first) & (target < shard.last)
        labels = (target - shard.first).masked_fill(~inside, 0)
        true, others = _logits(rows, head, labels, candidates.indices, shard)
        true = (true - candidates.log_expected_count).masked_fill(~inside, 0.0)
        hits = (labels.unsqueeze(1) == candidates.indices) & inside.unsqueeze(1)
        others = (others - candidates.log_expected_count).masked_fill(hits, -torch.inf)
        with torch.no_grad():
            tops = others.amax(1) if others.shape[1] else torch.full_like(true, -torch.inf)
        base = finite_top(largest(tops, shard.group))
        total, true = sum_of_parts(torch.stack([(others - base.unsqueeze(1)).exp().sum(1), true]), shard.group)
        # ln(1 + the others' sum / the label's): the gradient of the label's logit is then a sum of the others' alone.
        nothing = total == 0
        ratio = (base - true).masked_fill(nothing, 0.0) + total.masked_fill(nothing, 1.0).log()
        losses = torch.logaddexp(torch.zeros_like(ratio), ratio).masked_fill(nothing, 0.0)
        return losses.masked_fill(true.isposinf() | (nothing & ~true.isfinite()), torch.nan)


def _logits(rows, head, labels, candidates, shard):
    """Those of labels (N,) and candidates (N, S), without correction, float32 at least."""
    dtype = torch.float32 if rows.dtype in HALF else rows.dtype
    if not shard.size:  # nothing, but it depends on the rows, for whose gradient all processes wait
        others = F.linear(rows, head.weight, head.bias).to(dtype)
        return others.sum(1), others
    classes = torch.cat([labels, candidates])
    scored = F.embedding(classes, head.weight)  # one look-up, so that there is one gradient
    true = (rows.to(dtype) * scored[: len(labels)].to(dtype)).sum(1)
    others = F.linear(rows, scored[len(labels) :]).to(dtype)
    if head.bias is not None:
        biases = head.bias[classes].to(dtype)
        true, others = true + biases[: len(labels)], others + biases[len(labels) :]
    return true, others

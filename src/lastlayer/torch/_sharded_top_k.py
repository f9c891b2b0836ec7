"""The most probable classes of a head that is spread over processes: each finds its own, and all see all of them."""

import torch
from torch import distributed

from lastlayer.torch._class_shard import ClassShard
from lastlayer.torch._logit_tiles import Head
from lastlayer.torch._streamed_top_k import TopK, TopScores, probable, top_scores


def sharded_top_k(input: torch.Tensor, head: Head, k: int, shards: list[ClassShard], process: int) -> TopK:
    """The k most probable classes of rows (N, D) that are alike on all processes; the head is that of the shard.

    Two collectives, which bring k numbers of each row from every process. Of equal logits the lower index comes first;
    probabilities are float32 at least.
    """
    shard = shards[process]
    rows = input.shape[0]
    wide = input.new_full((rows, k + 1), -torch.inf, dtype=torch.float64)  # logits, and log_sum
    indices = torch.zeros(rows, k, dtype=torch.int64, device=input.device)
    if shard.size:
        found = top_scores(input, head.weight, head.bias, min(k, shard.size), head.soft_cap)
        wide[:, : found.logits.shape[1]], wide[:, k] = found.logits, found.log_sum
        indices[:, : found.indices.shape[1]] = found.indices + shard.first
    all_wide, all_indices = ([torch.empty_like(tensor) for _ in shards] for tensor in (wide, indices))
    distributed.all_gather(all_wide, wide, shard.group)
    distributed.all_gather(all_indices, indices, shard.group)
    widths = [min(k, of_process.size) for of_process in shards]
    logits = torch.cat([part[:, :width] for part, width in zip(all_wide, widths, strict=True)], 1)
    classes = torch.cat([part[:, :width] for part, width in zip(all_indices, widths, strict=True)], 1)
    # Of equals those of earlier processes have the lower indices.
    logits, order = logits.sort(dim=1, descending=True, stable=True)
    log_sum = torch.stack([part[:, k] for part in all_wide], 1).logsumexp(1)
    dtype = input.dtype if input.dtype == torch.float64 else torch.float32
    best = TopScores(classes.gather(1, order)[:, :k], logits[:, :k].to(dtype), log_sum)
    return probable(best, dtype)

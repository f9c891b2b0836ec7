"""linear_softmax_statistics of tensors: how sure a linear head is of each row, without an array of all its logits."""

from typing import NamedTuple

import torch
from torch.compiler import is_compiling

from lastlayer.torch._arguments import refuse_arrays
from lastlayer.torch._linear_head import checked_head, checked_soft_cap
from lastlayer.torch._logit_tiles import (
    HALF,
    Head,
    Memory,
    blocks,
    finite_top,
    rows_of_block,
    tile_of_logits,
    without_autocast,
)
from lastlayer.torch._tiles import tile_sizes


class LinearSoftmaxStatistics(NamedTuple):
    """Of each row, and of each position of a head that has more than one.

    Attributes:
      logsumexp: ln sum_k exp z_k; float32 of half precision.
      predicted: the class of the largest logit, int64, the first of equals; of a row with NaN one of those.
      entropy: -sum_k p_k ln p_k in nats, from 0 to ln K; float32 of half precision.
    """

    logsumexp: torch.Tensor
    predicted: torch.Tensor
    entropy: torch.Tensor


def linear_softmax_statistics(
    input: torch.Tensor,
    linear_weight: torch.Tensor,
    *,
    linear_bias: torch.Tensor | None = None,
    soft_cap: float | None = None,
) -> LinearSoftmaxStatistics:
    """Log-sum-exp, predicted label and entropy of the softmax of a linear head, in nats, without an array of N x K.

    The logits are those of `linear_cross_entropy`, a tile at a time. No gradient flows through the results.

    Args:
      input: (N, D) features, or (D,) of a single example.
      linear_weight: (K, D), or (K, d_1, ..., D).
      linear_bias: (K, d_1, ...) or None; -inf marks a class as impossible.
      soft_cap: a number that turns logits into soft_cap tanh(z / soft_cap).
    Returns: three tensors (N, d_1, ...).

    Raises:
      ValueError: if shapes or the cap do not fit.
      TypeError: if an argument is a NumPy array, or dtypes do not fit.

    >>> import torch
    >>> found = linear_softmax_statistics(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0], [0.0, 1.0]]))
    >>> found.predicted.item(), round(found.entropy.item(), 6)
    (0, 0.693147)
    """
    refuse_arrays(input=input, linear_weight=linear_weight, linear_bias=linear_bias)
    rows, head = checked_head(input, linear_weight, linear_bias, checked_soft_cap(soft_cap))
    shape = (*input.shape[:-1], *linear_weight.shape[1:-1])
    with torch.no_grad():
        found = _statistics(rows, head)
    return LinearSoftmaxStatistics(*(tensor.reshape(shape) for tensor in found))


def _statistics(input: torch.Tensor, head: Head) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-sum-exp, the first class of the largest logit, and the entropy of (N, D) rows: each (N, P)."""
    compiled = is_compiling()
    memory = None if compiled else Memory()
    rows, classes = tile_sizes(input.shape[0], *head.sizes, input.device, compiled=compiled)
    dtype = torch.float32 if input.dtype in HALF else input.dtype
    found = []
    with without_autocast(input):
        for first, last in blocks(input.shape[0], rows):
            some = rows_of_block(first, last, rows)(input)
            shape = (some.shape[0], head.positions)
            top = torch.full(shape, -torch.inf, dtype=dtype, device=input.device)
            total, mean = (torch.zeros(shape, dtype=dtype, device=input.device) for _ in range(2))
            predicted = torch.zeros(shape, dtype=torch.int64, device=input.device)
            for start, stop in blocks(head.num_classes, classes):
                z = tile_of_logits(some, head.of_classes(start, stop), memory)
                tile_top, where = z.max(1)
                predicted = torch.where(tile_top <= top, predicted, where + start)
                new = torch.maximum(top, tile_top)
                base, old = finite_top(new), finite_top(top)
                z.sub_(base.unsqueeze(1))
                p = z.exp()
                # With q_k = exp(z_k - base), the entropy is ln sum q - sum q (z - base) / sum q.
                scale = (top - base).exp()
                weighted = (z * p).masked_fill_(p == 0, 0.0).sum(1)
                mean = scale * (mean + (old - base) * total) + weighted
                total = scale * total + p.sum(1)
                top = new
            log_total = total.log()
            found.append((finite_top(top) + log_total, predicted, (log_total - mean / total).clamp(min=0.0)))
    if len(found) == 1:
        return found[0]
    return tuple(torch.cat(parts) for parts in zip(*found, strict=True))  # pyright: ignore[reportReturnType]

"""The most probable classes of a linear head, tile by tile: neither all logits nor all probabilities are formed."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer.decision import linear_top_k
from lastlayer.torch.fast_path import borrow_threads, takes_linear

# Rows and logits of a tile, and neighbours whose largest stands for them.
_ROWS, _LOGITS, _GROUP = 512, 1 << 19, 32


class TopK(NamedTuple):
    """`indices` (N, k) int64 and `probabilities` (N, k), most probable class first."""

    indices: torch.Tensor
    probabilities: torch.Tensor


def streamed_top_k(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, k: int) -> TopK:
    """The k most probable classes of each row under softmax(x W' + b) and their probabilities over all classes.

    Of equal logits the lower index comes first. Memory is that of a tile and of the result. Sums of tiles are
    added in float64, and half precision is taken to float32. Rows with NaN have NaN for probabilities.

    Args:
      input: (N, D).
      weight: (K, D).
      bias: (K,) or None.
      k: 1 to K.

    Raises: ValueError or TypeError if `k` or a shape does not fit.
    """
    check_top_k(input, weight.shape[0], weight.shape[1], k)
    if takes_linear(input, weight, bias):
        borrow_threads()
        shift = None if bias is None else bias.detach().numpy()
        found = linear_top_k(input.detach().numpy(), weight.detach().numpy(), k, bias=shift)
        return TopK(*map(torch.from_numpy, found))
    return probable(top_scores(input, weight, bias, k), input.dtype)


def check_top_k(input: torch.Tensor, num_classes: int, num_features: int, k: object) -> None:
    """Raise ValueError or TypeError if `k` or the shape of the features does not fit."""
    if isinstance(k, bool) or not isinstance(k, int):
        raise TypeError(f"k: received {k!r}, expected a whole number from 1 to {num_classes}.")
    if not 1 <= k <= num_classes:
        raise ValueError(f"k: received {k}, expected 1 to {num_classes}, the number of classes.")
    if input.dim() != 2 or input.shape[1] != num_features:
        raise ValueError(f"input: shape is {tuple(input.shape)}, expected (N, {num_features}).")


class TopScores(NamedTuple):
    """`indices` (N, k) and `logits` (N, k), largest first, and `log_sum` (N,) of all classes in float64."""

    indices: torch.Tensor
    logits: torch.Tensor
    log_sum: torch.Tensor


def top_scores(
    input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, k: int, soft_cap: float | None = None
) -> TopScores:
    """What `streamed_top_k` makes its answer of, without checks, by PyTorch's operators; logits are capped."""
    dtype = input.dtype if input.dtype == torch.float64 else torch.float32
    indices = torch.empty(input.shape[0], k, dtype=torch.int64, device=input.device)
    logits = torch.empty(input.shape[0], k, dtype=dtype, device=input.device)
    log_sum = torch.empty(input.shape[0], dtype=torch.float64, device=input.device)
    with torch.no_grad():
        for start in range(0, input.shape[0], _ROWS):
            rows = slice(start, start + _ROWS)
            indices[rows], logits[rows], log_sum[rows] = _of_rows(input[rows], weight, bias, k, soft_cap, dtype)
    return TopScores(indices, logits, log_sum)


def probable(found: TopScores, dtype: torch.dtype) -> TopK:
    """Classes and their probabilities, rounded to the dtype of the logits and then to that of the features."""
    probabilities = (found.logits.double() - found.log_sum.unsqueeze(1)).exp().to(found.logits.dtype)
    return TopK(found.indices, probabilities.to(dtype))


def _of_rows(input, weight, bias, k, soft_cap, dtype):
    width = max(k, _LOGITS // input.shape[0] // _GROUP * _GROUP)
    log_sum = torch.full(input.shape[:1], -torch.inf, dtype=torch.float64, device=input.device)
    best, indices = (torch.empty(input.shape[0], 0, dtype=t, device=input.device) for t in (dtype, torch.int64))
    for start in range(0, weight.shape[0], width):
        classes = slice(start, start + width)
        logits = F.linear(input, weight[classes], None if bias is None else bias[classes]).to(dtype)
        logits = logits if soft_cap is None else logits.div_(soft_cap).tanh_().mul_(soft_cap)
        top = logits.amax(1, keepdim=True)
        if start == 0:
            best, indices = _largest(logits, k)
        else:
            # Few rows, after the first tiles; of equals those of earlier tiles have the lower indices.
            rows = (top.squeeze(1) > best[:, -1]).nonzero().squeeze(1)
            if rows.numel():
                values, places = _largest(logits[rows], min(k, logits.shape[1]))
                values, order = torch.cat([best[rows], values], 1).sort(dim=1, descending=True, stable=True)
                places = torch.cat([indices[rows], places + start], 1).gather(1, order)
                best[rows], indices[rows] = values[:, :k], places[:, :k]
        # Of a row of -inf alone, differences would be NaN.
        top = top.masked_fill_(top == -torch.inf, 0.0)
        of_tile = logits.sub_(top).exp_().sum(1).double().log() + top.squeeze(1)
        log_sum = torch.logaddexp(log_sum, of_tile)
    return indices, best, log_sum


def _largest(logits, k):
    """The k largest logits of each row and their places, descending; of equals the first.

    Each of the k groups whose largest is largest holds one that comes before whatever the other groups hold.
    """
    num_groups = logits.shape[1] // _GROUP
    if logits.shape[1] % _GROUP or num_groups <= k:
        return _first_of_equals(logits, k)
    groups = _first_of_equals(logits.view(-1, num_groups, _GROUP).amax(2), k)[1].sort(dim=1).values
    places = (groups.unsqueeze(2) * _GROUP + torch.arange(_GROUP, device=logits.device)).flatten(1)
    values, chosen = _first_of_equals(logits.gather(1, places), k)
    return values, places.gather(1, chosen)


def _first_of_equals(logits, k):
    """torch.topk, but of equal logits the lower index is chosen and comes first; topk itself promises neither."""
    values, places = logits.topk(k, dim=1)
    places, order = places.sort(dim=1)
    values, by_value = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    places = places.gather(1, by_value)
    crowded = (logits >= values[:, -1:]).sum(1) > k  # more than k reach the last place
    if crowded.any():
        every, order = logits[crowded].sort(dim=1, descending=True, stable=True)
        values[crowded], places[crowded] = every[:, :k], order[:, :k]
    return values, places

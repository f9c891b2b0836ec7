"""Tiles of the logits of a linear head, some rows and some classes, and what is found out of them one after another."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch.compiler import is_compiling

from lastlayer.torch._tiles import BYTES_OF_A_LOGIT, BYTES_OF_A_WIDE_LOGIT, rows_in_cache

HALF = (torch.bfloat16, torch.float16)


class Head(NamedTuple):
    """A linear layer whose logits are cap tanh(z / cap) if there is a cap: row i of class k at position p is z_ikp.

    Attributes:
      weight: (K P, D), the positions of a class side by side.
      bias: (K P,) or None.
      positions: P, over each of which there is a softmax of its own; 1 of an ordinary head.
      soft_cap: the cap, or None.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    positions: int
    soft_cap: float | None

    @property
    def num_classes(self) -> int:
        """K."""
        return self.weight.shape[0] // self.positions

    @property
    def sizes(self) -> tuple[int, int]:
        """K and P."""
        return self.num_classes, self.positions

    def of_classes(self, first: int, last: int) -> "Head":
        """The part for some of the classes."""
        rows = slice(first * self.positions, last * self.positions)
        return self._replace(weight=self.weight[rows], bias=None if self.bias is None else self.bias[rows])


def logits_of(input: torch.Tensor, head: Head) -> torch.Tensor:
    """(N, K, P) logits: products in the dtype of the input, taken to float32 if that is half precision."""
    return _widened(F.linear(input, head.weight, head.bias), head, None)


class Memory:
    """Arrays that are filled again for every tile; fresh ones of each size would cost more than the arithmetic."""

    def __init__(self):
        self._arrays: dict[str, torch.Tensor] = {}

    def array(self, name: str, shape: tuple[int, ...], like: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The array of that name, in that shape, with whatever it holds."""
        size = math.prod(shape)
        kept = self._arrays.get(name)
        if kept is None or kept.numel() < size:
            kept = self._arrays[name] = torch.empty(size, dtype=dtype, device=like.device)
        return kept[:size].view(shape)


def tile_of_logits(input: torch.Tensor, head: Head, memory: Memory | None) -> torch.Tensor:
    """`logits_of` in memory that is filled again, to be changed by the caller; of wide products in float32 at once."""
    if memory is None:
        return logits_of(input, head)
    wide = has_wide_products(input)
    dtype = torch.float32 if wide else input.dtype
    product = memory.array("product", (input.shape[0], head.weight.shape[0]), input, dtype)
    if wide:
        write_wide_product(product, input, head.weight.t())
        product = product if head.bias is None else product.add_(head.bias)
    elif head.bias is None:
        torch.mm(input, head.weight.t(), out=product)
    else:
        torch.addmm(head.bias, input, head.weight.t(), out=product)
    return _widened(product, head, memory)


def _widened(product, head, memory):
    if product.dtype in HALF:
        if memory is None:
            product = product.float()
        else:
            product = memory.array("logits", tuple(product.shape), product, torch.float32).copy_(product)
    z = product.reshape(product.shape[0], head.num_classes, head.positions)
    if head.soft_cap is None:
        return z
    if memory is None:
        return (z / head.soft_cap).tanh() * head.soft_cap
    return z.div_(head.soft_cap).tanh_().mul_(head.soft_cap)


def top_and_total(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest of (N, K, P) logits and sum_k exp(z_k - largest), 0 where all are -inf. Overwrites z."""
    if has_fused_rows(z):
        # Two passes over memory in place of six: log_softmax reads a row, and what it writes is read in the cache. The
        # largest of it is -log(total).
        rows = rows_in_cache(math.prod(z.shape[1:]) * z.element_size())
        log_p = torch.cat([part.log_softmax(1).amax(1) for part in z.split(rows)])
        top = z.amax(1)
        return top, log_p.neg_().exp_().masked_fill_(top == -torch.inf, 0.0)
    top = z.amax(1)
    return top, z.sub_(finite_top(top).unsqueeze(1)).exp_().sum(1)


def has_fused_rows(tensor: torch.Tensor) -> bool:
    """Whether a device's time goes into passes over memory, of which its log_softmax and its conversions save some."""
    return tensor.is_cuda and not is_compiling()


def has_wide_products(tensor: torch.Tensor) -> bool:
    """Whether products of half precision are written, and summed, in float32: on CUDA, since PyTorch 2.8."""
    return (
        tensor.dtype in HALF
        and has_fused_rows(tensor)
        and torch.version.cuda is not None
        and "dtype_out" in torch.ops.aten.mm.overloads()
    )


def write_wide_product(result: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """Left @ right of half precision in float32."""
    torch.mm(left, right, out_dtype=result.dtype, out=result)


def add_wide_product(sums: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """Add left @ right of half precision to sums in float32."""
    torch.addmm(sums, left, right, out_dtype=sums.dtype, out=sums)


def bytes_of_a_logit(input: torch.Tensor, head: Head, target: torch.Tensor, *, all_classes: bool) -> int:
    """What a tile takes for each of its logits: less without the arrays beside them that options ask for."""
    plain = head.bias is None and head.soft_cap is None and not all_classes and not target.is_floating_point()
    return BYTES_OF_A_WIDE_LOGIT if plain and has_wide_products(input) else BYTES_OF_A_LOGIT


def finite_top(top: torch.Tensor) -> torch.Tensor:
    """What is subtracted of logits before their exponential: 0 while all of them are -inf."""
    return top.masked_fill(top == -torch.inf, 0.0)


def added(
    top: torch.Tensor, total: torch.Tensor, tile_top: torch.Tensor, tile_total: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """`top_and_total` of two tiles together."""
    new = torch.maximum(top, tile_top)
    base = finite_top(new)
    return new, total * (top - base).exp() + tile_total * (tile_top - base).exp()


def blocks(length: Any, size: int | None) -> list[tuple[Any, Any]]:
    """Firsts and lasts of blocks of that size; None is a single one of all, since `length` may be symbolic."""
    if size is None:
        return [(0, length)]
    return [(first, min(length, first + size)) for first in range(0, length, size)]


def rows_of_block(first: Any, last: Any, size: int | None) -> Callable[[torch.Tensor], torch.Tensor]:
    """What takes those rows of a tensor: all of it if `size` is None."""
    return (lambda tensor: tensor) if size is None else (lambda tensor: tensor[first:last])


def index_in(labels: torch.Tensor, first: int, last: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The labels (N, P) counted from `first`, (N, 1, P), and which of them are in the tile."""
    inside = (labels >= first) & (labels < last)
    return (labels - first).clamp(0, last - first - 1).unsqueeze(1), inside


def weights_of_tile(
    class_weight: torch.Tensor | None, first: int, last: int, dtype: torch.dtype
) -> torch.Tensor | None:
    """The weights of some classes, to be multiplied by (N, K, P)."""
    return None if class_weight is None else class_weight[first:last].to(dtype).reshape(1, -1, 1)


def slope_of_cap(z: torch.Tensor, soft_cap: float) -> torch.Tensor:
    """The derivative of cap tanh(z / cap) where its value is z."""
    return 1.0 - (z / soft_cap).square_()


def without_autocast(tensor: torch.Tensor) -> AbstractContextManager[Any]:
    """Where products are in the dtype of what is multiplied."""
    device = tensor.device.type
    return torch.autocast(device, enabled=False) if autocast_knows(device) else nullcontext()


def autocast_knows(device: str) -> bool:
    """Whether there is autocast for such a device; there is none for meta."""
    return torch.amp.is_autocast_available(device)


def is_autocast(input: torch.Tensor) -> bool:
    """Whether autocast is at work for the device of a tensor."""
    device = input.device.type
    return autocast_knows(device) and torch.is_autocast_enabled(device)

"""Sums over processes that all go on with the same numbers, with their gradients."""

from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def sum_of_parts(parts: torch.Tensor, group: "ProcessGroup") -> torch.Tensor:
    """The sum of a tensor over processes, to which each adds its part and with which all do the same.

    The upstream gradient, alike everywhere, is that of each part. Differentiable to any order.
    """
    return _Summed.apply(parts, group)


def shared(tensor: torch.Tensor, group: "ProcessGroup") -> torch.Tensor:
    """A tensor that is alike on all processes, with which each does something else: its gradient is summed over them.

    Differentiable to any order.
    """
    return _Shared.apply(tensor, group)


def summed(tensor: torch.Tensor, group: "ProcessGroup") -> torch.Tensor:
    """The sum over processes, without gradient; the tensor is left as it is."""
    result = tensor.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(result, distributed.ReduceOp.SUM, group)
    return result


def largest(tensor: torch.Tensor, group: "ProcessGroup") -> torch.Tensor:
    """The largest of each entry over processes, without gradient; a NaN may be passed over."""
    result = tensor.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(result, distributed.ReduceOp.MAX, group)
    return result


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parts: torch.Tensor, group: Any) -> torch.Tensor:
        ctx.group = group
        return summed(parts, group)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        return shared(upstream, ctx.group), None


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor, group: Any) -> torch.Tensor:
        ctx.group = group
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None]:
        return sum_of_parts(upstream, ctx.group), None

"""A torch.nn.Linear whose classes are spread over a mesh: its parameters are DTensors, each process holds its rows."""

import math
from typing import TYPE_CHECKING, Any

import torch

from lastlayer.torch._class_shard import ClassShard
from lastlayer.torch._uniform_rows import fill_uniformly

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.tensor import DTensor


def spread_linear(
    in_features: int,
    shard: ClassShard,
    mesh: "DeviceMesh",
    *,
    bias: bool,
    device: torch.device,
    dtype: torch.dtype | None,
) -> torch.nn.Linear:
    """A module with whatever numbers its memory holds."""
    linear = torch.nn.Linear(in_features, shard.num_classes, bias=bias, device="meta", dtype=dtype)
    for name, parameter in list(linear.named_parameters()):
        rows = torch.empty(shard.size, *parameter.shape[1:], dtype=parameter.dtype, device=device)
        setattr(linear, name, torch.nn.Parameter(_spread(rows, mesh, shard.num_classes)))
    return linear


def fill_linear(linear: torch.nn.Linear, shard: ClassShard, seed: int) -> None:
    """Draw from the distribution of torch.nn.Linear, the same numbers on any number of processes."""
    bound = 1 / math.sqrt(linear.in_features)
    for stream, parameter in enumerate((linear.weight, linear.bias)):
        if parameter is not None:
            fill_uniformly(rows_of(parameter.detach()), shard.first, bound, (seed, stream))


def rows_of(tensor: torch.Tensor) -> torch.Tensor:
    """The rows of a DTensor that this process holds, with their gradient; another tensor as it is."""
    local: Any = tensor
    return local.to_local() if is_spread(tensor) else tensor


def is_spread(value: object) -> bool:
    """Whether it is a DTensor, which need not be imported to say so."""
    return isinstance(value, torch.Tensor) and hasattr(value, "to_local")


def gathered_linear(linear: torch.nn.Linear) -> torch.nn.Linear:
    """A copy of all rows on every process, in an ordinary module."""
    whole = torch.nn.Linear(
        linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta", dtype=linear.weight.dtype
    )
    for name, parameter in linear.named_parameters():
        spread: Any = parameter.detach()
        # A clone, since the DTensor of a single process gives its own memory.
        setattr(whole, name, torch.nn.Parameter(spread.full_tensor().clone()))
    return whole


def spread_state(
    state: dict[str, Any], prefix: str, linear: torch.nn.Linear, shard: ClassShard, mesh: "DeviceMesh"
) -> None:
    """Take this process's rows of ordinary tensors of all classes in a state, so that the parameters can load them."""
    for name, parameter in linear.named_parameters():
        given = state.get(prefix + name)
        if isinstance(given, torch.Tensor) and not is_spread(given) and given.shape == parameter.shape:
            rows = given[shard.first : shard.last].to(rows_of(parameter.detach()))
            state[prefix + name] = _spread(rows, mesh, shard.num_classes)


def _spread(rows: torch.Tensor, mesh: "DeviceMesh", num_classes: int) -> "DTensor":
    """The rows that this process holds as its part of a DTensor of all classes."""
    # Imported here: it takes longer than torch itself, and only those who spread classes need it.
    from torch.distributed.tensor import DTensor, Shard

    shape = torch.Size([num_classes, *rows.shape[1:]])
    stride = torch.empty(shape, device="meta").stride()
    return DTensor.from_local(rows, mesh, [Shard(0)], run_check=False, shape=shape, stride=stride)

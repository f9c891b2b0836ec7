"""What the functions of a linear head ask of their arguments, and which of the two ways computes them."""

import math

import torch
from torch import _C
from torch._C._functorch import is_legacy_batchedtensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad
from torch.compiler import is_compiling

from lastlayer.torch._logit_tiles import Head, is_autocast

_OF_PYTORCH = (torch.Tensor, torch.nn.Parameter, FakeTensor)


def checked_head(
    input: torch.Tensor, linear_weight: torch.Tensor, linear_bias: torch.Tensor | None, soft_cap: float | None
) -> tuple[torch.Tensor, Head]:
    """The rows (N, D) of (D,) or (N, D) features and the head of (K, d_1, ..., D) weights, cast as autocast would.

    Raises: ValueError if shapes do not fit, TypeError for dtypes that differ.
    """
    if input.dim() not in (1, 2):
        raise ValueError(f"input: has {input.dim()} dimensions, expected (N, in_features) or (in_features,).")
    if linear_weight.dim() < 2:
        raise ValueError(
            f"linear_weight: has {linear_weight.dim()} dimensions, expected (num_classes, ..., in_features)."
        )
    if linear_weight.shape[-1] != input.shape[-1]:
        raise ValueError(
            f"linear_weight: has {linear_weight.shape[-1]} features, expected {input.shape[-1]}, as input has."
        )
    if linear_weight.shape[0] == 0:
        raise ValueError("linear_weight: has no classes, expected at least one.")
    if linear_weight.dim() > 2 and input.dim() == 1:
        raise ValueError(
            f"input: has 1 dimension beside linear_weight of shape {tuple(linear_weight.shape)}, expected "
            "(N, in_features)."
        )
    if linear_bias is not None and linear_bias.shape != linear_weight.shape[:-1]:
        raise ValueError(
            f"linear_bias: shape is {tuple(linear_bias.shape)}, expected {tuple(linear_weight.shape[:-1])}, as "
            "linear_weight has it."
        )
    rows = input if input.dim() == 2 else input.unsqueeze(0)
    positions = math.prod(linear_weight.shape[1:-1])
    weight = linear_weight.reshape(-1, linear_weight.shape[-1])
    return cast_head(rows, Head(weight, None if linear_bias is None else linear_bias.reshape(-1), positions, soft_cap))


def cast_head(rows: torch.Tensor, head: Head) -> tuple[torch.Tensor, Head]:
    """Rows and head as autocast would cast them. Raises TypeError for dtypes that differ."""
    tensors = [rows, head.weight, *([] if head.bias is None else [head.bias])]
    if is_autocast(rows):
        dtype = torch.get_autocast_dtype(rows.device.type)
        tensors = [tensor.to(dtype) if tensor.dtype != torch.float64 else tensor for tensor in tensors]
    for name, tensor in zip(("input", "linear_weight", "linear_bias"), tensors, strict=False):
        if not tensor.is_floating_point() or tensor.dtype != tensors[0].dtype:
            raise TypeError(
                f"{name}: dtype is {tensor.dtype}, expected one floating-point dtype of input, linear_weight and "
                "linear_bias; convert it with .to(), or use autocast."
            )
    return tensors[0], head._replace(weight=tensors[1], bias=tensors[2] if len(tensors) > 2 else None)


def checked_soft_cap(soft_cap: object) -> float | None:
    """The cap as a float > 0, or None. Raises TypeError or ValueError otherwise."""
    if soft_cap is None:
        return None
    if isinstance(soft_cap, bool) or not isinstance(soft_cap, (int, float)):
        raise TypeError(f"soft_cap: received {soft_cap!r}, expected a number greater than 0, or None.")
    if not 0 < soft_cap < math.inf:
        raise ValueError(f"soft_cap: received {soft_cap!r}, expected a finite number greater than 0, or None.")
    return float(soft_cap)


def checked_z_loss(z_loss: object) -> float:
    """The factor as a float >= 0. Raises TypeError or ValueError otherwise."""
    if isinstance(z_loss, bool) or not isinstance(z_loss, (int, float)):
        raise TypeError(f"z_loss: received {z_loss!r}, expected a number of at least 0.")
    if not 0.0 <= z_loss < math.inf:
        raise ValueError(f"z_loss: received {z_loss!r}, expected a finite number of at least 0.")
    return float(z_loss)


def takes_tiles(*tensors: torch.Tensor | None) -> bool:
    """Whether tiles serve: dense tensors of PyTorch's own on any device, also of a compiler or an exporter.

    Subclasses, torch.func, forward mode and torch.jit get the composition of operators on all logits, which they know.
    """
    given = [tensor for tensor in tensors if tensor is not None]
    if not all(type(t) in _OF_PYTORCH and t.layout is torch.strided for t in given):
        return False
    if _C._are_functorch_transforms_active():
        return False
    if is_compiling():
        return True
    return not (forward_ad._current_level >= 0 or _C._is_tracing() or any(map(is_legacy_batchedtensor, given)))


def may_look_at(tensor: torch.Tensor) -> bool:
    """Whether what is done next may depend on the entries of a tensor: nothing records operators or lacks numbers."""
    return (
        type(tensor) is torch.Tensor
        and not is_compiling()
        and not tensor.is_meta
        and not _C._len_torch_dispatch_stack()
        and not _C._are_functorch_transforms_active()
        and not _C._is_tracing()
        and not (tensor.is_cuda and torch.cuda.is_current_stream_capturing())
    )

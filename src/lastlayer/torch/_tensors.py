"""What every public function on tensors does first: kinds, shapes, dtypes, devices; all error wording."""

import math
from typing import Any

import numpy as np
import torch

_FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
_REDUCTIONS = ("mean", "sum", "none")


def runs_on_kernels(logits: torch.Tensor) -> bool:
    """Whether the kernels take this tensor; where they do not, PyTorch's own operators are composed.

    They take what lies on the CPU, but not inside torch.func's vmap, grad and the like, nor inside forward-mode
    differentiation: those go through composed operators, and have no way into one that is registered with autograd.
    """
    return (
        logits.device.type == "cpu"
        and not torch._C._are_functorch_transforms_active()
        and torch.autograd.forward_ad._current_level < 0
    )


def require_floats(tensor: torch.Tensor, name: str) -> None:
    """Raise TypeError unless `tensor` is a dense tensor of real floating-point numbers."""
    require_tensor(tensor, name)
    if tensor.dtype not in _FLOATS:
        raise TypeError(f"{name}: dtype is {tensor.dtype}, expected a floating-point one; convert with .float().")
    if tensor.layout != torch.strided:
        raise TypeError(f"{name}: layout is {tensor.layout}, expected a dense tensor; convert with .to_dense().")


def require_tensor(tensor: object, name: str) -> None:
    """Raise TypeError unless `tensor` is a tensor, and say what to pass instead."""
    if isinstance(tensor, torch.Tensor):
        return
    if isinstance(tensor, np.ndarray):
        raise TypeError(
            f"{name}: received a numpy.ndarray, expected a torch.Tensor; the same name in lastlayer takes arrays, "
            f"or pass torch.from_numpy({name})."
        )
    raise TypeError(f"{name}: received {type(tensor).__name__}, expected a torch.Tensor.")


def require_same_device(tensor: torch.Tensor, name: str, logits: torch.Tensor) -> None:
    if tensor.device != logits.device:
        raise ValueError(f"{name}: is on {tensor.device}, expected {logits.device}, like logits; move one with .to().")


def class_dim(tensor: torch.Tensor, dim: object, name: str = "logits") -> int:
    """The dimension of the classes as a number from 0; a scalar counts as one class.

    Raises: TypeError unless it is an integer; IndexError, as in PyTorch, where there is no such dimension; ValueError
      where it has no classes.
    """
    dim = int(dim) if isinstance(dim, np.integer) else dim
    if isinstance(dim, bool) or not isinstance(dim, int):
        raise TypeError(f"dim: received {dim!r}, expected one integer.")
    rank = max(1, tensor.ndim)
    if not -rank <= dim < rank:
        raise IndexError(f"dim: received {dim}, but {name} have {tensor.ndim} dimensions ({-rank} to {rank - 1}).")
    dim %= rank
    if tensor.ndim and tensor.shape[dim] == 0:
        raise ValueError(f"{name}: shape is {tuple(tensor.shape)}, expected at least one class along dim {dim}.")
    return dim


def loss_dim(tensor: torch.Tensor, dim: int | None, name: str = "logits") -> int:
    """class_dim for losses: None is PyTorch's choice, 1, or 0 for a single example."""
    require_tensor(tensor, name)
    if tensor.ndim == 0:
        raise ValueError(f"{name}: is a single number, expected (K,) or (N, K, ...), one score for each class.")
    return class_dim(tensor, min(1, tensor.ndim - 1) if dim is None else dim, name)


def three_dims(tensor: torch.Tensor, dim: int) -> torch.Tensor:
    """A tensor as (outer, K, inner), contiguous."""
    shape = tensor.shape
    if not tensor.ndim:
        return tensor.reshape(1, 1, 1)
    return tensor.reshape(math.prod(shape[:dim]), shape[dim], math.prod(shape[dim + 1 :])).contiguous()


def checked_beta(beta: object) -> float | torch.Tensor:
    """A tensor as it is, a number as a float > 0. Raises ValueError or TypeError otherwise."""
    if isinstance(beta, torch.Tensor):
        return beta
    if isinstance(beta, np.floating):
        beta = float(beta)
    if isinstance(beta, bool) or not isinstance(beta, (int, float)):
        raise TypeError(f"beta: received {beta!r}, expected a number greater than 0, or a tensor.")
    # Comparisons alone: torch.compile knows them of a number that it does not fix.
    if not 0 < beta < math.inf:
        raise ValueError(f"beta: received {beta!r}, expected a finite number greater than 0.")
    return float(beta)


def scaled_by(logits: torch.Tensor, dim: int, beta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The product beta (z - max z) for a tensor `beta`, and max z; what is not finite stays out of beta's gradient."""
    if not beta.is_floating_point():
        raise TypeError(f"beta: dtype is {beta.dtype}, expected a floating-point tensor.")
    require_same_device(beta, "beta", logits)
    beta = beta.reshape(()) if beta.numel() == 1 else beta
    require_broadcast(beta, "beta", logits)
    wide = widened(logits)
    top = wide.detach().amax(dim, keepdim=True)
    impossible, hopeless = wide == -math.inf, ~top.isfinite()
    below = (wide - top).masked_fill(impossible | hopeless, 0.0) * beta.to(wide.dtype)
    return below.masked_fill(impossible, -math.inf).masked_fill(hopeless, math.nan), top


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype that is computed in: float32 for bfloat16 and float16, else the same."""
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


def require_same_shape(tensor: torch.Tensor, name: str, logits: torch.Tensor) -> None:
    """Raise ValueError unless `tensor` has the shape of the logits."""
    if tensor.shape != logits.shape:
        raise ValueError(f"{name}: shape is {tuple(tensor.shape)}, expected {tuple(logits.shape)}, like logits.")


def require_broadcast(tensor: torch.Tensor, name: str, logits: torch.Tensor) -> None:
    """Raise ValueError unless `tensor` broadcasts to the shape of the logits."""
    try:
        fits = torch.broadcast_shapes(tensor.shape, logits.shape) == logits.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name}: shape is {tuple(tensor.shape)}, expected one that broadcasts to {tuple(logits.shape)}, the shape "
            "of logits."
        )


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor in the dtype that is computed in."""
    return tensor.to(working_dtype(tensor.dtype))


def checked_reduction(reduction: str) -> str:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"reduction: received {reduction!r}, expected one of 'mean', 'sum', 'none'.")
    return reduction


def reduced(losses: torch.Tensor, reduction: str, total_weight: Any, dtype: torch.dtype) -> torch.Tensor:
    """Losses as they are, their sum, or their sum over `total_weight`, a tensor or a number of examples.

    A mean over nothing is 0.
    """
    if reduction == "none":
        return losses.to(dtype)
    if reduction == "sum":
        return losses.sum().to(dtype)
    if isinstance(total_weight, torch.Tensor):
        total_weight = torch.where(total_weight == 0, torch.ones_like(total_weight), total_weight)
    else:
        total_weight = max(1, total_weight)
    return (losses.sum() / total_weight).to(dtype)

"""Heads to PyTorch modules and back. Only `lastlayer.torch` knows tensors; it is imported when it is asked for."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


def head_to_torch(model: Any) -> "torch.nn.Sequential":
    """The module of a fitted SoftmaxClassifier or SigmoidClassifier; see `lastlayer.torch.linear_module`."""
    from lastlayer.torch.linear_module import linear_module

    return linear_module(model)


def arrays_of_module(module: "torch.nn.Module") -> tuple[NDArray[Any], NDArray[np.floating[Any]] | None, float]:
    """Weight, bias or None, and beta of a torch.nn.Linear, or of what `head_to_torch` makes."""
    from lastlayer.torch.linear_module import linear_arrays

    return linear_arrays(module)

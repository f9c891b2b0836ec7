"""A tensor's memory as an array for the kernels, and fresh memory for what they write.

Fresh memory comes from NumPy, which asks the system for large pages: touching ordinary ones for the first time costs
more than most of these functions.
"""

import numpy as np
import torch

_ARRAY_DTYPE = {torch.float32: np.float32, torch.float64: np.float64}


def array_of(tensor):
    """A CPU tensor as an array: its own memory, or a float32 copy of bfloat16 and float16."""
    tensor = tensor.detach().resolve_neg()
    return (tensor if tensor.dtype in _ARRAY_DTYPE else tensor.float()).numpy()


def empty(shape, dtype):
    """A contiguous tensor of float32 or float64, and the array that shares its memory."""
    array = np.empty(tuple(shape), _ARRAY_DTYPE[dtype])
    return torch.from_numpy(array), array


def working_dtype(dtype):
    """The dtype that the kernels compute in."""
    return dtype if dtype in _ARRAY_DTYPE else torch.float32

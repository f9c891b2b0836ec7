"""A tensor's memory as arrays for the kernels, and memory for what they write.

bfloat16 is read as it stands, as bits (see kernels.storage), where a kernel takes them; float16 is copied to float32.
"""

import numpy as np
import torch

_ARRAY_DTYPE = {torch.float32: np.float32, torch.float64: np.float64, torch.bfloat16: np.uint16}


def numbers_of(tensor):
    """A CPU tensor as an array of numbers: its own memory, or a float32 copy of bfloat16 and float16."""
    tensor = tensor.detach().resolve_neg()
    return (tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()).numpy()


def entries_of(tensor):
    """A CPU tensor as a C-contiguous array of a dtype of kernels.storage: its own memory, where that is possible."""
    tensor = tensor.detach().resolve_neg().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    return numbers_of(tensor)


def empty(shape, dtype):
    """A contiguous tensor, and the array of a dtype of kernels.storage that shares its memory; float32 for float16."""
    # NumPy asks the system for huge pages, which PyTorch does not: a large result is filled in half the time.
    array = np.empty(tuple(shape), _ARRAY_DTYPE.get(dtype, np.float32))
    if dtype == torch.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16), array
    return torch.from_numpy(array), array

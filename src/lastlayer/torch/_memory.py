"""A tensor's memory as arrays for the kernels, and fresh memory for what they write.

Fresh memory comes from NumPy, which asks the system for large pages: touching ordinary ones for the first time costs
more than most of these functions. bfloat16 is widened to float32 a block at a time, and narrowed while that block is in
cache.
"""

import math

import numpy as np
import torch

from lastlayer._threads import run_blocks
from lastlayer.functions._along_axis import BLOCKS_PER_THREAD
from lastlayer.kernels.bfloat16 import narrow, widen

_ARRAY_DTYPE = {torch.float32: np.float32, torch.float64: np.float64}
# Entries that are widened at a time: they stay in the second cache, together with as many that are written.
_WIDENED = 1 << 15


def working_dtype(dtype):
    """The dtype that the kernels compute in."""
    return dtype if dtype in _ARRAY_DTYPE else torch.float32


def array_of(tensor):
    """A CPU tensor as an array: its own memory, or a float32 copy of bfloat16 and float16."""
    tensor = tensor.detach().resolve_neg()
    return (tensor if tensor.dtype in _ARRAY_DTYPE else tensor.float()).numpy()


def empty(shape, dtype):
    """A contiguous tensor of float32 or float64, and the array that shares its memory."""
    array = np.empty(tuple(shape), _ARRAY_DTYPE[dtype])
    return torch.from_numpy(array), array


def each_part(function, *tensors):
    """Call function(part, *arrays) on slices of the first dimension that cover it, in the dtype that is computed in.

    Args:
      function: takes the slice and the C-contiguous arrays of that part of each tensor.
      tensors: (n, ...) of one dtype.
    """
    if tensors[0].dtype == torch.bfloat16:
        _each_widened(function, [_bits_of(tensor) for tensor in tensors])
    else:
        function(slice(0, len(tensors[0])), *(np.ascontiguousarray(array_of(tensor)) for tensor in tensors))


def transformed(function, *tensors):
    """A fresh tensor like the first, written by function(part, *arrays, target) on the parts of each_part."""
    if tensors[0].dtype == torch.bfloat16:
        result = np.empty(tuple(tensors[0].shape), np.uint16)

        def narrowed(part, *arrays):
            target = np.empty_like(arrays[0])
            function(part, *arrays, target)
            narrow(target.reshape(-1), result[part].reshape(-1))

        each_part(narrowed, *tensors)
        return torch.from_numpy(result).view(torch.bfloat16)
    result, target = empty(tensors[0].shape, working_dtype(tensors[0].dtype))
    each_part(lambda part, *arrays: function(part, *arrays, target[part]), *tensors)
    return result.to(tensors[0].dtype)


def _bits_of(tensor):
    return tensor.detach().resolve_neg().contiguous().view(torch.int16).numpy().view(np.uint16)


def _each_widened(function, bits):
    length, per_item = len(bits[0]), max(1, math.prod(bits[0].shape[1:]))
    step = max(1, _WIDENED // per_item)

    def work(first, last):
        for start in range(first, last, step):
            part = slice(start, min(start + step, last))
            arrays = [np.empty(array[part].shape, np.float32) for array in bits]
            for array, wide in zip(bits, arrays, strict=True):
                widen(array[part].reshape(-1), wide.reshape(-1))
            function(part, *arrays)

    run_blocks(work, length, items_per_block=4 * step, blocks_per_thread=BLOCKS_PER_THREAD)

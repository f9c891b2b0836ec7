"""A tensor's memory as arrays for the kernels, and fresh memory for what they write.

Fresh memory comes from NumPy, which asks the system for large pages: touching ordinary ones for the first time costs
more than most of these functions. bfloat16 is widened to float32 a block at a time, and narrowed while that block is in
cache.
"""

import math

import numpy as np
import torch

from lastlayer._threads import run_blocks
from lastlayer.functions._along_axis import BLOCKS_PER_THREAD, GRAIN, SHORT
from lastlayer.kernels.bfloat16 import narrow, widen
from lastlayer.torch._tensors import working_dtype

_ARRAY_DTYPE = {torch.float32: np.float32, torch.float64: np.float64}
# Entries that are widened at a time: enough to make a call worth while, few enough to stay near.
_WIDENED = 1 << 17
# The same where a kernel goes through such pieces by itself.
_IN_FIRST_CACHE = 1 << 12


def array_of(tensor):
    """A CPU tensor as an array: its own memory, or a float32 copy of bfloat16 and float16."""
    tensor = tensor.detach().resolve_neg()
    return (tensor if tensor.dtype in _ARRAY_DTYPE else tensor.float()).numpy()


def empty(shape, dtype):
    """A contiguous tensor of float32 or float64, and the array that shares its memory."""
    array = np.empty(tuple(shape), _ARRAY_DTYPE[dtype])
    return torch.from_numpy(array), array


def bits_of(tensor):
    """A CPU tensor of bfloat16 as an array of uint16, its own memory where that is contiguous."""
    return tensor.detach().contiguous().view(torch.int16).numpy().view(np.uint16)


def tensor_of_bits(bits):
    """The tensor of bfloat16 that shares the memory of a uint16 array."""
    return torch.from_numpy(bits).view(torch.bfloat16)


def is_long_bfloat16_rows(logits):
    """Whether (outer, K, inner) is bfloat16 whose rows go through the kernels of kernels.bfloat16."""
    return logits.dtype == torch.bfloat16 and logits.shape[2] == 1 and logits.shape[1] >= SHORT


def each_long_row(work, num_rows, num_classes):
    """Call work(part, wide, other) on slices of the rows, on every core, with two arrays (rows, K) to scratch in."""

    def ranged(first, last):
        scratch = np.empty((2, max(1, min(last - first, _IN_FIRST_CACHE // num_classes)), num_classes), np.float32)
        work(slice(first, last), *scratch)

    run_blocks(ranged, num_rows, items_per_block=-(-GRAIN // num_classes), blocks_per_thread=BLOCKS_PER_THREAD)


def each_part(function, *tensors):
    """Call function(part, *arrays) on slices of the first dimension that cover it, in the dtype that is computed in.

    Args:
      function: takes the slice and the C-contiguous arrays of that part of each tensor, to read from.
      tensors: (n, ...) of one shape and dtype.
    """
    if tensors[0].dtype == torch.bfloat16:
        _each_widened(function, tensors, None)
    else:
        function(slice(0, len(tensors[0])), *(np.ascontiguousarray(array_of(tensor)) for tensor in tensors))


def transformed(function, *tensors):
    """A fresh tensor like the first, written by function(part, *arrays, target) on the parts of each_part."""
    if tensors[0].dtype == torch.bfloat16:
        bits = np.empty(tuple(tensors[0].shape), np.uint16)
        _each_widened(function, tensors, bits)
        return tensor_of_bits(bits)
    result, target = empty(tensors[0].shape, working_dtype(tensors[0].dtype))
    each_part(lambda part, *arrays: function(part, *arrays, target[part]), *tensors)
    return result.to(tensors[0].dtype)


def _each_widened(function, tensors, written):
    """each_part for bfloat16; if `written` is not None, what function leaves in one more array is narrowed to there."""
    sources = [bits_of(tensor) for tensor in tensors]
    shape = sources[0].shape
    step = max(1, _WIDENED // max(1, math.prod(shape[1:])))

    def work(first, last):
        scratch = np.empty((len(sources) + (written is not None), min(step, last - first), *shape[1:]), np.float32)
        for start in range(first, last, step):
            part = slice(start, min(start + step, last))
            arrays = scratch[:, : part.stop - part.start]
            for source, wide in zip(sources, arrays, strict=False):
                widen(source[part].reshape(1, -1), wide.reshape(1, -1))
            function(part, *arrays)
            if written is not None:
                narrow(arrays[-1].reshape(1, -1), written[part].reshape(1, -1))

    run_blocks(work, shape[0], items_per_block=step, blocks_per_thread=BLOCKS_PER_THREAD)

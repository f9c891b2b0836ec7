"""Functions across examples: each vector lane is another example, each step another class.

This serves an axis that is not the last, where neighbours in memory are examples, and short rows, which are turned into
that form a tile at a time. Logits are (outer, K, inner) and C-contiguous; lanes are `start` to `stop` of the last axis.
The `state` (7, lanes) is scratch memory of the caller, in the type of the logits: the maximum of each lane, the sum of
its exponentials in three parts as in row_sums, and what is needed on the way.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum, surely_below
from lastlayer.kernels.exponential import exponential_in_units
from lastlayer.kernels.instructions import fused_multiply_add, maximum
from lastlayer.kernels.logarithm import logarithm

TOP, OTHERS, LOST, WINNERS, _BOTTOM, _BLOCK_SUM, _BLOCK_OTHERS = range(7)
STATES = 7
# Classes that are added plainly before their sum is added exactly.
_BLOCK = 32


@compiled(inline=True)
def find_maxima(logits, outer, start, stop, state):
    """Write each lane's maximum over the classes, NaN where there is a NaN."""
    top = state[TOP, : stop - start]
    first = logits[outer, 0, start:stop]
    for lane in range(top.size):
        top[lane] = first[lane]
    for k in range(1, logits.shape[1]):
        row = logits[outer, k, start:stop]
        # In this order; with the stored maximum first, LLVM makes a masked store of it, which is slow.
        for lane in range(top.size):
            top[lane] = maximum(row[lane], top[lane])


@compiled(inline=True)
def copy_lanes(source, target, outer, start, stop):
    """Copy the lanes unless both are the same memory."""
    if source.ctypes.data != target.ctypes.data:
        for k in range(source.shape[1]):
            row, copy = source[outer, k, start:stop], target[outer, k, start:stop]
            for lane in range(row.size):
                copy[lane] = row[lane]


@compiled(inline=True)
def replace_lanes_by_exponentials(logits, outer, start, stop, scale, state):
    """Replace the logits by `unit` exp(beta (z - top)) and leave their sum, in units, in state[OTHERS].

    The difference is rounded once; blocks of classes are added exactly.
    """
    top, total = state[TOP, : stop - start], state[OTHERS, : stop - start]
    lost, block_sum = state[LOST, : stop - start], state[_BLOCK_SUM, : stop - start]
    num_classes = logits.shape[1]
    for lane in range(top.size):
        total[lane] = lost[lane] = 0
    for first in range(0, num_classes, _BLOCK):
        last = min(first + _BLOCK, num_classes)
        for lane in range(top.size):
            block_sum[lane] = 0
        for k in range(first, last - 1, 2):
            row, next_row = logits[outer, k, start:stop], logits[outer, k + 1, start:stop]
            for lane in range(top.size):
                value = exponential_in_units(row[lane] - top[lane], None, scale)
                next_value = exponential_in_units(next_row[lane] - top[lane], None, scale)
                row[lane] = value
                next_row[lane] = next_value
                block_sum[lane] += value + next_value
        if (last - first) % 2:
            row = logits[outer, last - 1, start:stop]
            for lane in range(top.size):
                value = exponential_in_units(row[lane] - top[lane], None, scale)
                row[lane] = value
                block_sum[lane] += value
        for lane in range(top.size):
            total[lane], error = exact_sum(total[lane], block_sum[lane])
            lost[lane] += error
    for lane in range(top.size):
        total[lane] += lost[lane]


@compiled(inline=True)
def sum_lanes_in_parts(logits, outer, start, stop, scale, keep, state):
    """Sum each lane's exponentials, from exact differences, into state[OTHERS], [LOST] and [WINNERS].

    `keep` is True to replace the logits by their exponentials, in units, and None to leave them alone.
    """
    top, bottom = state[TOP, : stop - start], state[_BOTTOM, : stop - start]
    total, lost, winners = state[OTHERS, : stop - start], state[LOST, : stop - start], state[WINNERS, : stop - start]
    block_sum, block_others = state[_BLOCK_SUM, : stop - start], state[_BLOCK_OTHERS, : stop - start]
    num_classes = logits.shape[1]
    half, zero = logits.dtype.type(0.5), logits.dtype.type(0)
    per_unit = logits.dtype.type(1) / scale[5]
    for lane in range(top.size):
        bottom[lane] = surely_below(top[lane], scale[0])
        total[lane] = lost[lane] = winners[lane] = 0
    for first in range(0, num_classes, _BLOCK):
        last = min(first + _BLOCK, num_classes)
        for lane in range(top.size):
            block_sum[lane] = block_others[lane] = 0
        for k in range(first, last - 1, 2):
            row, next_row = logits[outer, k, start:stop], logits[outer, k + 1, start:stop]
            for lane in range(top.size):
                value = _exact_exponential(row[lane], top[lane], bottom[lane], scale)
                next_value = _exact_exponential(next_row[lane], top[lane], bottom[lane], scale)
                if keep is not None:
                    row[lane] = value
                    next_row[lane] = next_value
                block_sum[lane] += value + next_value
                other, next_other = zero if value >= scale[5] else value, zero if next_value >= scale[5] else next_value
                block_others[lane] += other + next_other
        if (last - first) % 2:
            row = logits[outer, last - 1, start:stop]
            for lane in range(top.size):
                value = _exact_exponential(row[lane], top[lane], bottom[lane], scale)
                if keep is not None:
                    row[lane] = value
                block_sum[lane] += value
                block_others[lane] += zero if value >= scale[5] else value
        for lane in range(top.size):
            # What the two sums differ by is a whole number of units, but for rounding.
            winners[lane] += np.floor((block_sum[lane] - block_others[lane]) * per_unit + half)
            total[lane], error = exact_sum(total[lane], block_others[lane] * per_unit)
            lost[lane] += error


@compiled(inline=True)
def _exact_exponential(logit, top, bottom, scale):
    # -inf is brought up to the bottom, where exp is 0 all the same: -inf has no exact difference.
    difference, lost = exact_sum(bottom if logit < bottom else logit, -top)
    return exponential_in_units(difference, lost, scale)


@compiled(inline=True)
def take_logarithms(count, state):
    """Replace the sums in state[OTHERS] by their logarithms, accurate relative to themselves when near 0."""
    others, lost, winners = state[OTHERS, :count], state[LOST, :count], state[WINNERS, :count]
    for lane in range(count):
        high, low = exact_sum(winners[lane], others[lane])
        others[lane] = logarithm(high, low + lost[lane])


@compiled(inline=True)
def softmax_in_place(array, outer, start, stop, scale, state):
    """Replace the logits of the lanes by their probabilities."""
    find_maxima(array, outer, start, stop, state)
    replace_lanes_by_exponentials(array, outer, start, stop, scale, state)
    factor = state[OTHERS, : stop - start]
    one = array.dtype.type(1)
    for lane in range(factor.size):
        factor[lane] = one / factor[lane]
    for k in range(array.shape[1]):
        row = array[outer, k, start:stop]
        for lane in range(factor.size):
            row[lane] *= factor[lane]


@compiled(inline=True)
def log_softmax_in_place(array, outer, start, stop, scale, state):
    """Replace the logits of the lanes by their log-probabilities."""
    find_maxima(array, outer, start, stop, state)
    sum_lanes_in_parts(array, outer, start, stop, scale, None, state)
    take_logarithms(stop - start, state)
    top, log_sum, beta = state[TOP, : stop - start], state[OTHERS, : stop - start], scale[4]
    for k in range(array.shape[1]):
        row = array[outer, k, start:stop]
        for lane in range(top.size):
            row[lane] = fused_multiply_add(beta, row[lane] - top[lane], -log_sum[lane])


@compiled(inline=True)
def logsumexp_of_lanes(logits, outer, start, stop, scale, state, sums):
    """Write the smooth maximum of each lane to `sums` (stop - start,); a maximum of -inf or +inf is kept."""
    find_maxima(logits, outer, start, stop, state)
    sum_lanes_in_parts(logits, outer, start, stop, scale, None, state)
    take_logarithms(stop - start, state)
    beta = np.float64(scale[4])
    for lane in range(sums.size):
        top = np.float64(state[TOP, lane])
        sums[lane] = top if np.isinf(top) else top + np.float64(state[OTHERS, lane]) / beta

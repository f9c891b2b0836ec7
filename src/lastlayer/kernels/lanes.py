"""Functions across examples: each vector lane is another example, each step another class.

This serves an axis that is not the last, where neighbours in memory are examples, and short rows, which are turned into
that form; either way a tile (K, lanes) at a time, in the type that is computed in, that stays in a near cache. The
`state` (6, lanes) is scratch memory of the caller in the same type: the maximum of each lane, the sum of its
exponentials in three parts as in row_sums, and what is needed on the way. `count` lanes are in use.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import BETA, UNIT, exponential_in_units
from lastlayer.kernels.instructions import fused_multiply_add, larger
from lastlayer.kernels.logarithm import logarithm
from lastlayer.kernels.storage import number, stored

TOP, OTHERS, LOST, WINNERS, _BLOCK_SUM, _BLOCK_OTHERS = range(6)
STATES = 6
# Classes that are added plainly before their sum is added exactly.
_BLOCK = 32


@compiled(inline=True)
def lanes_in(source, outer, start, stop, tile):
    """tile[k, lane] = source[outer, k, start + lane], as numbers."""
    for k in range(source.shape[1]):
        row, copy = source[outer, k, start:stop], tile[k]
        for lane in range(row.size):
            copy[lane] = number(row[lane])


@compiled(inline=True)
def lanes_out(tile, target, outer, start, stop):
    """target[outer, k, start + lane] = tile[k, lane], as entries."""
    for k in range(target.shape[1]):
        row, copy = tile[k], target[outer, k, start:stop]
        for lane in range(copy.size):
            copy[lane] = stored(row[lane], copy)


@compiled(inline=True)
def find_maxima(tile, count, state):
    """Write each lane's maximum over the classes; NaN is passed over, since sums will meet it."""
    top, first = state[TOP, :count], tile[0, :count]
    for lane in range(count):
        top[lane] = first[lane]
    for k in range(1, tile.shape[0]):
        row = tile[k, :count]
        # In this order; with the stored maximum first, LLVM makes a masked store of it, which is slow.
        for lane in range(count):
            top[lane] = larger(row[lane], top[lane])


@compiled(inline=True)
def replace_by_exponentials(tile, count, scale, state):
    """Replace the logits by `unit` exp(beta (z - top)) and leave their sum, in units, in state[OTHERS]."""
    top, total = state[TOP, :count], state[OTHERS, :count]
    lost, block_sum = state[LOST, :count], state[_BLOCK_SUM, :count]
    num_classes = tile.shape[0]
    for lane in range(count):
        total[lane] = lost[lane] = 0
    for first in range(0, num_classes, _BLOCK):
        last = min(first + _BLOCK, num_classes)
        for lane in range(count):
            block_sum[lane] = 0
        for k in range(first, last - 1, 2):
            row, next_row = tile[k, :count], tile[k + 1, :count]
            for lane in range(count):
                value = exponential_in_units(row[lane] - top[lane], scale)
                next_value = exponential_in_units(next_row[lane] - top[lane], scale)
                row[lane] = value
                next_row[lane] = next_value
                block_sum[lane] += value + next_value
        if (last - first) % 2:
            row = tile[last - 1, :count]
            for lane in range(count):
                value = exponential_in_units(row[lane] - top[lane], scale)
                row[lane] = value
                block_sum[lane] += value
        for lane in range(count):
            total[lane], error = exact_sum(total[lane], block_sum[lane])
            lost[lane] += error
    for lane in range(count):
        total[lane] += lost[lane]


@compiled(inline=True)
def sum_in_parts(tile, count, scale, keep, state):
    """Sum each lane's exponentials into state[OTHERS], [LOST] and [WINNERS].

    `keep` is True to replace the logits by their exponentials, in units, and None to leave them alone.
    """
    top, total = state[TOP, :count], state[OTHERS, :count]
    lost, winners = state[LOST, :count], state[WINNERS, :count]
    block_sum, block_others = state[_BLOCK_SUM, :count], state[_BLOCK_OTHERS, :count]
    num_classes = tile.shape[0]
    half, zero = tile.dtype.type(0.5), tile.dtype.type(0)
    unit, per_unit = scale[UNIT], tile.dtype.type(1) / scale[UNIT]
    for lane in range(count):
        total[lane] = lost[lane] = winners[lane] = 0
    for first in range(0, num_classes, _BLOCK):
        last = min(first + _BLOCK, num_classes)
        for lane in range(count):
            block_sum[lane] = block_others[lane] = 0
        for k in range(first, last - 1, 2):
            row, next_row = tile[k, :count], tile[k + 1, :count]
            for lane in range(count):
                value = exponential_in_units(row[lane] - top[lane], scale)
                next_value = exponential_in_units(next_row[lane] - top[lane], scale)
                if keep is not None:
                    row[lane] = value
                    next_row[lane] = next_value
                block_sum[lane] += value + next_value
                block_others[lane] += (zero if value >= unit else value) + (zero if next_value >= unit else next_value)
        if (last - first) % 2:
            row = tile[last - 1, :count]
            for lane in range(count):
                value = exponential_in_units(row[lane] - top[lane], scale)
                if keep is not None:
                    row[lane] = value
                block_sum[lane] += value
                block_others[lane] += zero if value >= unit else value
        for lane in range(count):
            # What the two sums differ by is a whole number of units, but for rounding.
            winners[lane] += np.floor((block_sum[lane] - block_others[lane]) * per_unit + half)
            total[lane], error = exact_sum(total[lane], block_others[lane] * per_unit)
            lost[lane] += error


@compiled(inline=True)
def take_logarithms(count, state):
    """Replace the sums in state[OTHERS] by their logarithms, accurate relative to themselves when near 0."""
    others, lost, winners = state[OTHERS, :count], state[LOST, :count], state[WINNERS, :count]
    for lane in range(count):
        high, low = exact_sum(winners[lane], others[lane])
        others[lane] = logarithm(high, low + lost[lane])


@compiled(inline=True)
def softmax_in_place(tile, count, scale, state):
    """Replace the logits of the lanes by their probabilities."""
    find_maxima(tile, count, state)
    replace_by_exponentials(tile, count, scale, state)
    factor = state[OTHERS, :count]
    one = tile.dtype.type(1)
    for lane in range(count):
        factor[lane] = one / factor[lane]
    for k in range(tile.shape[0]):
        row = tile[k, :count]
        for lane in range(count):
            row[lane] *= factor[lane]


@compiled(inline=True)
def log_softmax_in_place(tile, count, scale, state):
    """Replace the logits of the lanes by their log-probabilities."""
    find_maxima(tile, count, state)
    sum_in_parts(tile, count, scale, None, state)
    take_logarithms(count, state)
    top, log_sum, beta = state[TOP, :count], state[OTHERS, :count], scale[BETA]
    for k in range(tile.shape[0]):
        row = tile[k, :count]
        for lane in range(count):
            row[lane] = fused_multiply_add(beta, row[lane] - top[lane], -log_sum[lane])


@compiled(inline=True)
def logsumexp_of_lanes(tile, scale, state, sums):
    """Write the smooth maximum of each lane to `sums` (count,); a maximum of -inf or +inf is kept."""
    find_maxima(tile, sums.size, state)
    sum_in_parts(tile, sums.size, scale, None, state)
    take_logarithms(sums.size, state)
    beta = np.float64(scale[BETA])
    for lane in range(sums.size):
        top = np.float64(state[TOP, lane])
        if np.isinf(top):
            # Both infinities make the sum NaN, and so does NaN.
            for k in range(tile.shape[0]):
                top = np.nan if np.isnan(tile[k, lane]) else top
            sums[lane] = top
        else:
            sums[lane] = top + np.float64(state[OTHERS, lane]) / beta

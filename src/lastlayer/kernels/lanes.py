"""Functions across examples: each vector lane is another example, each step another class.

This serves an axis that is not the last, where neighbours in memory are examples, and short rows, which are turned into
that form a tile at a time. Arrays are (outer, K, inner), C-contiguous and of any type in `storage`, and `where` is
(outer, start, stop): the lanes are array[outer, :, start:stop]. A tile is such an array too, of one outer index and in
the type that is computed in. The `state` (6, lanes) is scratch memory of the caller in that type: the maximum of each
lane, the sum of its exponentials in three parts as in row_sums, and what is needed on the way.

What is written is never what is read, but where the text says so: LLVM would fall back to scalar code.
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
def row_of(array, k, where):
    """The lanes of class k."""
    return array[where[0], k, where[1] : where[2]]


@compiled(inline=True)
def copy_lanes(source, where, target, into):
    """Copy entries of one type."""
    for k in range(source.shape[1]):
        row, copy = row_of(source, k, where), row_of(target, k, into)
        for lane in range(row.size):
            copy[lane] = row[lane]


@compiled(inline=True)
def find_maxima(source, where, state):
    """Write each lane's maximum over the classes; NaN is passed over, since sums will meet it."""
    top, first = state[TOP, : where[2] - where[1]], row_of(source, 0, where)
    for lane in range(top.size):
        top[lane] = number(first[lane])
    for k in range(1, source.shape[1] - 1, 2):
        row, next_row = row_of(source, k, where), row_of(source, k + 1, where)
        # In this order; with the stored maximum first, LLVM makes a masked store of it, which is slow.
        for lane in range(top.size):
            top[lane] = larger(larger(number(row[lane]), number(next_row[lane])), top[lane])
    if source.shape[1] % 2 == 0:
        row = row_of(source, source.shape[1] - 1, where)
        for lane in range(top.size):
            top[lane] = larger(number(row[lane]), top[lane])


@compiled(inline=True)
def write_exponentials(source, where, tile, into, scale, state):
    """Write `unit` exp(beta (z - top)) to a tile and leave each lane's sum, in units, in state[OTHERS]."""
    count = where[2] - where[1]
    top, total = state[TOP, :count], state[OTHERS, :count]
    lost, block_sum = state[LOST, :count], state[_BLOCK_SUM, :count]
    for lane in range(count):
        total[lane] = lost[lane] = 0
    for first in range(0, source.shape[1], _BLOCK):
        last = min(first + _BLOCK, source.shape[1])
        for lane in range(count):
            block_sum[lane] = 0
        for k in range(first, last - 1, 2):
            row, next_row = row_of(source, k, where), row_of(source, k + 1, where)
            values, next_values = row_of(tile, k, into), row_of(tile, k + 1, into)
            for lane in range(count):
                value = exponential_in_units(number(row[lane]) - top[lane], scale)
                next_value = exponential_in_units(number(next_row[lane]) - top[lane], scale)
                values[lane] = value
                next_values[lane] = next_value
                block_sum[lane] += value + next_value
        if (last - first) % 2:
            row, values = row_of(source, last - 1, where), row_of(tile, last - 1, into)
            for lane in range(count):
                value = exponential_in_units(number(row[lane]) - top[lane], scale)
                values[lane] = value
                block_sum[lane] += value
        for lane in range(count):
            total[lane], error = exact_sum(total[lane], block_sum[lane])
            lost[lane] += error
    for lane in range(count):
        total[lane] += lost[lane]


@compiled(inline=True)
def sum_in_parts(source, where, tile, into, scale, state):
    """Sum each lane's exponentials into state[OTHERS], [LOST] and [WINNERS].

    The exponentials are written to `tile`, in units, unless that is None.
    """
    count = where[2] - where[1]
    top, total = state[TOP, :count], state[OTHERS, :count]
    lost, winners = state[LOST, :count], state[WINNERS, :count]
    block_sum, block_others = state[_BLOCK_SUM, :count], state[_BLOCK_OTHERS, :count]
    half, zero = state.dtype.type(0.5), state.dtype.type(0)
    unit, per_unit = scale[UNIT], state.dtype.type(1) / scale[UNIT]
    for lane in range(count):
        total[lane] = lost[lane] = winners[lane] = 0
    for first in range(0, source.shape[1], _BLOCK):
        last = min(first + _BLOCK, source.shape[1])
        for lane in range(count):
            block_sum[lane] = block_others[lane] = 0
        for k in range(first, last - 1, 2):
            row, next_row = row_of(source, k, where), row_of(source, k + 1, where)
            if tile is not None:
                values, next_values = row_of(tile, k, into), row_of(tile, k + 1, into)
            for lane in range(count):
                value = exponential_in_units(number(row[lane]) - top[lane], scale)
                next_value = exponential_in_units(number(next_row[lane]) - top[lane], scale)
                if tile is not None:
                    values[lane] = value
                    next_values[lane] = next_value
                block_sum[lane] += value + next_value
                block_others[lane] += (zero if value >= unit else value) + (zero if next_value >= unit else next_value)
        if (last - first) % 2:
            row = row_of(source, last - 1, where)
            if tile is not None:
                values = row_of(tile, last - 1, into)
            for lane in range(count):
                value = exponential_in_units(number(row[lane]) - top[lane], scale)
                if tile is not None:
                    values[lane] = value
                block_sum[lane] += value
                block_others[lane] += zero if value >= unit else value
        for lane in range(count):
            # What the two sums differ by is a whole number of units, but for rounding.
            winners[lane] += np.floor((block_sum[lane] - block_others[lane]) * per_unit + half)
            total[lane], error = exact_sum(total[lane], block_others[lane] * per_unit)
            lost[lane] += error


@compiled(inline=True)
def log_of_sum(others, lost, winners):
    """log(winners + others + lost) of numbers of one type, accurate relative to itself when near 0."""
    high, low = exact_sum(winners, others)
    return logarithm(high, low + lost)


@compiled(inline=True)
def take_logarithms(count, state):
    """Replace the sums in state[OTHERS] by their logarithms."""
    others, lost, winners = state[OTHERS, :count], state[LOST, :count], state[WINNERS, :count]
    for lane in range(count):
        others[lane] = log_of_sum(others[lane], lost[lane], winners[lane])


@compiled(inline=True)
def softmax_of_lanes(source, where, tile, target, into, scale, state):
    """Write the probabilities of the lanes to target[into], which may be source[where], by way of a tile."""
    count = where[2] - where[1]
    find_maxima(source, where, state)
    write_exponentials(source, where, tile, (0, 0, count), scale, state)
    factor = state[OTHERS, :count]
    one = state.dtype.type(1)
    for lane in range(count):
        factor[lane] = one / factor[lane]
    for k in range(source.shape[1]):
        values, row = tile[0, k, :count], row_of(target, k, into)
        for lane in range(count):
            row[lane] = stored(values[lane] * factor[lane], row)


@compiled(inline=True)
def log_softmax_of_lanes(source, where, target, into, scale, state):
    """Write the log-probabilities of the lanes to target[into]."""
    count = where[2] - where[1]
    find_maxima(source, where, state)
    sum_in_parts(source, where, None, where, scale, state)
    take_logarithms(count, state)
    top, log_sum, beta = state[TOP, :count], state[OTHERS, :count], scale[BETA]
    for k in range(source.shape[1]):
        row, values = row_of(source, k, where), row_of(target, k, into)
        for lane in range(count):
            values[lane] = stored(fused_multiply_add(beta, number(row[lane]) - top[lane], -log_sum[lane]), values)


@compiled(inline=True)
def logsumexp_of_lanes(source, where, scale, state, sums):
    """Write the smooth maximum of each lane to `sums` (count,); a maximum of -inf or +inf is kept."""
    find_maxima(source, where, state)
    sum_in_parts(source, where, None, where, scale, state)
    take_logarithms(sums.size, state)
    beta = np.float64(scale[BETA])
    for lane in range(sums.size):
        top = np.float64(state[TOP, lane])
        if np.isinf(top):
            # Both infinities make the sum NaN, and so does NaN.
            for k in range(source.shape[1]):
                top = np.nan if np.isnan(number(source[where[0], k, where[1] + lane])) else top
            sums[lane] = top
        else:
            sums[lane] = top + np.float64(state[OTHERS, lane]) / beta

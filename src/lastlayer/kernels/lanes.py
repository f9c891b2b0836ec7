"""Functions across examples: each vector lane is another example, each step another class.

This serves an axis that is not the last, where neighbours in memory are examples, and short rows, which are turned
into that form a tile at a time. All arrays are (outer, K, inner) and C-contiguous; lanes are `start` to `stop` of the
last axis. The `state` (4, lanes) is scratch memory of the caller, in the type of the logits: the maximum of each lane
and the sum of its exponentials in three parts, as in exponential_sum.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum, scaled_difference
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.instructions import maximum
from lastlayer.kernels.logarithm import logarithm

TOP, OTHERS, LOST, WINNERS = 0, 1, 2, 3


@compiled(inline=True)
def find_maxima(logits, outer, start, stop, state):
    """Write each lane's maximum over the classes, NaN where there is a NaN."""
    top = state[TOP, : stop - start]
    for lane in range(top.size):
        top[lane] = -np.inf
    for k in range(logits.shape[1]):
        row = logits[outer, k, start:stop]
        for lane in range(top.size):
            top[lane] = maximum(top[lane], row[lane])


@compiled(inline=True)
def copy_lanes(source, target, outer, start, stop):
    """Copy the lanes unless both are the same memory."""
    if source.ctypes.data != target.ctypes.data:
        for k in range(source.shape[1]):
            row, copy = source[outer, k, start:stop], target[outer, k, start:stop]
            for lane in range(row.size):
                copy[lane] = row[lane]


@compiled(inline=True)
def sum_lanes(logits, outer, start, stop, beta, beta_low, keep, state):
    """Sum each lane's exponentials, compensated; leave them in `logits` if `keep` is True, not if it is None."""
    top, others = state[TOP, : stop - start], state[OTHERS, : stop - start]
    lost, winners = state[LOST, : stop - start], state[WINNERS, : stop - start]
    for lane in range(top.size):
        others[lane] = lost[lane] = winners[lane] = 0
    for k in range(logits.shape[1]):
        row = logits[outer, k, start:stop]
        for lane in range(top.size):
            high, low = scaled_difference(row[lane], top[lane], beta, beta_low)
            value = exponential(high, low)
            if keep is not None:
                row[lane] = value
            at_top = np.floor(value)
            winners[lane] += at_top
            others[lane], error = exact_sum(others[lane], value - at_top)
            lost[lane] += error


@compiled(inline=True)
def take_logarithms(count, state):
    """Replace the sums in state[OTHERS] by their logarithms, accurate relative to themselves when near 0."""
    others, lost, winners = state[OTHERS, :count], state[LOST, :count], state[WINNERS, :count]
    for lane in range(count):
        high, low = exact_sum(winners[lane], others[lane])
        others[lane] = logarithm(high, low + lost[lane])


@compiled(inline=True)
def softmax_in_place(array, outer, start, stop, beta, beta_low, state):
    """Replace the logits of the lanes by their probabilities."""
    find_maxima(array, outer, start, stop, state)
    sum_lanes(array, outer, start, stop, beta, beta_low, True, state)
    scale = state[OTHERS, : stop - start]
    one = array.dtype.type(1)
    for lane in range(scale.size):
        scale[lane] = one / (state[WINNERS, lane] + (scale[lane] + state[LOST, lane]))
    for k in range(array.shape[1]):
        row = array[outer, k, start:stop]
        for lane in range(scale.size):
            row[lane] *= scale[lane]


@compiled(inline=True)
def log_softmax_in_place(array, outer, start, stop, beta, beta_low, state):
    """Replace the logits of the lanes by their log-probabilities."""
    find_maxima(array, outer, start, stop, state)
    sum_lanes(array, outer, start, stop, beta, beta_low, None, state)
    take_logarithms(stop - start, state)
    top, log_sum = state[TOP, : stop - start], state[OTHERS, : stop - start]
    for k in range(array.shape[1]):
        row = array[outer, k, start:stop]
        for lane in range(top.size):
            row[lane] = beta * (row[lane] - top[lane]) - log_sum[lane]


@compiled(inline=True)
def logsumexp_of_lanes(logits, outer, start, stop, beta, beta_low, state, sums):
    """Write the smooth maximum of each lane to `sums` (stop - start,); a maximum of -inf or +inf is kept."""
    find_maxima(logits, outer, start, stop, state)
    sum_lanes(logits, outer, start, stop, beta, beta_low, None, state)
    take_logarithms(stop - start, state)
    inverse = np.float64(beta) + np.float64(beta_low)
    for lane in range(sums.size):
        top = np.float64(state[TOP, lane])
        sums[lane] = top if np.isinf(top) else top + np.float64(state[OTHERS, lane]) / inverse

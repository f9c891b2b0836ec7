"""What automatic differentiation asks of softmax: from a result and an upstream gradient g to the gradient in logits.

For probabilities p it is beta p (g - sum p g), for log-probabilities l it is beta (g - exp(l) sum g). Sums are
accumulated in float64. Arrays are (outer, K, inner), or (n, K) where rows are named, C-contiguous and of one type, of
those in `storage`; `gradient` is neither of the others. Beta is in the type that is computed in.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.columns import lanes_of_item
from lastlayer.kernels.exponential import UNIT, exponential_in_units, plain_scale
from lastlayer.kernels.lanes import lanes_in, lanes_out
from lastlayer.kernels.storage import constant, number, stored
from lastlayer.kernels.transposition import turn_in, turn_out

# Products that are added in the type of the array before their sum is added in float64: along a row, and in a lane.
_BLOCK, _CLASSES = 256, 32


@compiled(inline=True, fastmath={"reassoc"})
def _block_dot(a, b):
    total = constant(0, a)
    for j in range(a.size):
        total += number(a[j]) * number(b[j])
    return np.float64(total)


@compiled(inline=True, fastmath={"reassoc"})
def _block_sum(a):
    total = constant(0, a)
    for j in range(a.size):
        total += number(a[j])
    return np.float64(total)


@compiled
def softmax_backward_rows(probabilities, upstream, beta, gradient):
    """Write the gradient of softmax of long rows."""
    for i in range(probabilities.shape[0]):
        p, g, result = probabilities[i], upstream[i], gradient[i]
        total = 0.0
        for start in range(0, p.size, _BLOCK):
            total += _block_dot(p[start : start + _BLOCK], g[start : start + _BLOCK])
        mean = type(beta)(total)
        for j in range(p.size):
            result[j] = stored(beta * (number(p[j]) * (number(g[j]) - mean)), result)


@compiled
def log_softmax_backward_rows(log_probabilities, upstream, beta, gradient):
    """Write the gradient of log_softmax of long rows."""
    constants = plain_scale(log_probabilities)
    for i in range(log_probabilities.shape[0]):
        row, g, result = log_probabilities[i], upstream[i], gradient[i]
        total = 0.0
        for start in range(0, g.size, _BLOCK):
            total += _block_sum(g[start : start + _BLOCK])
        mass = type(beta)(total) / constants[UNIT]
        for j in range(row.size):
            p = exponential_in_units(number(row[j]), constants)
            result[j] = stored(beta * (number(g[j]) - p * mass), result)


@compiled(inline=True)
def _softmax_of_lanes(p, slopes, count, beta, sums, means):
    # `slopes` holds the upstream gradient and is written over.
    for lane in range(count):
        sums[lane] = 0.0
    for first in range(0, p.shape[0], _CLASSES):
        for lane in range(count):
            means[lane] = 0
        for k in range(first, min(first + _CLASSES, p.shape[0])):
            row, slope = p[k], slopes[k]
            for lane in range(count):
                means[lane] += row[lane] * slope[lane]
        for lane in range(count):
            sums[lane] += np.float64(means[lane])
    for lane in range(count):
        means[lane] = sums[lane]
    for k in range(p.shape[0]):
        row, slope = p[k], slopes[k]
        for lane in range(count):
            slope[lane] = beta * (row[lane] * (slope[lane] - means[lane]))


@compiled(inline=True)
def _log_softmax_of_lanes(log_p, slopes, count, beta, sums, masses):
    constants = plain_scale(log_p)
    for lane in range(count):
        sums[lane] = 0.0
    for first in range(0, log_p.shape[0], _CLASSES):
        for lane in range(count):
            masses[lane] = 0
        for k in range(first, min(first + _CLASSES, log_p.shape[0])):
            slope = slopes[k]
            for lane in range(count):
                masses[lane] += slope[lane]
        for lane in range(count):
            sums[lane] += np.float64(masses[lane])
    for lane in range(count):
        masses[lane] = type(beta)(sums[lane]) / constants[UNIT]
    for k in range(log_p.shape[0]):
        row, slope = log_p[k], slopes[k]
        for lane in range(count):
            slope[lane] = beta * (slope[lane] - exponential_in_units(row[lane], constants) * masses[lane])


@compiled
def softmax_backward_short_rows(probabilities, upstream, beta, gradient, tiles, sums, means, staging):
    """The same for short rows; scratch: `tiles` (2, K, lanes), `sums` (lanes,) float64, `means` (lanes,), `staging`."""
    tile, slopes = tiles[0], tiles[1]
    for start in range(0, probabilities.shape[0], sums.size):
        count = min(sums.size, probabilities.shape[0] - start)
        turn_in(probabilities, start, count, tile, staging)
        turn_in(upstream, start, count, slopes, staging)
        _softmax_of_lanes(tile, slopes, count, beta, sums, means)
        turn_out(slopes, gradient, start, count, staging)


@compiled
def log_softmax_backward_short_rows(log_probabilities, upstream, beta, gradient, tiles, sums, means, staging):
    """The same for short rows; scratch memory as in softmax_backward_short_rows."""
    tile, slopes = tiles[0], tiles[1]
    for start in range(0, log_probabilities.shape[0], sums.size):
        count = min(sums.size, log_probabilities.shape[0] - start)
        turn_in(log_probabilities, start, count, tile, staging)
        turn_in(upstream, start, count, slopes, staging)
        _log_softmax_of_lanes(tile, slopes, count, beta, sums, means)
        turn_out(slopes, gradient, start, count, staging)


@compiled
def softmax_backward_columns(probabilities, upstream, beta, gradient, tiles, sums, means, first, last):
    """The same along the middle axis; items are counted as in `columns`."""
    tile, slopes = tiles[0], tiles[1]
    for item in range(first, last):
        outer, start, stop = lanes_of_item(item, probabilities.shape[2], sums.size)
        lanes_in(probabilities, outer, start, stop, tile)
        lanes_in(upstream, outer, start, stop, slopes)
        _softmax_of_lanes(tile, slopes, stop - start, beta, sums, means)
        lanes_out(slopes, gradient, outer, start, stop)


@compiled
def log_softmax_backward_columns(log_probabilities, upstream, beta, gradient, tiles, sums, means, first, last):
    """The same along the middle axis; items are counted as in `columns`."""
    tile, slopes = tiles[0], tiles[1]
    for item in range(first, last):
        outer, start, stop = lanes_of_item(item, log_probabilities.shape[2], sums.size)
        lanes_in(log_probabilities, outer, start, stop, tile)
        lanes_in(upstream, outer, start, stop, slopes)
        _log_softmax_of_lanes(tile, slopes, stop - start, beta, sums, means)
        lanes_out(slopes, gradient, outer, start, stop)

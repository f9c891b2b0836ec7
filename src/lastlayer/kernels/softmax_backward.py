"""What automatic differentiation asks of softmax: from a result and an upstream gradient g to the gradient in logits.

For probabilities p it is beta p (g - sum p g), for log-probabilities l it is beta (g - exp(l) sum g). Sums are
accumulated in float64. Arrays are (outer, K, inner), or (n, K) where rows are named, C-contiguous and of one type, of
those in `storage`; `gradient` is neither of the others. Beta is in the type that is computed in.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.columns import lanes_of_item
from lastlayer.kernels.exponential import UNIT, exponential_in_units, plain_scale
from lastlayer.kernels.lanes import row_of
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
        mass, per_unit = type(beta)(total), type(beta)(1) / constants[UNIT]
        for j in range(row.size):
            p = exponential_in_units(number(row[j]), constants) * per_unit
            result[j] = stored(beta * (number(g[j]) - p * mass), result)


@compiled(inline=True)
def _softmax_of_lanes(p, g, result, where, beta, sums, means):
    for lane in range(where[2] - where[1]):
        sums[lane] = 0.0
    for first in range(0, p.shape[1], _CLASSES):
        for lane in range(where[2] - where[1]):
            means[lane] = 0
        for k in range(first, min(first + _CLASSES, p.shape[1])):
            row, slopes = row_of(p, k, where), row_of(g, k, where)
            for lane in range(row.size):
                means[lane] += number(row[lane]) * number(slopes[lane])
        for lane in range(where[2] - where[1]):
            sums[lane] += np.float64(means[lane])
    for lane in range(where[2] - where[1]):
        means[lane] = sums[lane]
    for k in range(p.shape[1]):
        row, slopes, into = row_of(p, k, where), row_of(g, k, where), row_of(result, k, where)
        for lane in range(row.size):
            into[lane] = stored(beta * (number(row[lane]) * (number(slopes[lane]) - means[lane])), into)


@compiled(inline=True)
def _log_softmax_of_lanes(log_p, g, result, where, beta, sums, masses):
    constants = plain_scale(log_p)
    per_unit = type(beta)(1) / constants[UNIT]
    for lane in range(where[2] - where[1]):
        sums[lane] = 0.0
    for first in range(0, g.shape[1], _CLASSES):
        for lane in range(where[2] - where[1]):
            masses[lane] = 0
        for k in range(first, min(first + _CLASSES, g.shape[1])):
            slopes = row_of(g, k, where)
            for lane in range(slopes.size):
                masses[lane] += number(slopes[lane])
        for lane in range(where[2] - where[1]):
            sums[lane] += np.float64(masses[lane])
    for lane in range(where[2] - where[1]):
        masses[lane] = sums[lane]
    for k in range(g.shape[1]):
        row, slopes, into = row_of(log_p, k, where), row_of(g, k, where), row_of(result, k, where)
        for lane in range(row.size):
            p = exponential_in_units(number(row[lane]), constants) * per_unit
            into[lane] = stored(beta * (number(slopes[lane]) - p * masses[lane]), into)


@compiled
def softmax_backward_short_rows(probabilities, upstream, beta, gradient, tiles, sums, means, staging):
    """The same for short rows; scratch: `tiles` (3, 1, K, lanes), `sums` (lanes,) float64, `means`, and `staging`."""
    for start in range(0, probabilities.shape[0], sums.size):
        count = min(sums.size, probabilities.shape[0] - start)
        turn_in(probabilities, start, count, tiles[0], staging)
        turn_in(upstream, start, count, tiles[1], staging)
        _softmax_of_lanes(tiles[0], tiles[1], tiles[2], (0, 0, count), beta, sums, means)
        turn_out(tiles[2], gradient, start, count, staging)


@compiled
def log_softmax_backward_short_rows(log_probabilities, upstream, beta, gradient, tiles, sums, means, staging):
    """The same for short rows; scratch memory as in softmax_backward_short_rows."""
    for start in range(0, log_probabilities.shape[0], sums.size):
        count = min(sums.size, log_probabilities.shape[0] - start)
        turn_in(log_probabilities, start, count, tiles[0], staging)
        turn_in(upstream, start, count, tiles[1], staging)
        _log_softmax_of_lanes(tiles[0], tiles[1], tiles[2], (0, 0, count), beta, sums, means)
        turn_out(tiles[2], gradient, start, count, staging)


@compiled
def softmax_backward_columns(probabilities, upstream, beta, gradient, sums, means, first, last):
    """The same along the middle axis; items are counted as in `columns`, by the lanes of `sums`."""
    for item in range(first, last):
        where = lanes_of_item(item, probabilities.shape[2], sums.size)
        _softmax_of_lanes(probabilities, upstream, gradient, where, beta, sums, means)


@compiled
def log_softmax_backward_columns(log_probabilities, upstream, beta, gradient, sums, means, first, last):
    """The same along the middle axis; items are counted as in `columns`, by the lanes of `sums`."""
    for item in range(first, last):
        where = lanes_of_item(item, log_probabilities.shape[2], sums.size)
        _log_softmax_of_lanes(log_probabilities, upstream, gradient, where, beta, sums, means)

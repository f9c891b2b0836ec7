"""What automatic differentiation asks of softmax: from a result and an upstream gradient g to the gradient in logits.

For probabilities p it is beta p (g - sum p g), for log-probabilities l it is beta (g - exp(l) sum g). Sums are
accumulated in float64. Arrays are (outer, K, inner) and C-contiguous in one type, or (n, K) where rows are named; beta
is in that type too.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.lanes import copy_lanes
from lastlayer.kernels.transposition import turn_in, turn_out

# Products that are added in the type of the array before their sum is added in float64.
_BLOCK = 256


@compiled(inline=True)
def _copied(source, target):
    # Whatever is computed in place then reads one array less: LLVM falls back to scalar code where what is read may be
    # what is written, and the result may be the upstream gradient itself.
    if source.ctypes.data != target.ctypes.data:
        for j in range(source.size):
            target[j] = source[j]


@compiled(inline=True, fastmath={"reassoc"})
def _block_dot(a, b):
    total = a.dtype.type(0)
    for j in range(a.size):
        total += a[j] * b[j]
    return np.float64(total)


@compiled(inline=True, fastmath={"reassoc"})
def _block_sum(a):
    total = a.dtype.type(0)
    for j in range(a.size):
        total += a[j]
    return np.float64(total)


@compiled
def softmax_backward_rows(probabilities, upstream, beta, gradient):
    """Write the gradient of softmax of long rows."""
    for i in range(probabilities.shape[0]):
        p, g, result = probabilities[i], upstream[i], gradient[i]
        total = 0.0
        for start in range(0, p.size, _BLOCK):
            total += _block_dot(p[start : start + _BLOCK], g[start : start + _BLOCK])
        mean = p.dtype.type(total)
        for start in range(0, p.size, _BLOCK):
            here, into = p[start : start + _BLOCK], result[start : start + _BLOCK]
            _copied(g[start : start + _BLOCK], into)
            for j in range(into.size):
                into[j] = beta * (here[j] * (into[j] - mean))


@compiled
def log_softmax_backward_rows(log_probabilities, upstream, beta, gradient):
    """Write the gradient of log_softmax of long rows."""
    zero = log_probabilities.dtype.type(0)
    for i in range(log_probabilities.shape[0]):
        row, g, result = log_probabilities[i], upstream[i], gradient[i]
        total = 0.0
        for start in range(0, g.size, _BLOCK):
            total += _block_sum(g[start : start + _BLOCK])
        mass = row.dtype.type(total)
        for start in range(0, row.size, _BLOCK):
            here, into = row[start : start + _BLOCK], result[start : start + _BLOCK]
            _copied(g[start : start + _BLOCK], into)
            for j in range(into.size):
                into[j] = beta * (into[j] - exponential(here[j], zero) * mass)


@compiled(inline=True)
def _softmax_of_lanes(p, gradient, outer, start, stop, beta, sums, means):
    # `gradient` holds the upstream gradient and is written over.
    for lane in range(stop - start):
        sums[lane] = 0.0
    for k in range(p.shape[1]):
        row, slopes = p[outer, k, start:stop], gradient[outer, k, start:stop]
        for lane in range(row.size):
            sums[lane] += np.float64(row[lane] * slopes[lane])
    for lane in range(stop - start):
        means[lane] = sums[lane]
    for k in range(p.shape[1]):
        row, slopes = p[outer, k, start:stop], gradient[outer, k, start:stop]
        for lane in range(row.size):
            slopes[lane] = beta * (row[lane] * (slopes[lane] - means[lane]))


@compiled(inline=True)
def _log_softmax_of_lanes(log_p, gradient, outer, start, stop, beta, sums, masses):
    zero = log_p.dtype.type(0)
    for lane in range(stop - start):
        sums[lane] = 0.0
    for k in range(log_p.shape[1]):
        slopes = gradient[outer, k, start:stop]
        for lane in range(slopes.size):
            sums[lane] += np.float64(slopes[lane])
    for lane in range(stop - start):
        masses[lane] = sums[lane]
    for k in range(log_p.shape[1]):
        row, slopes = log_p[outer, k, start:stop], gradient[outer, k, start:stop]
        for lane in range(row.size):
            slopes[lane] = beta * (slopes[lane] - exponential(row[lane], zero) * masses[lane])


@compiled
def softmax_backward_short_rows(probabilities, upstream, beta, gradient, tiles, sums, means):
    """The same for short rows; `tiles` (2, 1, K, lanes), `sums` (lanes,) float64 and `means` (lanes,) are scratch."""
    tile, slopes = tiles[0], tiles[1]
    for start in range(0, probabilities.shape[0], sums.size):
        count = min(sums.size, probabilities.shape[0] - start)
        turn_in(probabilities, start, count, tile)
        turn_in(upstream, start, count, slopes)
        _softmax_of_lanes(tile, slopes, 0, 0, count, beta, sums, means)
        turn_out(slopes, gradient, start, count)


@compiled
def log_softmax_backward_short_rows(log_probabilities, upstream, beta, gradient, tiles, sums, means):
    """The same for short rows; scratch memory as in softmax_backward_short_rows."""
    tile, slopes = tiles[0], tiles[1]
    for start in range(0, log_probabilities.shape[0], sums.size):
        count = min(sums.size, log_probabilities.shape[0] - start)
        turn_in(log_probabilities, start, count, tile)
        turn_in(upstream, start, count, slopes)
        _log_softmax_of_lanes(tile, slopes, 0, 0, count, beta, sums, means)
        turn_out(slopes, gradient, start, count)


@compiled
def softmax_backward_columns(probabilities, upstream, beta, gradient, sums, means, first, last):
    """The same along the middle axis; items are counted as in `columns`, by the lanes of `sums`."""
    items = (probabilities.shape[2] + sums.size - 1) // sums.size
    for item in range(first, last):
        outer, start = item // items, (item % items) * sums.size
        stop = min(start + sums.size, probabilities.shape[2])
        copy_lanes(upstream, gradient, outer, start, stop)
        _softmax_of_lanes(probabilities, gradient, outer, start, stop, beta, sums, means)


@compiled
def log_softmax_backward_columns(log_probabilities, upstream, beta, gradient, sums, means, first, last):
    """The same along the middle axis; items are counted as in `columns`, by the lanes of `sums`."""
    items = (log_probabilities.shape[2] + sums.size - 1) // sums.size
    for item in range(first, last):
        outer, start = item // items, (item % items) * sums.size
        stop = min(start + sums.size, log_probabilities.shape[2])
        copy_lanes(upstream, gradient, outer, start, stop)
        _log_softmax_of_lanes(log_probabilities, gradient, outer, start, stop, beta, sums, means)

"""What a sampled loss does beside its matrix products: hits, sigmoids of one row, and rows of a sparse gradient."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.instructions import larger, where_at_least
from lastlayer.kernels.logarithm import logarithm
from lastlayer.kernels.vectors import filled, lane_count, load, load_first, store, store_first, sum_of_lanes

# Vectors whose losses are added plainly, half of them to either of two sums.
_BLOCK = 16


@compiled
def mask_hits(logits, starts, stops, order):
    """Write -inf to the logit of each candidate that is one of its row's labels; O(rows + hits).

    Args:
      logits: (n, S + ...) float32 or float64, candidates first.
      starts: (n, M) int64, the first place of each label in the sorted candidates.
      stops: (n, M) int64, the one after its last.
      order: (S,) int64, the candidate that stands at each place.
    """
    for i in range(starts.shape[0]):
        for m in range(starts.shape[1]):
            for place in range(starts[i, m], stops[i, m]):
                logits[i, order[place]] = -np.inf


@compiled
def sampled_binary_rows(logits, num_candidates, num_true, losses, gradient):
    """The sum over candidates of log(1 + exp(z)) and over true classes of log(1 + exp(-z)), in nats, of each row.

    Args:
      logits: (n, S + M + ...) float32 or float64, candidates first, then true classes. A candidate of -inf and a true
        class of +inf cost nothing.
      num_candidates: S.
      num_true: M.
      losses: (n,) float64, written; a few vectors are summed plainly, those sums in float64.
      gradient: an array as `logits`, or `logits` itself, whose S + M columns are written; or None.
    """
    for i in range(losses.size):
        candidates = logits[i, :num_candidates]
        true = logits[i, num_candidates : num_candidates + num_true]
        if gradient is None:
            losses[i] = _of_candidates(candidates, None) + _of_true(true, None)
        else:
            total = _of_candidates(candidates, gradient[i, :num_candidates])
            losses[i] = total + _of_true(true, gradient[i, num_candidates : num_candidates + num_true])


@compiled(inline=True)
def _of_candidates(row, slopes):
    """The sum of log(1 + exp(z)) over a row, a vector at a time, and its derivatives."""
    width = lane_count(row)
    total, block = 0.0, width * _BLOCK
    for start in range(0, row.size, block):
        stop = min(start + block, row.size)
        whole = stop - (stop - start) % width
        even = odd = filled(row, 0)
        for j in range(start, whole, width):
            losses, of_losses = _softplus(load(row, j), row)
            if slopes is not None:
                store(slopes, j, of_losses)
            even, odd = odd, even + losses
        if whole < stop:
            losses, of_losses = _softplus(load_first(row, whole, stop - whole, -np.inf), row)
            if slopes is not None:
                store_first(slopes, whole, of_losses, stop - whole)
            odd = odd + losses
        total += np.float64(sum_of_lanes(even + odd))
    return total


@compiled(inline=True)
def _softplus(z, row):
    """log(1 + exp(z)) of a vector and its derivative, the sigmoid."""
    nothing, ones = filled(row, 0), filled(row, 1)
    # Of exp(z) and exp(-z) the one that cannot overflow.
    smaller = exponential(nothing - larger(z, nothing - z))
    high, low = exact_sum(ones, smaller)
    share = ones / high
    return logarithm(high, low) + larger(z, nothing), where_at_least(z, 0, share, smaller * share)


@compiled(inline=True)
def _of_true(row, slopes):
    """The sum of log(1 + exp(-z)) over a row, and its derivatives."""
    one, zero, total = row.dtype.type(1), row.dtype.type(0), 0.0
    for j in range(row.size):
        z = row[j]
        smaller = exponential(-abs(z))
        high, low = exact_sum(one, smaller)
        total += np.float64(logarithm(high, low) + max(-z, zero))
        if slopes is not None:
            share = one / high
            slopes[j] = -share if z < zero else -(smaller * share)
    return total


@compiled
def add_rows_of_classes(first, last, edges, places, examples, residuals, features, total, result):
    """Add to the row of each class the sum over its examples of residual times features, summed in float64.

    Args:
      first: of the classes that this call adds, which stand in `edges`.
      last: the one after the last of them.
      edges: (C + 1,) int64, where the pairs of each class begin.
      places: (C,) int64, the row of each class in `result`.
      examples: (P,) int64, the example of each pair.
      residuals: (P,) float32 or float64.
      features: (N, D).
      total: (D,) float64, scratch memory.
      result: (R, D), added to.
    """
    for c in range(first, last):
        total[:] = 0.0
        for pair in range(edges[c], edges[c + 1]):
            residual, row = np.float64(residuals[pair]), features[examples[pair]]
            for d in range(total.size):
                total[d] += residual * np.float64(row[d])
        into = result[places[c]]
        for d in range(total.size):
            into[d] = np.float64(into[d]) + total[d]

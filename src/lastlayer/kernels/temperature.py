"""The loss of each row as a function of its inverse temperature, with two derivatives: moments under softmax.

For d = z - max z and p = softmax(beta z), the loss is ln sum exp(beta d) - beta d(label); its derivative with respect
to beta is E_p[d] - d(label), and the second derivative Var_p[d].

In float32, u = 2^-24, d and beta d are rounded to within u and 1.5 u of their size, so a term d^k exp(beta d) errs by
4 u + 1.5 u |beta d| at most, relatively; a sum of 16 terms, and then of 16 lanes, adds 19 u. So E_p[d], a ratio of
such sums, errs by at most 44 u (E_p|d| + beta E_p[d^2]). How far the label's logit lies below the largest is exact.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import LOWEST, UNIT_64, exponential_in_units, plain_scale, unpacked
from lastlayer.kernels.instructions import at_least, fused_multiply_add, prefetch_to_read, where_equal
from lastlayer.kernels.row_sums import row_maximum
from lastlayer.kernels.vectors import filled, lane_count, load, load_first, sum_of_lanes, widened

# Farther than any difference whose square float64 holds.
_FARTHEST = np.float64(-1e300)
_PER_UNIT = 1.0 / UNIT_64
# Vectors whose moments are added in float32 before they are added in float64.
_BLOCK = 16
# Logits from those at work to those that are fetched meanwhile: a page.
_AHEAD = 1024


@compiled
def temperature_rows(logits, labels, betas, constants, loss, slope, curvature, shortfall):
    """Fill four (n,) float64 arrays from an (n, K) block of logits; all sums are in float64.

    Args:
      logits: (n, K) float32 or float64; -inf marks a class as impossible.
      labels: (n,) int64, in 0..K-1.
      betas: (n,) float64 inverse temperatures, >= 0.
      constants: a float64 array, of which only the type is used: that of the sums.
      loss: receives -ln softmax(beta z)[label], in nats.
      slope: receives the derivative of each row's loss; not finite where the row holds NaN or +inf, where all of it
        is -inf, and where its label is.
      curvature: receives the second derivative, >= 0.
      shortfall: receives how far the label's logit lies below the largest, >= 0.
    """
    scale = plain_scale(constants)
    for i in range(labels.size):
        row = logits[i]
        beta = betas[i]
        top = np.float64(row_maximum(row))
        width = lane_count(row)
        whole = row.size - row.size % width
        sum_0 = sum_1 = sum_2 = widened(filled(row, 0))
        for j in range(0, whole, width):
            sum_0, sum_1, sum_2 = _with_moments(widened(load(row, j)) - top, beta, scale, sum_0, sum_1, sum_2)
        if whole < row.size:
            rest = widened(load_first(row, whole, row.size - whole, -np.inf)) - top
            sum_0, sum_1, sum_2 = _with_moments(rest, beta, scale, sum_0, sum_1, sum_2)
        total = sum_of_lanes(sum_0)
        mean = sum_of_lanes(sum_1) / total
        shortfall[i] = top - np.float64(row[labels[i]])
        loss[i] = np.log(total * _PER_UNIT) + beta * shortfall[i]
        slope[i] = mean + shortfall[i]
        variance = sum_of_lanes(sum_2) / total - mean * mean
        curvature[i] = 0.0 if variance < 0.0 else variance  # rounding may make it negative; NaN stays


@compiled(inline=True)
def _with_moments(difference, beta, scale, sum_0, sum_1, sum_2):
    """The three sums of `unit` exp(beta d) d^k with those of one more vector of differences."""
    # An impossible class, and a lane without one, has no part in any sum, at beta = 0 either; its exponential is 0, and
    # a difference that is not infinite keeps 0 * inf out. NaN stays at beta = 0 too.
    if beta == 0.0:
        values = where_equal(difference, -np.inf, 0.0, difference * 0.0 + UNIT_64)
    else:
        values = exponential_in_units(where_equal(difference, -np.inf, -np.inf, difference * beta), scale)
    difference = at_least(difference, _FARTHEST)
    sum_1 = fused_multiply_add(values, difference, sum_1)
    sum_2 = fused_multiply_add(values * difference, difference, sum_2)
    return sum_0 + values, sum_1, sum_2


@compiled
def slope_rows(logits, labels, scale, slope, curvature, shortfall):
    """Fill three (n,) float64 arrays as `temperature_rows` does, of float32 logits at one beta, in float32.

    Args:
      logits: (n, K) float32; -inf marks a class as impossible.
      labels: (n,) int64, in 0..K-1.
      scale: scale_of(beta, float32), for a beta > 0 at which the largest d^2 exp(beta d) is a normal number.
      slope: receives the derivative of each row's loss, not finite where that of `temperature_rows` is not.
      curvature: receives the second derivative, >= 0.
      shortfall: receives how far the label's logit lies below the largest, >= 0.
    """
    scale = unpacked(scale)
    for i in range(labels.size):
        row = logits[i]
        top = row_maximum(row)
        width = lane_count(row)
        total = first = second = 0.0
        for start in range(0, row.size, _BLOCK * width):
            stop = min(start + _BLOCK * width, row.size)
            whole = stop - (stop - start) % width
            sum_0 = sum_1 = sum_2 = filled(row, 0)
            for j in range(start, whole, width):
                prefetch_to_read(row, j + _AHEAD)  # which may be beyond the array: fetching reads nothing
                sum_0, sum_1, sum_2 = _with_near_moments(load(row, j) - top, scale, sum_0, sum_1, sum_2)
            if whole < stop:
                rest = load_first(row, whole, stop - whole, -np.inf) - top
                sum_0, sum_1, sum_2 = _with_near_moments(rest, scale, sum_0, sum_1, sum_2)
            total += np.float64(sum_of_lanes(sum_0))
            first += np.float64(sum_of_lanes(sum_1))
            second += np.float64(sum_of_lanes(sum_2))
        mean = first / total
        shortfall[i] = np.float64(top) - np.float64(row[labels[i]])
        slope[i] = mean + shortfall[i]
        variance = second / total - mean * mean
        curvature[i] = 0.0 if variance < 0.0 else variance


@compiled(inline=True)
def _with_near_moments(difference, scale, sum_0, sum_1, sum_2):
    # At the lowest difference the exponential is 0 already, and so are its products, which -inf would spoil.
    difference = at_least(difference, scale[LOWEST])
    values = exponential_in_units(difference, scale)
    weighted = values * difference
    return sum_0 + values, sum_1 + weighted, fused_multiply_add(weighted, difference, sum_2)

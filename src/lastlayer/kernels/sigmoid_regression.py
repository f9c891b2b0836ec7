"""Loops over the logits of labels, each label's rows side by side: losses along a line, and a step along it.

Arrays of logits are (B, N), one label a row. `signs` are -1 where a row has the label and 1 where it has not, so that
log(1 + exp(sign z)) is the loss. The weight of an entry is that of its row times the factor of its label and answer,
`factors[label, answer]`.
"""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.instructions import at_least, larger, where_at_least
from lastlayer.kernels.logarithm import logarithm
from lastlayer.kernels.vectors import filled, lane_count, load, load_first, store, store_first, sum_of_lanes, widened


@compiled(inline=True)
def _loss_and_probabilities(m, one):
    """log(1 + exp(m)) of a vector, and 1 / (1 + exp(-m)) and 1 / (1 + exp(m))."""
    size = larger(m, m * -1.0)
    smaller = exponential(size * -1.0)
    high, low = exact_sum(one, smaller)
    share = one / (one + smaller)
    of_smaller = smaller * share
    wrong, right = where_at_least(m, 0.0, share, of_smaller), where_at_least(m, 0.0, of_smaller, share)
    return logarithm(high, low) + at_least(m, 0.0), wrong, right


@compiled(inline=True)
def _loaded(row, n, count):
    """The next vector of a row, or its last `count` numbers and zeros."""
    if count >= lane_count(row):
        return load(row, n)
    return load_first(row, n, count, row.dtype.type(0))


@compiled
def line_labels(logits, direction, signs, row_weight, factors, which, steps, sums):
    """Losses of logits + steps * direction, with their first and second derivative by the step.

    Args:
      logits: (B, N) float32 or float64.
      direction: (B, N), as all others of the logits' type unless it is said.
      signs: (B, N), -1 or 1.
      row_weight: (N,) of the logits' type.
      factors: (B, 2).
      which: (M,) int64, the labels that are asked for.
      steps: (M,) of the logits' type.
      sums: (M, 3) float64, written: loss, slope, curvature.
    """
    one, width = filled(logits[0], 1), lane_count(row_weight)
    for i in range(which.size):
        label, t = which[i], steps[i]
        no, yes = factors[label, 0], factors[label, 1]
        loss = slope = curvature = widened(filled(logits[0], 0))
        for n in range(0, row_weight.size, width):
            count = row_weight.size - n
            step, sign = _loaded(direction[label], n, count), _loaded(signs[label], n, count)
            m = (_loaded(logits[label], n, count) + step * t) * sign
            value, wrong, right = _loss_and_probabilities(m, one)
            weight = _loaded(row_weight, n, count) * where_at_least(sign, 0.0, one * no, one * yes)
            by_step = weight * wrong * step
            loss = loss + widened(weight * value)
            slope = slope + widened(by_step * sign)
            curvature = curvature + widened(by_step * right * step)
        sums[i, 0], sums[i, 1], sums[i, 2] = sum_of_lanes(loss), sum_of_lanes(slope), sum_of_lanes(curvature)


@compiled
def step_labels(logits, direction, signs, row_weight, factors, steps, sums):
    """Add steps * direction to the logits, and write the weighted slopes of the losses over the direction.

    `steps` is (B,), and `sums` (B, 3) becomes loss, sum of slopes and sum of weight p (1 - p); the others are as above.
    """
    one, width = filled(logits[0], 1), lane_count(row_weight)
    for label in range(logits.shape[0]):
        t, no, yes = steps[label], factors[label, 0], factors[label, 1]
        loss = slopes = mass = widened(filled(logits[0], 0))
        for n in range(0, row_weight.size, width):
            count = row_weight.size - n
            sign = _loaded(signs[label], n, count)
            z = _loaded(logits[label], n, count) + _loaded(direction[label], n, count) * t
            value, wrong, right = _loss_and_probabilities(z * sign, one)
            weight = _loaded(row_weight, n, count) * where_at_least(sign, 0.0, one * no, one * yes)
            slope = weight * wrong
            loss = loss + widened(weight * value)
            mass = mass + widened(slope * right)
            slope = slope * sign
            slopes = slopes + widened(slope)
            if count >= width:
                store(logits[label], n, z)
                store(direction[label], n, slope)
            else:
                store_first(logits[label], n, z, count)
                store_first(direction[label], n, slope, count)
        sums[label, 0], sums[label, 1], sums[label, 2] = sum_of_lanes(loss), sum_of_lanes(slopes), sum_of_lanes(mass)

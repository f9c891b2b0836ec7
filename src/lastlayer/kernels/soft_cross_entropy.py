"""Cross-entropy of contiguous rows of logits against a target for every class, with its gradient."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import UNIT, plain_scale
from lastlayer.kernels.row_sums import (
    copied_maximum_and_place,
    log_of_sum,
    maximum_and_place,
    next_row,
    place_of_winner,
    sum_in_parts,
)


@compiled(inline=True, fastmath={"reassoc"})
def _mass_and_cost(row, targets, top):
    """(sum_k t_k, sum_k t_k (top - row[k])) in float64; a class of target 0 may be at -inf."""
    mass = cost = 0.0
    for k in range(row.size):
        target = np.float64(targets[k])
        below = np.float64(top) - np.float64(row[k])
        mass += target
        cost += target * below if target != 0.0 else 0.0
    return mass, cost


@compiled
def soft_cross_entropy_rows(logits, targets, row_scale, losses, gradient):
    """Write -sum_k t_k log softmax(z)_k of each row, in nats, and `row_scale` times its gradient.

    A row with NaN or +inf, or all -inf, is NaN.

    Args:
      logits: (n, K) C-contiguous float32 or float64.
      targets: (n, K) of the same type, finite; their sum need not be 1.
      row_scale: (n,) float64, the factor of each row's gradient; the losses are not scaled.
      losses: (n,) float64, written.
      gradient: (n, K) in the type of `logits`, written, may be `logits` itself; or None.
    """
    constants = plain_scale(logits)
    unit = constants[UNIT]
    for i in range(logits.shape[0]):
        target = targets[i]
        if gradient is None:
            row = logits[i]
            top, place = maximum_and_place(row)
            mass, cost = _mass_and_cost(row, target, top)
            following = next_row(logits, i), row[:0]
            others, lost, winners = sum_in_parts(row, top, place, constants, None, following)
        else:
            row = gradient[i]
            top, place = copied_maximum_and_place(logits[i], row)
            mass, cost = _mass_and_cost(row, target, top)
            following = next_row(logits, i), next_row(gradient, i)
            others, lost, winners = sum_in_parts(row, top, place, constants, True, following)
        losses[i] = mass * log_of_sum(others, lost, winners) + cost
        if gradient is not None:
            total = winners + (others + lost)
            share = row.dtype.type(mass / (total * np.float64(unit)))
            scale, winner = row.dtype.type(row_scale[i]), place_of_winner(row, place, unit)
            for k in range(row.size):
                row[k] = scale * (row[k] * share - target[k])
            if winners == 1.0:
                # p - t would cancel where both are near 1, but the sum of the other classes is known by itself.
                row[winner] = row_scale[i] * ((mass - np.float64(target[winner])) - mass * ((others + lost) / total))

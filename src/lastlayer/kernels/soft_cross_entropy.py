"""Cross-entropy of logits against a target for every class, with its gradient.

The loss of an example is -sum_k t_k log softmax(z)_k, in nats; the targets need not sum to 1. An example with NaN or
+inf, or all -inf, is NaN.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.columns import lanes_of_item
from lastlayer.kernels.exponential import UNIT, plain_scale
from lastlayer.kernels.lanes import LOST, OTHERS, TOP, WINNERS, find_maxima, log_of_sum, row_of, sum_in_parts
from lastlayer.kernels.row_sums import (
    copied_maximum_and_place,
    maximum_and_place,
    next_row,
    place_of_winner,
)
from lastlayer.kernels.row_sums import log_of_sum as log_of_row_sum
from lastlayer.kernels.row_sums import sum_in_parts as sum_of_row
from lastlayer.kernels.storage import number, room_for_numbers, stored
from lastlayer.kernels.transposition import turn_in, turn_out


@compiled(inline=True, fastmath={"reassoc"})
def _mass_and_cost(row, targets, top):
    """(sum_k t_k, sum_k t_k (top - row[k])) in float64; a class of target 0 may be at -inf."""
    mass = cost = 0.0
    for k in range(row.size):
        target = np.float64(targets[k])
        below = np.float64(top) - np.float64(number(row[k]))
        mass += target
        cost += target * below if target != 0.0 else 0.0
    return mass, cost


@compiled
def soft_cross_entropy_rows(logits, targets, row_scale, losses, gradient, scratch):
    """Write the loss of each row, and `row_scale` times its gradient.

    Args:
      logits: (n, K) C-contiguous, of a type in `storage`.
      targets: (n, K) in the type that is computed in, finite.
      row_scale: (n,) float64, the factor of each row's gradient; the losses are not scaled.
      losses: (n,) float64, written.
      gradient: (n, K) in the type of `logits`, written, may be `logits` itself; or None.
      scratch: (K,) float32 for bits, else None.
    """
    constants = plain_scale(logits)
    unit = constants[UNIT]
    for i in range(logits.shape[0]):
        source, target = logits[i], targets[i]
        row = room_for_numbers(source, scratch)
        if gradient is None:
            top, place = maximum_and_place(source)
            mass, cost = _mass_and_cost(source, target, top)
            following = next_row(logits, i), source[:0]
            others, lost, winners = sum_of_row(source, top, place, constants, None, following)
        else:
            result = gradient[i]
            row = room_for_numbers(result, scratch)
            top, place = copied_maximum_and_place(source, row)
            mass, cost = _mass_and_cost(row, target, top)
            following = next_row(logits, i), next_row(gradient, i)
            others, lost, winners = sum_of_row(row, top, place, constants, True, following)
        losses[i] = mass * log_of_row_sum(others, lost, winners) + cost
        if gradient is not None:
            total = winners + (others + lost)
            share = row.dtype.type(mass / (total * np.float64(unit)))
            scale, winner = row.dtype.type(row_scale[i]), place_of_winner(row, place, unit)
            for k in range(row.size):
                row[k] = scale * (row[k] * share - target[k])
            if winners == 1.0:
                # p - t would cancel where both are near 1, but the sum of the other classes is known by itself.
                row[winner] = row_scale[i] * ((mass - np.float64(target[winner])) - mass * ((others + lost) / total))
            if scratch is not None:
                for k in range(row.size):
                    result[k] = stored(row[k], result)


@compiled(inline=True)
def _of_lanes(source, targets, where, row_scale, losses, gradient, into, scale, memory):
    # `memory` is as in the kernels below.
    tile, state, label_state, sums = memory
    count = where[2] - where[1]
    top, others = state[TOP, :count], state[OTHERS, :count]
    lost, winners = state[LOST, :count], state[WINNERS, :count]
    mass, cost = sums[0, :count], sums[1, :count]
    find_maxima(source, where, state)
    for lane in range(count):
        mass[lane] = cost[lane] = 0.0
    for k in range(source.shape[1]):
        row, wanted = row_of(source, k, where), row_of(targets, k, where)
        for lane in range(count):
            target = np.float64(wanted[lane])
            below = np.float64(top[lane]) - np.float64(number(row[lane]))
            mass[lane] += target
            cost[lane] += target * below if target != 0.0 else 0.0
    sum_in_parts(source, where, None if gradient is None else tile, (0, 0, count), scale, state)
    for lane in range(count):
        log_sum = np.float64(log_of_sum(others[lane], lost[lane], winners[lane]))
        losses[lane] = mass[lane] * log_sum + cost[lane]
    if gradient is not None:
        share, alone, infinite = label_state[0, :count], label_state[1, :count], state.dtype.type(np.inf)
        for lane in range(count):
            rest = np.float64(others[lane]) + np.float64(lost[lane])
            total = winners[lane] + rest
            share[lane] = mass[lane] / (total * np.float64(scale[UNIT]))
            # Where one class alone is at the maximum, p - t comes from the sum of the others, see above.
            alone[lane] = scale[UNIT] if winners[lane] == 1.0 else infinite
            cost[lane] = mass[lane] * (rest / total)
            top[lane] = row_scale[lane]
        for k in range(source.shape[1]):
            values, wanted, slopes = tile[0, k, :count], row_of(targets, k, where), row_of(gradient, k, into)
            for lane in range(count):
                difference = values[lane] * share[lane] - wanted[lane]
                of_winner = state.dtype.type((mass[lane] - np.float64(wanted[lane])) - cost[lane])
                difference = of_winner if values[lane] >= alone[lane] else difference
                slopes[lane] = stored(top[lane] * difference, slopes)


@compiled
def soft_cross_entropy_short_rows(
    logits, targets, row_scale, losses, gradient, turned, turned_targets, staging, memory
):
    """The same for short rows; scratch memory as in smoothed_cross_entropy_short_rows."""
    constants, lanes = plain_scale(logits), turned.shape[2]
    for start in range(0, logits.shape[0], lanes):
        count = min(lanes, logits.shape[0] - start)
        part, where = slice(start, start + count), (0, 0, count)
        turn_in(logits, start, count, turned, staging)
        turn_in(targets, start, count, turned_targets, staging)
        of_rows = turned, turned_targets, where, row_scale[part], losses[part]
        if gradient is None:
            _of_lanes(*of_rows, None, where, constants, memory)
        else:
            _of_lanes(*of_rows, turned, where, constants, memory)
            turn_out(turned, gradient, start, count, staging)


@compiled
def soft_cross_entropy_columns(logits, targets, row_scale, losses, gradient, memory, first, last):
    """The same along the middle axis, as in `columns`: what was (n,) is (outer, inner); `memory` as for short rows."""
    constants, lanes = plain_scale(logits), memory[0].shape[2]
    for item in range(first, last):
        where = lanes_of_item(item, logits.shape[2], lanes)
        outer, start, stop = where
        of_item = row_scale[outer, start:stop], losses[outer, start:stop]
        _of_lanes(logits, targets, where, *of_item, gradient, where, constants, memory)

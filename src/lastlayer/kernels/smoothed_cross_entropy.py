"""Cross-entropy against a label and a weight on every class, what label smoothing asks for, with its gradient.

The loss of an example is a (-log p[label]) + sum_k b_k (-log p_k), in nats. A label outside 0..K-1 is ignored: loss 0,
gradient 0, whatever the logits. An example with NaN or +inf, or all -inf, is NaN.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.columns import lanes_of_item
from lastlayer.kernels.cross_entropy_lanes import gather_at_labels, write_at_labels
from lastlayer.kernels.exponential import UNIT, exponential_in_units, plain_scale
from lastlayer.kernels.lanes import LOST, OTHERS, TOP, WINNERS, find_maxima, log_of_sum, row_of, sum_in_parts
from lastlayer.kernels.row_sums import copied_maximum_and_place, maximum_and_place
from lastlayer.kernels.row_sums import log_of_sum as log_of_row_sum
from lastlayer.kernels.row_sums import sum_in_parts as sum_of_row
from lastlayer.kernels.storage import number, room_for_numbers, stored
from lastlayer.kernels.transposition import turn_in, turn_out


@compiled(inline=True, fastmath={"reassoc"})
def _below_top(row, top, class_weight):
    """sum_k class_weight[k] (top - row[k]) in float64; a class of weight 0 may be at -inf."""
    total = 0.0
    for k in range(row.size):
        weight = class_weight[k]
        below = np.float64(top) - np.float64(number(row[k]))
        total += weight * below if weight != 0.0 else 0.0
    return total


@compiled
def smoothed_cross_entropy_rows(logits, labels, label_weight, class_weight, row_scale, losses, gradient, scratch):
    """Write the loss of each row, and `row_scale` times its gradient.

    Args:
      logits: (n, K) C-contiguous, of a type in `storage`.
      labels: (n,) int64.
      label_weight: (n,) float64, a above, >= 0.
      class_weight: (K,) float64, b above, >= 0.
      row_scale: (n,) float64, the factor of each row's gradient; the losses are not scaled.
      losses: (n,) float64, written.
      gradient: (n, K) in the type of `logits`, written, may be `logits` itself; or None.
      scratch: (K,) float32 for bits, else None.
    """
    constants = plain_scale(logits)
    per_unit = 1.0 / np.float64(constants[UNIT])
    class_total = class_weight.sum()
    for i in range(logits.shape[0]):
        label, weight, source = labels[i], label_weight[i], logits[i]
        if not 0 <= label < source.size:
            losses[i] = 0.0
            if gradient is not None:
                gradient[i, :] = 0
            continue
        logit, following = number(source[label]), (source[:0], source[:0])
        row = room_for_numbers(source, scratch)
        if gradient is None:
            top, place = maximum_and_place(source)
            spread = _below_top(source, top, class_weight)
            others, lost, winners = sum_of_row(source, top, place, constants, None, following)
        else:
            target = gradient[i]
            row = room_for_numbers(target, scratch)
            top, place = copied_maximum_and_place(source, row)
            spread = _below_top(row, top, class_weight)
            others, lost, winners = sum_of_row(row, top, place, constants, True, following)
        total = winners + (others + lost)
        log_sum = log_of_row_sum(others, lost, winners)
        at_label = log_sum + (np.float64(top) - np.float64(logit)) if weight != 0.0 else 0.0 * log_sum
        losses[i] = weight * at_label + (class_total * log_sum + spread)
        if gradient is not None:
            value = np.float64(row[label]) * per_unit
            not_label = (winners - 1.0) + (others + lost) if value >= 1.0 else total - value
            factor = (weight + class_total) / total * per_unit
            for j in range(row.size):
                row[j] = (row[j] * factor - class_weight[j]) * row_scale[i]
            row[label] = ((class_total * value - weight * not_label) / total - class_weight[label]) * row_scale[i]
            if scratch is not None:
                for j in range(row.size):
                    target[j] = stored(row[j], target)


@compiled(inline=True)
def _of_lanes(source, where, targets, row_scale, losses, gradient, into, scale, memory):
    # `targets` are the labels, their weights and those of the classes; `memory` is as in the kernels below.
    labels, label_weight, class_weight = targets
    tile, state, label_state, sums = memory
    count, class_total, within = labels.size, class_weight.sum(), (0, 0, labels.size)
    top, others = state[TOP, :count], state[OTHERS, :count]
    lost, winners, spread = state[LOST, :count], state[WINNERS, :count], sums[0, :count]
    at_label, factor = label_state[0, :count], label_state[1, :count]
    find_maxima(source, where, state)
    gather_at_labels(source, where, labels, at_label)
    for lane in range(count):
        spread[lane] = 0.0
    for k in range(source.shape[1]):
        weight, row = class_weight[k], row_of(source, k, where)
        if weight != 0.0:
            for lane in range(count):
                spread[lane] += weight * (np.float64(top[lane]) - np.float64(number(row[lane])))
    sum_in_parts(source, where, None if gradient is None else tile, within, scale, state)
    one, per_unit = state.dtype.type(1), state.dtype.type(1) / scale[UNIT]
    for lane in range(count):
        log_sum = np.float64(log_of_sum(others[lane], lost[lane], winners[lane]))
        weight, below = label_weight[lane], np.float64(top[lane]) - np.float64(at_label[lane])
        own_cost = weight * (log_sum + below) if weight != 0.0 else 0.0 * log_sum
        losses[lane] = own_cost + (class_total * log_sum + spread[lane])
    for lane in range(count):
        if not 0 <= labels[lane] < source.shape[1]:
            losses[lane] = 0.0
    if gradient is not None:
        for lane in range(count):
            own = exponential_in_units(at_label[lane] - top[lane], scale) * per_unit
            rest = others[lane] + lost[lane]
            total = winners[lane] + rest
            not_label = (winners[lane] - one) + rest if own >= one else total - own
            factor[lane] = per_unit / total
            at_label[lane] = (class_total * own - label_weight[lane] * not_label) / total
        for lane in range(count):
            label = labels[lane]
            known = label if 0 <= label < source.shape[1] else 0
            at_label[lane] = (at_label[lane] - class_weight[known]) * row_scale[lane]
        mass = others
        for lane in range(count):
            mass[lane], top[lane] = label_weight[lane] + class_total, row_scale[lane]
        for k in range(source.shape[1]):
            weight = state.dtype.type(class_weight[k])
            values, slopes = tile[0, k, :count], row_of(gradient, k, into)
            for lane in range(count):
                slopes[lane] = stored((values[lane] * factor[lane] * mass[lane] - weight) * top[lane], slopes)
        write_at_labels(at_label, labels, gradient, into)


@compiled
def smoothed_cross_entropy_short_rows(
    logits, labels, label_weight, class_weight, row_scale, losses, gradient, turned, staging, memory
):
    """The same for short rows.

    Scratch memory: `turned` and `staging` as in `short_rows`, and `memory`, a tuple of `tile` (1, K, lanes), `state`
    (6, lanes) and `label_state` (2, lanes) in the type that is computed in and `sums` (2, lanes) in float64.
    """
    constants, lanes = plain_scale(logits), turned.shape[2]
    for start in range(0, logits.shape[0], lanes):
        count = min(lanes, logits.shape[0] - start)
        part, where = slice(start, start + count), (0, 0, count)
        turn_in(logits, start, count, turned, staging)
        targets = labels[part], label_weight[part], class_weight
        if gradient is None:
            _of_lanes(turned, where, targets, row_scale[part], losses[part], None, where, constants, memory)
        else:
            _of_lanes(turned, where, targets, row_scale[part], losses[part], turned, where, constants, memory)
            turn_out(turned, gradient, start, count, staging)


@compiled
def smoothed_cross_entropy_columns(
    logits, labels, label_weight, class_weight, row_scale, losses, gradient, memory, first, last
):
    """The same along the middle axis, as in `columns`: what was (n,) is (outer, inner); `memory` as for short rows."""
    constants, lanes = plain_scale(logits), memory[0].shape[2]
    for item in range(first, last):
        where = lanes_of_item(item, logits.shape[2], lanes)
        outer, start, stop = where
        targets = labels[outer, start:stop], label_weight[outer, start:stop], class_weight
        of_item = row_scale[outer, start:stop], losses[outer, start:stop]
        _of_lanes(logits, where, targets, *of_item, gradient, where, constants, memory)

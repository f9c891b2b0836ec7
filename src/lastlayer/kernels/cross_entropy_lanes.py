"""Cross-entropy across examples: each vector lane is another example, as in `lanes`.

A label outside 0..K-1 is ignored: its loss and its gradient are 0, whatever the logits.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import UNIT, exponential_in_units
from lastlayer.kernels.lanes import LOST, OTHERS, TOP, WINNERS, find_maxima, log_of_sum, row_of, sum_in_parts
from lastlayer.kernels.storage import number, stored


@compiled(inline=True)
def gather_at_labels(array, where, labels, at_label):
    """The number of each lane at its label; that of the first class where it is ignored."""
    for lane in range(labels.size):
        label = labels[lane]
        at_label[lane] = number(array[where[0], label if 0 <= label < array.shape[1] else 0, where[1] + lane])


@compiled(inline=True)
def losses_of_sums(at_label, num_classes, labels, state, losses):
    """Write the losses from the sums of sum_in_parts."""
    top, others, lost, winners = state[TOP], state[OTHERS], state[LOST], state[WINNERS]
    for lane in range(losses.size):
        log_sum = np.float64(log_of_sum(others[lane], lost[lane], winners[lane]))
        losses[lane] = log_sum - (np.float64(at_label[lane]) - np.float64(top[lane]))
    for lane in range(losses.size):
        if not 0 <= labels[lane] < num_classes:
            losses[lane] = 0.0


@compiled(inline=True)
def losses_of_lanes(source, where, labels, losses, kept, scale, state, label_state):
    """Write the losses of the lanes, and to `kept` what gradient_of_lanes needs.

    `kept` is three arrays (count,) as in cross_entropy_losses_rows, or None; `label_state` (2, lanes) is scratch.
    """
    at_label = label_state[0, : labels.size]
    find_maxima(source, where, state)
    sum_in_parts(source, where, None, where, scale, state)
    gather_at_labels(source, where, labels, at_label)
    losses_of_sums(at_label, source.shape[1], labels, state, losses)
    if kept is not None:
        top, others, lost, winners = state[TOP], state[OTHERS], state[LOST], state[WINNERS]
        one, per_unit = state.dtype.type(1), state.dtype.type(1) / scale[UNIT]
        for lane in range(labels.size):
            own = exponential_in_units(at_label[lane] - top[lane], scale) * per_unit
            rest = others[lane] + lost[lane]
            inverse = one / (winners[lane] + rest)
            not_label = (winners[lane] - one) + rest if own >= one else (winners[lane] + rest) - own
            kept[0][lane], kept[1][lane], kept[2][lane] = top[lane], inverse, not_label * inverse


@compiled(inline=True)
def gradient_of_lanes(source, where, labels, row_scale, kept, gradient, into, scale, label_state):
    """Write the gradient of cross_entropy_gradient_rows to gradient[into]."""
    top, factor = kept[0], label_state[0, : labels.size]
    per_unit = label_state.dtype.type(1) / scale[UNIT]
    for lane in range(labels.size):
        factor[lane] = kept[1][lane] * per_unit
    for k in range(source.shape[1]):
        row, slopes = row_of(source, k, where), row_of(gradient, k, into)
        for lane in range(labels.size):
            p = exponential_in_units(number(row[lane]) - top[lane], scale) * factor[lane]
            slopes[lane] = stored(p * row_scale[lane], slopes)
    for lane in range(labels.size):
        factor[lane] = -row_scale[lane] * kept[2][lane]
    write_at_labels(factor, labels, gradient, into)


@compiled(inline=True)
def write_at_labels(at_label, labels, array, into):
    """Write the number of each lane at its label; 0 for every class where it is ignored."""
    for lane in range(labels.size):
        label = labels[lane]
        if 0 <= label < array.shape[1]:
            array[into[0], label, into[1] + lane] = stored(at_label[lane], array)
        else:
            for k in range(array.shape[1]):
                array[into[0], k, into[1] + lane] = 0

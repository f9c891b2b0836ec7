"""Cross-entropy across examples: each vector lane is another example, as in `lanes`."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum, surely_below
from lastlayer.kernels.exponential import exponential_in_units
from lastlayer.kernels.lanes import LOST, OTHERS, TOP, WINNERS, find_maxima, sum_lanes_in_parts
from lastlayer.kernels.logarithm import logarithm


@compiled(inline=True)
def gather_at_labels(logits, outer, start, labels, at_label):
    """at_label[lane] = logits[outer, label, start + lane]; the first class for a label below 0."""
    for lane in range(labels.size):
        at_label[lane] = logits[outer, max(labels[lane], 0), start + lane]


@compiled(inline=True)
def losses_of_sums(at_label, labels, state, losses):
    """Write the losses from the sums of sum_lanes_in_parts; 0 for a label below 0."""
    top, others, lost, winners = state[TOP], state[OTHERS], state[LOST], state[WINNERS]
    for lane in range(losses.size):
        high, low = exact_sum(winners[lane], others[lane])
        log_sum = np.float64(logarithm(high, low + lost[lane]))
        losses[lane] = log_sum - (np.float64(at_label[lane]) - np.float64(top[lane]))
    for lane in range(losses.size):
        if labels[lane] < 0:
            losses[lane] = 0.0


@compiled(inline=True)
def losses_of_lanes(logits, outer, start, stop, labels, losses, kept, scale, state, label_state):
    """Write the losses of lanes `start` to `stop`, and to `kept` what gradient_in_place needs.

    `kept` is three arrays (stop - start,) as in cross_entropy_losses_rows, or None; `label_state` (2, lanes) is scratch
    memory.
    """
    find_maxima(logits, outer, start, stop, state)
    sum_lanes_in_parts(logits, outer, start, stop, scale, None, state)
    at_label = label_state[0, : stop - start]
    gather_at_labels(logits, outer, start, labels, at_label)
    losses_of_sums(at_label, labels, state, losses)
    if kept is not None:
        top, others, lost, winners = state[TOP], state[OTHERS], state[LOST], state[WINNERS]
        one, per_unit = logits.dtype.type(1), logits.dtype.type(1) / scale[5]
        for lane in range(at_label.size):
            bottom = surely_below(top[lane], scale[0])
            logit = bottom if at_label[lane] < bottom else at_label[lane]
            difference, rounded = exact_sum(logit, -top[lane])
            own = exponential_in_units(difference, rounded, scale) * per_unit
            rest = others[lane] + lost[lane]
            inverse = one / (winners[lane] + rest)
            not_label = (winners[lane] - one) + rest if own >= one else (winners[lane] + rest) - own
            kept[0][lane], kept[1][lane], kept[2][lane] = top[lane], inverse, not_label * inverse


@compiled(inline=True)
def gradient_in_place(array, outer, start, stop, labels, row_scale, kept, scale, label_state):
    """Replace the logits of lanes `start` to `stop` by the gradient of cross_entropy_gradient_rows."""
    top, factor = kept[0], label_state[0, : stop - start]
    per_unit = array.dtype.type(1) / scale[5]
    for lane in range(factor.size):
        factor[lane] = row_scale[lane] * kept[1][lane] * per_unit
    for k in range(array.shape[1]):
        row = array[outer, k, start:stop]
        for lane in range(factor.size):
            row[lane] = exponential_in_units(row[lane] - top[lane], None, scale) * factor[lane]
    for lane in range(factor.size):
        if labels[lane] < 0:
            for k in range(array.shape[1]):
                array[outer, k, start + lane] = 0
        else:
            array[outer, labels[lane], start + lane] = -row_scale[lane] * kept[2][lane]

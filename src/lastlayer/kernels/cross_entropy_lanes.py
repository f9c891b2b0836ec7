"""Cross-entropy across examples: each vector lane is another example, as in `lanes`.

A label outside 0..K-1 is ignored: its loss and its gradient are 0, whatever the logits.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import UNIT, exponential_in_units
from lastlayer.kernels.lanes import LOST, OTHERS, TOP, WINNERS, find_maxima, sum_in_parts
from lastlayer.kernels.logarithm import logarithm


@compiled(inline=True)
def gather_at_labels(tile, labels, at_label):
    """at_label[lane] = tile[label, lane]; that of the first class where a label is ignored."""
    for lane in range(labels.size):
        label = labels[lane]
        at_label[lane] = tile[label if 0 <= label < tile.shape[0] else 0, lane]


@compiled(inline=True)
def losses_of_sums(at_label, num_classes, labels, state, losses):
    """Write the losses from the sums of sum_in_parts."""
    top, others, lost, winners = state[TOP], state[OTHERS], state[LOST], state[WINNERS]
    for lane in range(losses.size):
        high, low = exact_sum(winners[lane], others[lane])
        log_sum = np.float64(logarithm(high, low + lost[lane]))
        losses[lane] = log_sum - (np.float64(at_label[lane]) - np.float64(top[lane]))
    for lane in range(losses.size):
        if not 0 <= labels[lane] < num_classes:
            losses[lane] = 0.0


@compiled(inline=True)
def losses_of_lanes(tile, labels, losses, kept, scale, state, label_state):
    """Write the losses of the lanes, and to `kept` what gradient_in_place needs.

    `kept` is three arrays (count,) as in cross_entropy_losses_rows, or None; `label_state` (2, lanes) is scratch.
    """
    count = labels.size
    at_label = label_state[0, :count]
    gather_at_labels(tile, labels, at_label)
    find_maxima(tile, count, state)
    sum_in_parts(tile, count, scale, None, state)
    losses_of_sums(at_label, tile.shape[0], labels, state, losses)
    if kept is not None:
        top, others, lost, winners = state[TOP], state[OTHERS], state[LOST], state[WINNERS]
        one, per_unit = tile.dtype.type(1), tile.dtype.type(1) / scale[UNIT]
        for lane in range(count):
            own = exponential_in_units(at_label[lane] - top[lane], scale) * per_unit
            rest = others[lane] + lost[lane]
            inverse = one / (winners[lane] + rest)
            not_label = (winners[lane] - one) + rest if own >= one else (winners[lane] + rest) - own
            kept[0][lane], kept[1][lane], kept[2][lane] = top[lane], inverse, not_label * inverse


@compiled(inline=True)
def gradient_in_place(tile, labels, row_scale, kept, scale, label_state):
    """Replace the logits of the lanes by the gradient of cross_entropy_gradient_rows."""
    count = labels.size
    top, factor = kept[0], label_state[0, :count]
    per_unit = tile.dtype.type(1) / scale[UNIT]
    for lane in range(count):
        factor[lane] = row_scale[lane] * kept[1][lane] * per_unit
    for k in range(tile.shape[0]):
        row = tile[k, :count]
        for lane in range(count):
            row[lane] = exponential_in_units(row[lane] - top[lane], scale) * factor[lane]
    for lane in range(count):
        factor[lane] = -row_scale[lane] * kept[2][lane]
    write_at_labels(factor, labels, tile)


@compiled(inline=True)
def write_at_labels(at_label, labels, tile):
    """tile[label, lane] = at_label[lane]; 0 for every class where a label is ignored."""
    for lane in range(labels.size):
        label = labels[lane]
        if 0 <= label < tile.shape[0]:
            tile[label, lane] = at_label[lane]
        else:
            for k in range(tile.shape[0]):
                tile[k, lane] = 0

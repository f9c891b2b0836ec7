"""The kernels of `cross_entropy` where a row is too short to fill vectors: tiles of rows are turned, lanes are rows."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import plain_scale
from lastlayer.kernels.lanes import LOST, OTHERS, TOP, WINNERS, find_maxima, sum_lanes_in_parts
from lastlayer.kernels.logarithm import logarithm
from lastlayer.kernels.transposition import turn_in, turn_out


@compiled
def cross_entropy_short_rows(logits, labels, row_scale, losses, gradient, tile, state, label_state):
    """cross_entropy_rows for short rows.

    The further arrays are scratch memory in the type of the logits: `tile` (1, K, lanes), `state` (7, lanes) and
    `label_state` (2, lanes).
    """
    constants = plain_scale(logits)
    one = logits.dtype.type(1)
    per_unit = one / constants[5]
    for start in range(0, logits.shape[0], tile.shape[2]):
        count = min(tile.shape[2], logits.shape[0] - start)
        turn_in(logits, start, count, tile)
        find_maxima(tile, 0, 0, count, state)
        at_label, factor = label_state[0, :count], label_state[1, :count]
        _gather(tile, labels[start : start + count], at_label)
        sum_lanes_in_parts(tile, 0, 0, count, constants, True, state)
        _losses_of_lanes(at_label, state, losses[start : start + count])
        _gather(tile, labels[start : start + count], at_label)
        _gradient_at_label(at_label, factor, row_scale[start : start + count], state, per_unit)
        for k in range(tile.shape[1]):
            row = tile[0, k, :count]
            for lane in range(count):
                row[lane] *= factor[lane]
        for lane in range(count):
            label = labels[start + lane]
            if label < 0:
                losses[start + lane] = 0.0
                for k in range(tile.shape[1]):
                    tile[0, k, lane] = 0
            else:
                tile[0, label, lane] = at_label[lane]
        turn_out(tile, gradient, start, count)


@compiled
def cross_entropy_losses_short_rows(logits, labels, losses, tile, state, label_state):
    """Write the losses of cross_entropy_short_rows alone."""
    constants = plain_scale(logits)
    for start in range(0, logits.shape[0], tile.shape[2]):
        count = min(tile.shape[2], logits.shape[0] - start)
        turn_in(logits, start, count, tile)
        find_maxima(tile, 0, 0, count, state)
        sum_lanes_in_parts(tile, 0, 0, count, constants, None, state)
        at_label = label_state[0, :count]
        _gather(tile, labels[start : start + count], at_label)
        _losses_of_lanes(at_label, state, losses[start : start + count])
        for lane in range(count):
            if labels[start + lane] < 0:
                losses[start + lane] = 0.0


@compiled(inline=True)
def _gather(tile, labels, at_label):
    for lane in range(labels.size):
        at_label[lane] = tile[0, max(labels[lane], 0), lane]


@compiled(inline=True)
def _losses_of_lanes(at_label, state, losses):
    top, others, lost, winners = state[TOP], state[OTHERS], state[LOST], state[WINNERS]
    for lane in range(losses.size):
        high, low = exact_sum(winners[lane], others[lane])
        log_sum = np.float64(logarithm(high, low + lost[lane]))
        losses[lane] = log_sum - (np.float64(at_label[lane]) - np.float64(top[lane]))


@compiled(inline=True)
def _gradient_at_label(at_label, factor, row_scale, state, per_unit):
    # See cross_entropy_rows for what is taken in place of p - 1.
    others, lost, winners = state[OTHERS], state[LOST], state[WINNERS]
    one = at_label.dtype.type(1)
    for lane in range(at_label.size):
        rest, own = others[lane] + lost[lane], at_label[lane] * per_unit
        total = winners[lane] + rest
        not_label = (winners[lane] - one) + rest if own >= one else total - own
        share = at_label.dtype.type(row_scale[lane]) / total
        at_label[lane] = -not_label * share
        factor[lane] = share * per_unit

"""The kernels of `cross_entropy` where a row is too short to fill vectors: tiles of rows are turned, lanes are rows."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.lanes import LOST, OTHERS, TOP, WINNERS, find_maxima, sum_lanes
from lastlayer.kernels.logarithm import logarithm
from lastlayer.kernels.short_rows import turn_in, turn_out


@compiled
def cross_entropy_short_rows(logits, labels, row_scale, losses, gradient, tile, state, label_state):
    """cross_entropy_rows for short rows.

    The further arrays are scratch memory in the type of the logits: `tile` (1, K, lanes), `state` (4, lanes) and
    `label_state` (2, lanes).
    """
    one, zero = logits.dtype.type(1), logits.dtype.type(0)
    for start in range(0, logits.shape[0], tile.shape[2]):
        count = min(tile.shape[2], logits.shape[0] - start)
        turn_in(logits, start, start + count, tile)
        find_maxima(tile, 0, 0, count, state)
        logit, scale = label_state[0, :count], label_state[1, :count]
        for lane in range(count):
            logit[lane] = tile[0, max(labels[start + lane], 0), lane]
        sum_lanes(tile, 0, 0, count, one, zero, True, state)
        _losses_of_lanes(logit, state, losses[start : start + count])
        others, lost, winners = state[OTHERS], state[LOST], state[WINNERS]
        for lane in range(count):
            # From here `logit` holds the sum without the label's own part; see cross_entropy_rows.
            at_label = tile[0, max(labels[start + lane], 0), lane]
            rest = others[lane] + lost[lane]
            total = winners[lane] + rest
            logit[lane] = (winners[lane] - one) + rest if at_label >= one else total - at_label
            scale[lane] = row_scale[start + lane] / total
        for k in range(tile.shape[1]):
            row = tile[0, k, :count]
            for lane in range(count):
                row[lane] *= scale[lane]
        for lane in range(count):
            label = labels[start + lane]
            if label < 0:
                losses[start + lane] = 0.0
                tile[0, :, lane] = zero
            else:
                tile[0, label, lane] = -logit[lane] * scale[lane]
        turn_out(tile, gradient, start, start + count)


@compiled
def cross_entropy_losses_short_rows(logits, labels, losses, tile, state, label_state):
    """Write the losses of cross_entropy_short_rows alone."""
    one, zero = logits.dtype.type(1), logits.dtype.type(0)
    for start in range(0, logits.shape[0], tile.shape[2]):
        count = min(tile.shape[2], logits.shape[0] - start)
        turn_in(logits, start, start + count, tile)
        find_maxima(tile, 0, 0, count, state)
        sum_lanes(tile, 0, 0, count, one, zero, None, state)
        logit = label_state[0, :count]
        for lane in range(count):
            logit[lane] = tile[0, max(labels[start + lane], 0), lane]
        _losses_of_lanes(logit, state, losses[start : start + count])
        for lane in range(count):
            if labels[start + lane] < 0:
                losses[start + lane] = 0.0


@compiled(inline=True)
def _losses_of_lanes(logit, state, losses):
    top, others, lost, winners = state[TOP], state[OTHERS], state[LOST], state[WINNERS]
    for lane in range(losses.size):
        high, low = exact_sum(winners[lane], others[lane])
        log_sum = np.float64(logarithm(high, low + lost[lane]))
        losses[lane] = log_sum - (np.float64(logit[lane]) - np.float64(top[lane]))

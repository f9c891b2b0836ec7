"""The kernels of `cross_entropy` where a row is too short to fill vectors: tiles of rows are turned, lanes are rows."""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.cross_entropy_lanes import (
    gather_at_labels,
    gradient_in_place,
    losses_of_lanes,
    losses_of_sums,
)
from lastlayer.kernels.exponential import plain_scale
from lastlayer.kernels.lanes import LOST, OTHERS, WINNERS, find_maxima, sum_lanes_in_parts
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
        gather_at_labels(tile, 0, 0, labels[start : start + count], at_label)
        sum_lanes_in_parts(tile, 0, 0, count, constants, True, state)
        losses_of_sums(at_label, labels[start : start + count], state, losses[start : start + count])
        gather_at_labels(tile, 0, 0, labels[start : start + count], at_label)
        _gradient_at_label(at_label, factor, row_scale[start : start + count], state, per_unit)
        for k in range(tile.shape[1]):
            row = tile[0, k, :count]
            for lane in range(count):
                row[lane] *= factor[lane]
        for lane in range(count):
            label = labels[start + lane]
            if label < 0:
                for k in range(tile.shape[1]):
                    tile[0, k, lane] = 0
            else:
                tile[0, label, lane] = at_label[lane]
        turn_out(tile, gradient, start, count)


@compiled
def cross_entropy_losses_short_rows(logits, labels, losses, kept, tile, state, label_state):
    """cross_entropy_losses_rows for short rows."""
    constants = plain_scale(logits)
    for start in range(0, logits.shape[0], tile.shape[2]):
        count = min(tile.shape[2], logits.shape[0] - start)
        stop = start + count
        turn_in(logits, start, count, tile)
        of_rows = labels[start:stop], losses[start:stop]
        if kept is None:
            losses_of_lanes(tile, 0, 0, count, *of_rows, None, constants, state, label_state)
        else:
            part = kept[0][start:stop], kept[1][start:stop], kept[2][start:stop]
            losses_of_lanes(tile, 0, 0, count, *of_rows, part, constants, state, label_state)


@compiled
def cross_entropy_gradient_short_rows(logits, labels, row_scale, kept, gradient, tile, label_state):
    """cross_entropy_gradient_rows for short rows."""
    constants = plain_scale(logits)
    for start in range(0, logits.shape[0], tile.shape[2]):
        count = min(tile.shape[2], logits.shape[0] - start)
        stop = start + count
        part = (kept[0][start:stop], kept[1][start:stop], kept[2][start:stop])
        turn_in(logits, start, count, tile)
        gradient_in_place(tile, 0, 0, count, labels[start:stop], row_scale[start:stop], part, constants, label_state)
        turn_out(tile, gradient, start, count)


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

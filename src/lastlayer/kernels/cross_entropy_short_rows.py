"""The kernels of `cross_entropy` where a row is too short to fill vectors: tiles of rows are turned, lanes are rows.

Scratch memory of the caller, in the type that is computed in: `turned` and `tile` (1, K, lanes), `state` (6, lanes),
`label_state` (2, lanes), and `staging` as in `transposition`.
"""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.cross_entropy_lanes import (
    gather_at_labels,
    gradient_of_lanes,
    losses_of_lanes,
    losses_of_sums,
    write_at_labels,
)
from lastlayer.kernels.exponential import UNIT, plain_scale
from lastlayer.kernels.lanes import LOST, OTHERS, TOP, WINNERS, find_maxima, sum_in_parts
from lastlayer.kernels.transposition import turn_in, turn_out


@compiled
def cross_entropy_short_rows(logits, labels, row_scale, losses, gradient, turned, tile, state, staging, label_state):
    """cross_entropy_rows for short rows."""
    constants = plain_scale(logits)
    per_unit = tile.dtype.type(1) / constants[UNIT]
    for start in range(0, logits.shape[0], state.shape[1]):
        count = min(state.shape[1], logits.shape[0] - start)
        part, where = slice(start, start + count), (0, 0, count)
        at_label, factor = label_state[0, :count], label_state[1, :count]
        turn_in(logits, start, count, turned, staging)
        find_maxima(turned, where, state)
        sum_in_parts(turned, where, tile, where, constants, state)
        gather_at_labels(turned, where, labels[part], at_label)
        losses_of_sums(at_label, logits.shape[1], labels[part], state, losses[part])
        gather_at_labels(tile, where, labels[part], at_label)
        _gradient_at_label(at_label, factor, row_scale[part], state, per_unit)
        scale = state[TOP, :count]
        for lane in range(count):
            scale[lane] = row_scale[start + lane]
        for k in range(tile.shape[1]):
            row = tile[0, k, :count]
            for lane in range(count):
                row[lane] = row[lane] * factor[lane] * scale[lane]
        write_at_labels(at_label, labels[part], tile, where)
        turn_out(tile, gradient, start, count, staging)


@compiled
def cross_entropy_losses_short_rows(logits, labels, losses, kept, turned, tile, state, staging, label_state):
    """cross_entropy_losses_rows for short rows."""
    constants = plain_scale(logits)
    for start in range(0, logits.shape[0], state.shape[1]):
        count = min(state.shape[1], logits.shape[0] - start)
        part, where = slice(start, start + count), (0, 0, count)
        turn_in(logits, start, count, turned, staging)
        if kept is None:
            losses_of_lanes(turned, where, labels[part], losses[part], None, constants, state, label_state)
        else:
            kept_part = kept[0][part], kept[1][part], kept[2][part]
            losses_of_lanes(turned, where, labels[part], losses[part], kept_part, constants, state, label_state)


@compiled
def cross_entropy_gradient_short_rows(
    logits, labels, row_scale, kept, gradient, turned, tile, state, staging, label_state
):
    """cross_entropy_gradient_rows for short rows."""
    constants = plain_scale(logits)
    for start in range(0, logits.shape[0], state.shape[1]):
        count = min(state.shape[1], logits.shape[0] - start)
        part, where = slice(start, start + count), (0, 0, count)
        kept_part = kept[0][part], kept[1][part], kept[2][part]
        turn_in(logits, start, count, turned, staging)
        of_rows = labels[part], row_scale[part]
        gradient_of_lanes(turned, where, *of_rows, kept_part, tile, where, constants, label_state)
        turn_out(tile, gradient, start, count, staging)


@compiled(inline=True)
def _gradient_at_label(at_label, factor, row_scale, state, per_unit):
    # See cross_entropy_rows for what is taken in place of p - 1.
    others, lost, winners = state[OTHERS], state[LOST], state[WINNERS]
    one = at_label.dtype.type(1)
    for lane in range(at_label.size):
        rest, own = others[lane] + lost[lane], at_label[lane] * per_unit
        total = winners[lane] + rest
        not_label = (winners[lane] - one) + rest if own >= one else total - own
        at_label[lane] = -not_label / total * at_label.dtype.type(row_scale[lane])
        factor[lane] = per_unit / total

"""The maximum and the sum of exponentials of one contiguous row: vector sums in short blocks, compensated across them.

Where a logarithm or a gradient follows, the sum comes in two parts. Entries at the maximum, whose exponential is 1, are
counted; all others are added. So the logarithm keeps its relative accuracy when one class takes nearly everything
(it is the log1p of the others), and the gradient of a confident right answer does not cancel. Counting is only needed
in the block that holds the maximum: should another block reach it too, the sum is at least 2 and nothing cancels.

Differences from the maximum are rounded once, which costs a term exp(-d) a relative error of d units in the last place
and a probability p one of ln p.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import UNIT, exponential_in_units
from lastlayer.kernels.instructions import larger, prefetch_to_read, prefetch_to_write
from lastlayer.kernels.logarithm import logarithm
from lastlayer.kernels.storage import constant, number

# Long enough to hide the sum across lanes, short enough that plain addition in a lane costs a unit or two, of which the
# bound on float64 leaves less.
_BLOCK_32, _BLOCK_64 = 256, 64
_LINE_BYTES = 64
# The longest row that is fetched while the one before it is summed: two of them leave room in a second cache.
_FETCHED_BYTES = 1 << 16


@compiled(inline=True)
def _block(row):
    return _BLOCK_64 if row.itemsize == 8 else _BLOCK_32


@compiled(inline=True)
def next_row(rows, i):
    """The row after row i, to be fetched while row i is summed; empty if there is none, or it is long."""
    following = rows[min(i + 1, rows.shape[0] - 1)]
    fetched = i + 1 < rows.shape[0] and following.size * following.itemsize <= _FETCHED_BYTES
    return following[: following.size if fetched else 0]


@compiled(inline=True)
def _fetch(following, start, stop):
    to_read, to_write = following
    step = _LINE_BYTES // to_read.itemsize
    for j in range(start, min(stop, to_read.size), step):
        prefetch_to_read(to_read, j)
    for j in range(start, min(stop, to_write.size), step):
        prefetch_to_write(to_write, j)


@compiled(inline=True)
def row_maximum(row):
    """The largest entry of a row, -inf if all are; NaN is passed over, since sums will meet it."""
    top = constant(-np.inf, row)
    for j in range(row.size):
        top = larger(top, number(row[j]))
    return top


@compiled(inline=True)
def holds_nan(row):
    """Whether there is a NaN in a row."""
    count = 0
    for j in range(row.size):
        count += np.isnan(number(row[j]))
    return count > 0


@compiled(inline=True)
def block_start(row, index):
    """Where the block that holds an entry starts: the `place` of sum_in_parts, for who knows where the maximum is."""
    return index - index % _block(row)


@compiled(inline=True)
def maximum_and_place(row):
    """row_maximum, and where the block that holds it starts."""
    block = _block(row)
    top, place = constant(-np.inf, row), 0
    for start in range(0, row.size, block):
        here = row_maximum(row[start : start + block])
        place = start if here > top else place
        top = larger(top, here)
    return top, place


@compiled(inline=True)
def copied_maximum_and_place(row, copy):
    """maximum_and_place of `row`, leaving its numbers in `copy`, which may be `row` itself.

    Whoever writes over a row copies it first and then works in place: LLVM vectorises a loop over one array, but
    falls back to scalar code when what it reads and what it writes may be the same.
    """
    if row.ctypes.data == copy.ctypes.data:
        return maximum_and_place(copy)
    block = _block(copy)
    top, place = constant(-np.inf, row), 0
    for start in range(0, row.size, block):
        here = _copied_maximum(row[start : start + block], copy[start : start + block])
        place = start if here > top else place
        top = larger(top, here)
    return top, place


@compiled(inline=True)
def replace_by_exponentials(row, top, scale, following):
    """Replace each entry by `unit` exp(beta (entry - top)) and return their sum, in float64 and in units.

    `following` is as in sum_in_parts.
    """
    block = _block(row)
    total = lost = 0.0
    for start in range(0, row.size, block):
        _fetch(following, start, start + block)
        total, error = exact_sum(total, np.float64(_block_sum(row[start : start + block], top, scale, True)))
        lost += error
    return total + lost


@compiled(inline=True)
def sum_in_parts(row, top, place, scale, keep, following):
    """Sum exp(beta (row - top)) in float64 as (others, others_low, winners).

    Args:
      row: (K,) logits.
      top: their maximum; if it is not finite, or a logit is NaN, the sum is NaN.
      place: where the block that holds it starts.
      scale: the constants of the exponential.
      keep: True to replace the row, of float32 or float64, by its exponentials, in units; None to leave it alone.
      following: what is read next and what is written next, from next_row, to be fetched meanwhile.
    Returns: the sum over all that is not counted, as an unevaluated sum of two; and the number of entries that reach
      the maximum, or not all of them but at least one.
    """
    block, per_unit = _block(row), 1.0 / np.float64(scale[UNIT])
    others, winners = _counted_block(row[place : place + block], top, scale, keep)
    total, lost = np.float64(others), 0.0
    for start in range(0, row.size, block):
        _fetch(following, start, start + block)
        if start != place:
            total, error = exact_sum(total, np.float64(_block_sum(row[start : start + block], top, scale, keep)))
            lost += error
    return total * per_unit, lost * per_unit, np.float64(winners)


@compiled(inline=True)
def place_of_winner(exponentials, place, unit):
    """The first entry that reaches `unit` in the block that starts at `place`: sum_in_parts has left it there."""
    for k in range(place, exponentials.size):
        if exponentials[k] >= unit:
            return k
    return place


@compiled(inline=True)
def log_of_sum(others, lost, winners):
    """log(winners + others + lost) in float64, to full relative accuracy when it is near 0."""
    high, low = exact_sum(winners, others)
    return logarithm(high, low + lost)


@compiled(inline=True)
def _copied_maximum(part, copy):
    top = constant(-np.inf, part)
    for j in range(part.size):
        copy[j] = number(part[j])
        top = larger(top, number(part[j]))
    return top


@compiled(inline=True, fastmath={"reassoc"})
def _block_sum(part, top, scale, keep):
    total = constant(0, part)
    for j in range(part.size):
        value = exponential_in_units(number(part[j]) - top, scale)
        if keep is not None:
            part[j] = value
        total += value
    return total


@compiled(inline=True, fastmath={"reassoc"})
def _counted_block(part, top, scale, keep):
    others = winners = constant(0, part)
    per_unit = constant(1, part) / scale[UNIT]
    for j in range(part.size):
        value = exponential_in_units(number(part[j]) - top, scale)
        if keep is not None:
            part[j] = value
        winner = np.floor(value * per_unit)
        winners += winner
        others += value - winner * scale[UNIT]
    return others, winners

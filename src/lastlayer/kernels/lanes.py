"""The maxima and the sums of exponentials of examples side by side: each vector lane is another example.

This serves an axis that is not the last, where neighbours in memory are examples, and short rows, which are transposed
a tile at a time. Arrays are (outer, K, inner), C-contiguous, and `where` is a layouts.Lanes: the lanes are
array[outer, :, start : start + count], one vector of them or fewer. A `tile` (1, K, lanes) holds a whole vector of each
class. Sums come in two parts, as in row_sums.
"""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum
from lastlayer.kernels.exponential import UNIT, exponential_in_units
from lastlayer.kernels.instructions import larger, where_at_least
from lastlayer.kernels.vectors import filled, lane_count, load, load_first, store, store_first

# Classes that are added plainly before their sum is added exactly: equal terms beside a winner's 1 all round alike.
_BLOCK = 8


@compiled(inline=True)
def load_lanes(array, where, k):
    """Class k of the examples."""
    row = array[where.outer, k]
    return load(row, where.start) if where.count == lane_count(array) else load_first(row, where.start, where.count, 0)


@compiled(inline=True)
def store_lanes(array, where, k, values):
    """Write class k of the examples."""
    row = array[where.outer, k]
    if where.count == lane_count(array):
        store(row, where.start, values)
    else:
        store_first(row, where.start, values, where.count)


@compiled(inline=True)
def copy_to_panel(columns, start, panel):
    """panel[v, k, lane] = columns[k, start + v lanes + lane]: several vectors of a class, for the next is far away."""
    for k in range(panel.shape[1]):
        for v in range(panel.shape[0]):
            store(panel[v, k], 0, load(columns[k], start + v * lane_count(panel)))


@compiled(inline=True)
def copy_from_panel(panel, columns, start):
    """The way back of copy_to_panel."""
    for k in range(panel.shape[1]):
        for v in range(panel.shape[0]):
            store(columns[k], start + v * lane_count(panel), load(panel[v, k], 0))


@compiled(inline=True)
def maxima_of_lanes(source, where):
    """The maximum of each lane over the classes; NaN is passed over, since sums will meet it."""
    even = odd = load_lanes(source, where, 0)  # two, so that one does not wait for the other
    for k in range(1, source.shape[1]):
        even, odd = odd, larger(load_lanes(source, where, k), even)
    return larger(even, odd)


@compiled(inline=True)
def sum_of_exponentials_of_lanes(source, where, top, scale, tile):
    """Write `unit` exp(beta (z - top)) to the tile and return each lane's sum, in units."""
    nothing = filled(tile, 0)
    total, others_low = nothing, nothing
    for first in range(0, source.shape[1], _BLOCK):
        block = nothing
        for k in range(first, min(first + _BLOCK, source.shape[1])):
            values = exponential_in_units(load_lanes(source, where, k) - top, scale)
            store(tile[0, k], 0, values)
            block = block + values
        total, error = exact_sum(total, block)
        others_low = others_low + error
    return total + others_low


@compiled(inline=True)
def sum_in_parts_of_lanes(source, where, top, scale, tile):
    """Each lane's sum of exponentials as (others, others_low, winners); the tile gets them unless it is None."""
    nothing, unit, per_unit = filled(source, 0), scale[UNIT], source.dtype.type(1) / scale[UNIT]
    total, others_low, winners = nothing, nothing, nothing
    for first in range(0, source.shape[1], _BLOCK):
        block = nothing
        for k in range(first, min(first + _BLOCK, source.shape[1])):
            values = exponential_in_units(load_lanes(source, where, k) - top, scale)
            if tile is not None:
                store(tile[0, k], 0, values)
            block = block + where_at_least(values, unit, nothing, values)
            winners = where_at_least(values, unit, winners + 1.0, winners)
        total, error = exact_sum(total, block * per_unit)
        others_low = others_low + error
    return total, others_low, winners

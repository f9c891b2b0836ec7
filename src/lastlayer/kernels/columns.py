"""Functions along an axis that is not the last: arrays are (outer, K, inner), C-contiguous, lanes along `inner`.

The work is cut into items of as many lanes as the `tile` (K, lanes) has; a kernel does items `first` to `last`, counted
through all outer indices. A kernel that writes (outer, K, inner) may write over its input.
"""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import unpacked
from lastlayer.kernels.lanes import (
    lanes_in,
    lanes_out,
    log_softmax_in_place,
    logsumexp_of_lanes,
    softmax_in_place,
)


@compiled(inline=True)
def lanes_of_item(item, inner, width):
    """The outer index of an item, and the first of its lanes and the one after the last."""
    items = (inner + width - 1) // width
    start = (item % items) * width
    return item // items, start, min(start + width, inner)


@compiled
def softmax_columns(logits, scale, probabilities, tile, state, first, last):
    """Write exp(beta z) / sum exp(beta z) along the middle axis."""
    constants = unpacked(scale)
    for item in range(first, last):
        outer, start, stop = lanes_of_item(item, logits.shape[2], tile.shape[1])
        lanes_in(logits, outer, start, stop, tile)
        softmax_in_place(tile, stop - start, constants, state)
        lanes_out(tile, probabilities, outer, start, stop)


@compiled
def log_softmax_columns(logits, scale, log_probabilities, tile, state, first, last):
    """Write beta z - log sum exp(beta z) along the middle axis."""
    constants = unpacked(scale)
    for item in range(first, last):
        outer, start, stop = lanes_of_item(item, logits.shape[2], tile.shape[1])
        lanes_in(logits, outer, start, stop, tile)
        log_softmax_in_place(tile, stop - start, constants, state)
        lanes_out(tile, log_probabilities, outer, start, stop)


@compiled
def logsumexp_columns(logits, scale, sums, tile, state, first, last):
    """Write log(sum exp(beta z)) / beta along the middle axis to the float64 `sums` (outer, inner)."""
    constants = unpacked(scale)
    for item in range(first, last):
        outer, start, stop = lanes_of_item(item, logits.shape[2], tile.shape[1])
        lanes_in(logits, outer, start, stop, tile)
        logsumexp_of_lanes(tile, constants, state, sums[outer, start:stop])

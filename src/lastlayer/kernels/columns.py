"""Functions along an axis that is not the last: arrays are (outer, K, inner), C-contiguous, lanes along `inner`.

The work is cut into items of as many lanes as the `tile` (1, K, lanes) has; a kernel does items `first` to `last`,
counted through all outer indices. A kernel that writes (outer, K, inner) may write over its input.
"""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import unpacked
from lastlayer.kernels.lanes import copy_lanes, log_softmax_of_lanes, logsumexp_of_lanes, softmax_of_lanes


@compiled(inline=True)
def lanes_of_item(item, inner, width):
    """The `where` of an item of `width` lanes, as in `lanes`."""
    items = (inner + width - 1) // width
    start = (item % items) * width
    return item // items, start, min(start + width, inner)


@compiled
def softmax_columns(logits, scale, probabilities, tile, state, first, last):
    """Write exp(beta z) / sum exp(beta z) along the middle axis."""
    constants = unpacked(scale)
    for item in range(first, last):
        where = lanes_of_item(item, logits.shape[2], state.shape[1])
        softmax_of_lanes(logits, where, tile, probabilities, where, constants, state)


@compiled
def log_softmax_columns(logits, scale, log_probabilities, tile, state, first, last):
    """Write beta z - log sum exp(beta z) along the middle axis."""
    constants = unpacked(scale)
    in_place = logits.ctypes.data == log_probabilities.ctypes.data
    for item in range(first, last):
        where = lanes_of_item(item, logits.shape[2], state.shape[1])
        if in_place:
            within = 0, 0, where[2] - where[1]
            log_softmax_of_lanes(logits, where, tile, within, constants, state)
            copy_lanes(tile, within, log_probabilities, where)
        else:
            log_softmax_of_lanes(logits, where, log_probabilities, where, constants, state)


@compiled
def logsumexp_columns(logits, scale, sums, tile, state, first, last):
    """Write log(sum exp(beta z)) / beta along the middle axis to the float64 `sums` (outer, inner)."""
    constants = unpacked(scale)
    for item in range(first, last):
        where = lanes_of_item(item, logits.shape[2], state.shape[1])
        logsumexp_of_lanes(logits, where, constants, state, sums[where[0], where[1] : where[2]])

"""Functions along an axis that is not the last: arrays are (outer, K, inner), C-contiguous, lanes along `inner`.

The work is cut into items of `state.shape[1]` lanes; a kernel does items `first` to `last`, counted through all outer
indices. A kernel that writes (outer, K, inner) may write over its input.
"""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import unpacked
from lastlayer.kernels.lanes import copy_lanes, log_softmax_in_place, logsumexp_of_lanes, softmax_in_place


@compiled
def softmax_columns(logits, scale, probabilities, state, first, last):
    """Write exp(beta z) / sum exp(beta z) along the middle axis."""
    width, inner, constants = state.shape[1], logits.shape[2], unpacked(scale)
    items = (inner + width - 1) // width
    for item in range(first, last):
        outer, start = item // items, (item % items) * width
        stop = min(start + width, inner)
        copy_lanes(logits, probabilities, outer, start, stop)
        softmax_in_place(probabilities, outer, start, stop, constants, state)


@compiled
def log_softmax_columns(logits, scale, log_probabilities, state, first, last):
    """Write beta z - log sum exp(beta z) along the middle axis."""
    width, inner, constants = state.shape[1], logits.shape[2], unpacked(scale)
    items = (inner + width - 1) // width
    for item in range(first, last):
        outer, start = item // items, (item % items) * width
        stop = min(start + width, inner)
        copy_lanes(logits, log_probabilities, outer, start, stop)
        log_softmax_in_place(log_probabilities, outer, start, stop, constants, state)


@compiled
def logsumexp_columns(logits, scale, sums, state, first, last):
    """Write log(sum exp(beta z)) / beta along the middle axis to the float64 `sums` (outer, inner)."""
    width, inner, constants = state.shape[1], logits.shape[2], unpacked(scale)
    items = (inner + width - 1) // width
    for item in range(first, last):
        outer, start = item // items, (item % items) * width
        stop = min(start + width, inner)
        logsumexp_of_lanes(logits, outer, start, stop, constants, state, sums[outer, start:stop])

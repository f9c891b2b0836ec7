"""The functions of `rows` where a row is too short to fill vectors: tiles of rows are turned, lanes are rows.

`tile` (1, K, lanes) and `state` (7, lanes) are scratch memory of the caller, in the type of the logits; the tile is
meant to stay in the first cache.
"""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import unpacked
from lastlayer.kernels.lanes import log_softmax_in_place, logsumexp_of_lanes, softmax_in_place
from lastlayer.kernels.transposition import turn_in, turn_out


@compiled
def softmax_short_rows(logits, scale, probabilities, tile, state):
    """Write exp(beta z) / sum exp(beta z) of each row."""
    constants = unpacked(scale)
    for start in range(0, logits.shape[0], tile.shape[2]):
        count = min(tile.shape[2], logits.shape[0] - start)
        turn_in(logits, start, count, tile)
        softmax_in_place(tile, 0, 0, count, constants, state)
        turn_out(tile, probabilities, start, count)


@compiled
def log_softmax_short_rows(logits, scale, log_probabilities, tile, state):
    """Write beta z - log sum exp(beta z) of each row."""
    constants = unpacked(scale)
    for start in range(0, logits.shape[0], tile.shape[2]):
        count = min(tile.shape[2], logits.shape[0] - start)
        turn_in(logits, start, count, tile)
        log_softmax_in_place(tile, 0, 0, count, constants, state)
        turn_out(tile, log_probabilities, start, count)


@compiled
def logsumexp_short_rows(logits, scale, sums, tile, state):
    """Write log(sum exp(beta z)) / beta of each row to the float64 `sums` (n,)."""
    constants = unpacked(scale)
    for start in range(0, logits.shape[0], tile.shape[2]):
        count = min(tile.shape[2], logits.shape[0] - start)
        turn_in(logits, start, count, tile)
        logsumexp_of_lanes(tile, 0, 0, count, constants, state, sums[start : start + count])

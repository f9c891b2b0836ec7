"""The functions of `rows` where a row is too short to fill vectors: tiles of rows are turned, lanes are rows.

`tile` (K, lanes), `state` (6, lanes) and `staging` are scratch memory of the caller, as in `lanes` and `transposition`.
"""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import unpacked
from lastlayer.kernels.lanes import log_softmax_in_place, logsumexp_of_lanes, softmax_in_place
from lastlayer.kernels.transposition import turn_in, turn_out


@compiled
def softmax_short_rows(logits, scale, probabilities, tile, state, staging):
    """Write exp(beta z) / sum exp(beta z) of each row."""
    constants = unpacked(scale)
    for start in range(0, logits.shape[0], tile.shape[1]):
        count = min(tile.shape[1], logits.shape[0] - start)
        turn_in(logits, start, count, tile, staging)
        softmax_in_place(tile, count, constants, state)
        turn_out(tile, probabilities, start, count, staging)


@compiled
def log_softmax_short_rows(logits, scale, log_probabilities, tile, state, staging):
    """Write beta z - log sum exp(beta z) of each row."""
    constants = unpacked(scale)
    for start in range(0, logits.shape[0], tile.shape[1]):
        count = min(tile.shape[1], logits.shape[0] - start)
        turn_in(logits, start, count, tile, staging)
        log_softmax_in_place(tile, count, constants, state)
        turn_out(tile, log_probabilities, start, count, staging)


@compiled
def logsumexp_short_rows(logits, scale, sums, tile, state, staging):
    """Write log(sum exp(beta z)) / beta of each row to the float64 `sums` (n,)."""
    constants = unpacked(scale)
    for start in range(0, logits.shape[0], tile.shape[1]):
        count = min(tile.shape[1], logits.shape[0] - start)
        turn_in(logits, start, count, tile, staging)
        logsumexp_of_lanes(tile, constants, state, sums[start : start + count])

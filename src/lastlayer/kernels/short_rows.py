"""The functions of `rows` where a row is too short to fill vectors: tiles of rows are turned, lanes are rows.

`turned` and `tile` (1, K, lanes), `state` (6, lanes) and `staging` are scratch memory of the caller, as in `lanes` and
`transposition`.
"""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import unpacked
from lastlayer.kernels.lanes import log_softmax_of_lanes, logsumexp_of_lanes, softmax_of_lanes
from lastlayer.kernels.transposition import turn_in, turn_out


@compiled
def softmax_short_rows(logits, scale, probabilities, turned, tile, state, staging):
    """Write exp(beta z) / sum exp(beta z) of each row."""
    constants = unpacked(scale)
    for start in range(0, logits.shape[0], state.shape[1]):
        where = 0, 0, min(state.shape[1], logits.shape[0] - start)
        turn_in(logits, start, where[2], turned, staging)
        softmax_of_lanes(turned, where, tile, turned, where, constants, state)
        turn_out(turned, probabilities, start, where[2], staging)


@compiled
def log_softmax_short_rows(logits, scale, log_probabilities, turned, tile, state, staging):
    """Write beta z - log sum exp(beta z) of each row."""
    constants = unpacked(scale)
    for start in range(0, logits.shape[0], state.shape[1]):
        where = 0, 0, min(state.shape[1], logits.shape[0] - start)
        turn_in(logits, start, where[2], turned, staging)
        log_softmax_of_lanes(turned, where, tile, where, constants, state)
        turn_out(tile, log_probabilities, start, where[2], staging)


@compiled
def logsumexp_short_rows(logits, scale, sums, turned, tile, state, staging):
    """Write log(sum exp(beta z)) / beta of each row to the float64 `sums` (n,)."""
    constants = unpacked(scale)
    for start in range(0, logits.shape[0], state.shape[1]):
        where = 0, 0, min(state.shape[1], logits.shape[0] - start)
        turn_in(logits, start, where[2], turned, staging)
        logsumexp_of_lanes(turned, where, constants, state, sums[start : start + where[2]])

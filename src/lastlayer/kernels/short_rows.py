"""The functions of `rows` where a row is too short to fill vectors: tiles of rows are turned, lanes are rows.

`tile` (1, K, lanes) and `state` (4, lanes) are scratch memory of the caller, in the type of the logits; the tile is
meant to stay in the first cache.
"""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.lanes import log_softmax_in_place, logsumexp_of_lanes, softmax_in_place


@compiled(inline=True)
def turn_in(rows, start, stop, tile):
    """tile[0, :, lane] = rows[start + lane]."""
    for lane in range(stop - start):
        row = rows[start + lane]
        for k in range(row.size):
            tile[0, k, lane] = row[k]


@compiled(inline=True)
def turn_out(tile, rows, start, stop):
    """rows[start + lane] = tile[0, :, lane]."""
    for lane in range(stop - start):
        row = rows[start + lane]
        for k in range(row.size):
            row[k] = tile[0, k, lane]


@compiled
def softmax_short_rows(logits, beta, beta_low, probabilities, tile, state):
    """Write exp(beta z) / sum exp(beta z) of each row."""
    for start in range(0, logits.shape[0], tile.shape[2]):
        stop = min(start + tile.shape[2], logits.shape[0])
        turn_in(logits, start, stop, tile)
        softmax_in_place(tile, 0, 0, stop - start, beta, beta_low, state)
        turn_out(tile, probabilities, start, stop)


@compiled
def log_softmax_short_rows(logits, beta, beta_low, log_probabilities, tile, state):
    """Write beta z - log sum exp(beta z) of each row."""
    for start in range(0, logits.shape[0], tile.shape[2]):
        stop = min(start + tile.shape[2], logits.shape[0])
        turn_in(logits, start, stop, tile)
        log_softmax_in_place(tile, 0, 0, stop - start, beta, beta_low, state)
        turn_out(tile, log_probabilities, start, stop)


@compiled
def logsumexp_short_rows(logits, beta, beta_low, sums, tile, state):
    """Write log(sum exp(beta z)) / beta of each row to the float64 `sums` (n,)."""
    for start in range(0, logits.shape[0], tile.shape[2]):
        stop = min(start + tile.shape[2], logits.shape[0])
        turn_in(logits, start, stop, tile)
        logsumexp_of_lanes(tile, 0, 0, stop - start, beta, beta_low, state, sums[start:stop])

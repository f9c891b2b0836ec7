"""Sums over cells of probability that are narrow near 0 and near 1: all odds within a cell are nearly equal.

A cell is the leading bits of p where p < 1/2, and of 1 - p, which is exact there, elsewhere: `bits` binary digits after
the first, so that p, or 1 - p, of two entries of a cell differ by at most one in 2^bits. Below 2^-54 is one cell.
"""

import numpy as np

from lastlayer.kernels._compile import compiled

# Powers of two from 1/2 down to 2^-54; 1 - p of a float64 p below 1 is at least 2^-53.
OCTAVES = 53
_MANTISSA, _LOWEST = 52, 1023 - 54


@compiled
def add_by_odds(p, kind, weight, bits, cells):
    """Add the weight of each entry to the cell of its probability.

    Args:
      p: (n,) float64, above or at 0, to about 1.
      kind: (n,) whole numbers, the row of `cells` that an entry adds to.
      weight: (n,) float64.
      bits: int, as above.
      cells: (kinds, 2 OCTAVES 2^bits + 1) float64.
    """
    for i in range(p.size):
        cells[kind[i], _cell(p[i], bits)] += weight[i]


@compiled
def add_columns_by_odds(p, truth, weight, first, last, bits, cells):
    """The same for the columns `first` to `last` - 1 of p.

    Args:
      p: (n, K) float64.
      truth: (n, K) bool, the kind of an entry.
      weight: (n,) float64.
      first: the first column.
      last: the one after the last.
      bits: int.
      cells: (K, 2, 2 OCTAVES 2^bits + 1) float64.
    """
    for i in range(weight.size):
        for k in range(first, last):
            cells[k, np.int64(truth[i, k]), _cell(p[i, k], bits)] += weight[i]


@compiled(inline=True)
def _cell(p, bits):
    shift = _MANTISSA - bits
    half = OCTAVES << bits
    if p < 0.5:
        return max(0, (np.float64(p).view(np.int64) >> shift) - (_LOWEST << bits))
    other = 1.0 - p
    if other <= 0.0:
        return 2 * half
    # The last bit less, so that a cell holds its smallest p and not its largest, as below 1/2.
    return 2 * half - 1 - (((np.float64(other).view(np.int64) - 1) >> shift) - (_LOWEST << bits))

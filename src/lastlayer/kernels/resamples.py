"""Sums over bootstrap resamples of rows: each row counts as often as a Poisson variable of mean 1 says.

The count of row i in a resample is a function of its seed and of i alone, so that rows need no memory for it, and no
order of the work changes it. Source: Hanley & MacGibbon 2006, Creating non-parametric bootstrap samples using Poisson
frequencies; the numbers are those of SplitMix64, Steele, Lea & Flood 2014, Fast splittable pseudorandom number
generators.
"""

import math

import numpy as np

from lastlayer.kernels._compile import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_HALF = np.uint64(32)
# Of 32 bits, where counts of at least 1 to 8 begin; more than 8 have a chance of a millionth, and count as 8.
_1, _2, _3, _4, _5, _6, _7, _8 = (
    np.int64(round(2**32 * sum(math.exp(-1) / math.factorial(j) for j in range(k)))) for k in range(1, 9)
)


@compiled(fastmath={"reassoc"})
def resampled_sums(seed, edges, columns, counts, sums):
    """Write the sums of `columns` over groups of rows of one resample.

    Args:
      seed: uint64, that of the resample.
      edges: (P + 1,) int64, group p is the rows edges[p] to edges[p + 1] - 1.
      columns: (C, N) float64, finite.
      counts: (n,) float64 scratch, n >= 1: so many rows are looked at together.
      sums: (P, C) float64, written.
    """
    for p in range(sums.shape[0]):
        sums[p] = 0.0
        for start in range(edges[p], edges[p + 1], counts.size):
            size = min(counts.size, edges[p + 1] - start)
            for i in range(size):
                counts[i] = _poisson(seed + np.uint64(i + start) * _GOLDEN)
            for c in range(columns.shape[0]):
                column = columns[c, start : start + size]
                total = 0.0
                for i in range(size):
                    total += counts[i] * column[i]
                sums[p, c] += total


@compiled(inline=True)
def _poisson(state):
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    bits = np.int64((state ^ (state >> np.uint64(31))) >> _HALF)
    # Additions of floats: a sum of booleans is no vector to the compiler.
    count = 1.0 if bits >= _1 else 0.0
    count += 1.0 if bits >= _2 else 0.0
    count += 1.0 if bits >= _3 else 0.0
    count += 1.0 if bits >= _4 else 0.0
    count += 1.0 if bits >= _5 else 0.0
    count += 1.0 if bits >= _6 else 0.0
    count += 1.0 if bits >= _7 else 0.0
    count += 1.0 if bits >= _8 else 0.0
    return count

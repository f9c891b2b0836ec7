"""A number from 0 to 1 for each row, as if drawn at random, that is a function of the row alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def row_draws(largest: NDArray[Any]) -> NDArray[np.float64]:
    """(N,) numbers in [0, 1) from the (N, 2) two largest probabilities of each row, the largest first.

    Rows of the same two have the same number. Source: the mixing of SplitMix64, Steele, Lea & Flood 2014, Fast
    splittable pseudorandom number generators.
    """
    bits = np.ascontiguousarray(largest, np.float64).view(np.uint64)
    state = np.zeros(len(bits), np.uint64)
    for column in bits.T:
        state = _mixed(state + _GOLDEN + column)
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def two_largest(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """The (N, 2) two largest of each row of an (N, K) array; with one class, the second is 0."""
    if probabilities.shape[1] == 1:
        return np.hstack([probabilities, np.zeros_like(probabilities)]).astype(np.float64)
    return np.partition(-probabilities, 1, axis=1)[:, :2].astype(np.float64) * -1


def two_largest_stored(probabilities: Any) -> NDArray[np.float64]:
    """`two_largest` of a CSR array, where what is not stored is 0."""
    counts = np.diff(probabilities.indptr)
    order = np.lexsort((-probabilities.data, np.repeat(np.arange(len(counts)), counts)))
    found = np.zeros((len(counts), 2))
    for column in (0, 1):
        rows = np.flatnonzero(counts > column)
        found[rows, column] = probabilities.data[order[probabilities.indptr[rows] + column]]
    return found


def _mixed(state):
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))

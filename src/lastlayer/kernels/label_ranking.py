"""How far up each row's own labels stand among all labels, by their scores."""

import numpy as np

from lastlayer.kernels._compile import compiled


@compiled
def rank_labels(scores, truth, own, counts, wrong_pairs, coverage, precision):
    """Fill three (n,) arrays from scores of K labels a row; of equal scores the other label counts as above.

    Args:
      scores: (n, K) float64.
      truth: (n, K) bool, the labels of each row.
      own: (K,) float64 scratch.
      counts: (2, K + 1) int64 scratch.
      wrong_pairs: (n,) float64, receives the share of pairs of a label of the row and another that stand the wrong way
        round; 0 without such pairs.
      coverage: (n,) float64, receives how many labels score at least as much as its lowest one; 0 without a label.
      precision: (n,) float64, receives the mean over its labels of the share of its own among those that score at
        least as much; 1 without a label.
    """
    num_labels = scores.shape[1]
    for i in range(scores.shape[0]):
        size = 0
        for k in range(num_labels):
            if truth[i, k]:
                own[size] = scores[i, k]
                size += 1
        wrong_pairs[i], coverage[i], precision[i] = 0.0, 0.0, 1.0
        if size == 0:
            continue
        _sort(own, size)
        counts[:, : size + 1] = 0
        for k in range(num_labels):
            place = _count_up_to(own, size, scores[i, k])
            counts[0, place] += 1
            counts[1, place] += truth[i, k]
        above = own_above = wrong = 0
        total = 0.0
        for j in range(size, 0, -1):  # the place of what is at least own[j - 1] is at least j
            above += counts[0, j]
            own_above += counts[1, j]
            total += own_above / above
            wrong += above - own_above
        coverage[i] = above
        precision[i] = total / size
        if size < num_labels:
            wrong_pairs[i] = wrong / (np.float64(size) * (num_labels - size))


@compiled(inline=True)
def _sort(values, size):
    # Shell's, with the gaps of Knuth: most rows have few labels.
    gap = 1
    while gap < size // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, size):
            value = values[i]
            j = i
            while j >= gap and values[j - gap] > value:
                values[j] = values[j - gap]
                j -= gap
            values[j] = value
        gap //= 3


@compiled(inline=True)
def _count_up_to(values, size, bound):
    """How many of the first `size` of rising `values` are at most `bound`."""
    if bound < values[0]:
        return 0
    low, high = 1, size
    while low < high:
        middle = (low + high) // 2
        if values[middle] <= bound:
            low = middle + 1
        else:
            high = middle
    return low

"""How far the probabilities of each class, bin by bin, are from how often it is the label."""

import numpy as np

from lastlayer.kernels._compile import compiled


@compiled
def add_classwise_gaps(probabilities, labels, weight, first, last, gaps):
    """Add to `gaps` what rows say of the classes `first` to `last` - 1: sum of weight ([class is the label] - p).

    Args:
      probabilities: (n, K) float32 or float64, from 0 to about 1.
      labels: (n,) int64; a row of weight 0 may have any.
      weight: (n,) float64.
      first: the first class.
      last: the one after the last.
      gaps: (K, M) float64; bin m of M holds m/M < p <= (m+1)/M, and the first one 0 too.
    """
    bins = gaps.shape[1]
    for i in range(labels.size):
        own = weight[i]
        if own == 0.0:
            continue
        for k in range(first, last):
            p = np.float64(probabilities[i, k])
            gaps[k, _bin_of(p, bins)] -= own * p
        label = labels[i]
        if first <= label < last:
            gaps[label, _bin_of(np.float64(probabilities[i, label]), bins)] += own


@compiled(inline=True)
def _bin_of(p, bins):
    place = np.int64(np.ceil(p * bins)) - 1
    return min(max(place, 0), bins - 1)

"""The k largest logits of each row with their exact softmax probabilities; nothing of the rows' size is written."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import scaled_difference
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.exponential_sum import sum_of_exponentials

# Classes that are passed over at once when none of them is large enough, which is the rule once the heap is warm.
_STRIDE = 64


@compiled
def top_k_rows(logits, beta, beta_low, indices, probabilities):
    """Write the indices of the k largest entries of each row, largest first, and their softmax probabilities.

    Of equal entries the one with the lower index comes first. NaN ranks with -inf; a row without a finite maximum, or
    with NaN anywhere, gets NaN for every probability.

    Args:
      logits: (n, K) float32 or float64.
      beta: the scale, in the logits' type.
      beta_low: what rounding took from it.
      indices: (n, k) int64, 1 <= k <= K.
      probabilities: (n, k), in the logits' type.
    """
    for i in range(logits.shape[0]):
        row, kept, keys = logits[i], indices[i], probabilities[i]
        _select(row, kept, keys)
        top = keys[0]
        others, lost, winners = sum_of_exponentials(row, top, beta, beta_low, None)
        scale = row.dtype.type(1.0 / (winners + others + lost))
        for j in range(keys.size):
            high, low = scaled_difference(keys[j], top, beta, beta_low)
            keys[j] = exponential(high, low) * scale


@compiled(inline=True)
def _select(row, kept, keys):
    """Fill `kept` and `keys` with the largest entries: a heap whose root is the worst of them, sorted in the end."""
    for j in range(keys.size):
        kept[j] = j
        keys[j] = row[j] if row[j] > -np.inf else -np.inf
    for parent in range(keys.size // 2 - 1, -1, -1):
        _sift_down(kept, keys, parent, keys.size)
    for start in range(keys.size, row.size, _STRIDE):
        stride = row[start : start + _STRIDE]
        if not _any_above(stride, keys[0]):
            continue
        for j in range(stride.size):
            if stride[j] > keys[0]:
                kept[0], keys[0] = start + j, stride[j]
                _sift_down(kept, keys, 0, keys.size)
    for end in range(keys.size - 1, 0, -1):
        _swap(kept, keys, 0, end)
        _sift_down(kept, keys, 0, end)


@compiled(inline=True)
def _any_above(values, bound):
    count = 0
    for j in range(values.size):
        count += values[j] > bound
    return count > 0


@compiled(inline=True)
def _sift_down(kept, keys, parent, size):
    while 2 * parent + 1 < size:
        child = 2 * parent + 1
        if child + 1 < size and _comes_after(kept, keys, child + 1, child):
            child += 1
        if not _comes_after(kept, keys, child, parent):
            return
        _swap(kept, keys, child, parent)
        parent = child


@compiled(inline=True)
def _comes_after(kept, keys, a, b):
    return keys[a] < keys[b] or (keys[a] == keys[b] and kept[a] > kept[b])


@compiled(inline=True)
def _swap(kept, keys, a, b):
    kept[a], kept[b] = kept[b], kept[a]
    keys[a], keys[b] = keys[b], keys[a]

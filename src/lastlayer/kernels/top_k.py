"""The k largest logits of each row with their exact softmax probabilities; nothing of the rows' size is written."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import UNIT, exponential_in_units, unpacked
from lastlayer.kernels.row_sums import sum_in_parts

# Classes that are passed over at once when none of them is large enough, which soon is the rule.
_STRIDE = 64


@compiled
def top_k_rows(logits, scale, indices, probabilities):
    """Write the indices of the k largest entries of each row, largest first, and their softmax probabilities.

    Of equal entries the one with the lower index comes first. NaN ranks with -inf; a row without a finite maximum, or
    with NaN anywhere, gets NaN for every probability.

    Args:
      logits: (n, K) float32 or float64.
      scale: from exponential.scale_of, in the logits' type.
      indices: (n, k) int64, 1 <= k <= K.
      probabilities: (n, k), in the logits' type.
    """
    constants = unpacked(scale)
    for i in range(logits.shape[0]):
        row, kept, keys = logits[i], indices[i], probabilities[i]
        _select(row, kept, keys)
        top = keys[0]
        others, lost, winners = sum_in_parts(row, top, constants, None)
        factor = row.dtype.type(1.0 / (winners + (others + lost)) / np.float64(constants[UNIT]))
        for j in range(keys.size):
            keys[j] = exponential_in_units(keys[j] - top, constants) * factor


@compiled(inline=True)
def _select(row, kept, keys):
    """Fill `kept` and `keys` with the largest entries in order, by insertion: quicker than a heap up to k = 100."""
    last = keys.size - 1
    for j in range(keys.size):
        _insert(kept, keys, j, j, row[j] if row[j] > -np.inf else -np.inf)
    for start in range(keys.size, row.size, _STRIDE):
        stride = row[start : start + _STRIDE]
        if _any_above(stride, keys[last]):
            for j in range(stride.size):
                if stride[j] > keys[last]:
                    _insert(kept, keys, last, start + j, stride[j])


@compiled(inline=True)
def _insert(kept, keys, place, index, key):
    """Move the smaller of the first `place` entries down by one, over the entry there, and put the new one above."""
    while place > 0 and keys[place - 1] < key:
        kept[place], keys[place] = kept[place - 1], keys[place - 1]
        place -= 1
    kept[place], keys[place] = index, key


@compiled(inline=True)
def _any_above(values, bound):
    count = 0
    for j in range(values.size):
        count += values[j] > bound
    return count > 0

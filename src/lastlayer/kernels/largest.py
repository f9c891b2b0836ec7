"""The k largest logits of each row of tiles, kept in order from one tile to the next."""

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.instructions import larger, where_at_least
from lastlayer.kernels.vectors import lane_count, load, sum_of_lanes

# Classes of which the largest is looked at first: soon none of them is large enough, as a rule.
_BLOCK = 8


@compiled
def keep_largest(logits, first, bounds, indices, keys):
    """Insert what is larger than the smallest of the kept logits of its row; of equals the earlier class stays first.

    Args:
      logits: (V, T, lanes), the tile of the classes from `first` on; all earlier ones have been shown.
      first: the first class.
      bounds: (lanes,) in the logits' type, overwritten.
      indices: (n, k) int64 classes, n <= V lanes, updated.
      keys: (n, k) their logits, in order, -inf at first, updated.
    """
    lanes, last, (num_vectors, num_classes) = lane_count(logits), keys.shape[1] - 1, logits.shape[:2]
    for v in range(num_vectors):
        tile, start = logits[v], v * lanes
        count = min(lanes, keys.shape[0] - start)
        for lane in range(lanes):
            bounds[lane] = keys[start + lane, last] if lane < count else keys.dtype.type(3e38)
        bound = load(bounds, 0)
        for k in range(0, num_classes, _BLOCK):
            stop = min(k + _BLOCK, num_classes)
            top = load(tile[k], 0)
            for j in range(k + 1, stop):
                top = larger(load(tile[j], 0), top)
            if sum_of_lanes(where_at_least(bound, top, 0.0, 1.0)) > 0:
                for lane in range(count):
                    for j in range(k, stop):
                        if tile[j, lane] > keys[start + lane, last]:
                            _insert(indices[start + lane], keys[start + lane], last, first + j, tile[j, lane])
                    bounds[lane] = keys[start + lane, last]
                bound = load(bounds, 0)


@compiled
def merge_largest(indices, keys, more_indices, more_keys):
    """Insert the kept logits of later classes, (n, k) as in keep_largest."""
    last = keys.shape[1] - 1
    for i in range(keys.shape[0]):
        for j in range(keys.shape[1]):
            if more_keys[i, j] > keys[i, last]:
                _insert(indices[i], keys[i], last, more_indices[i, j], more_keys[i, j])


@compiled(inline=True)
def _insert(kept, keys, place, index, key):
    """Move the smaller of the first `place` entries down by one, over the entry there, and put the new one above."""
    while place > 0 and keys[place - 1] < key:
        kept[place], keys[place] = kept[place - 1], keys[place - 1]
        place -= 1
    kept[place], keys[place] = index, key

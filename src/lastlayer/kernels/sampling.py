"""Draws of classes for samplers: distinct ones with chosen inclusion probabilities, and the inverse of a distribution.

Random numbers come in as arrays, so that the caller's generator alone decides.
"""

from lastlayer.kernels._compile import compiled

# Multiplicative hashing (Knuth, The Art of Computer Programming 3, section 6.4): 2^64 over the golden ratio, as int64.
_GOLDEN = -7046029254386353131


@compiled(inline=True)
def _slot(value, table, shift):
    """Where `value` stands in an open hash table of a power of two slots, or the free slot (-1) where it would."""
    slot = ((value * _GOLDEN) >> shift) & (table.size - 1)
    while table[slot] >= 0 and table[slot] != value:
        slot = (slot + 1) & (table.size - 1)
    return slot


@compiled
def distinct_integers(draws, num_classes, table, shift, chosen):
    """Write a simple random sample of 0..num_classes-1 without replacement to `chosen`; Floyd's algorithm.

    Source: Bentley and Floyd 1987, Programming Pearls: A Sample of Brilliance, CACM 30(9).

    Args:
      draws: (S,) int64; entry i is uniform on 0..num_classes-S+i.
      num_classes: K >= S.
      table: (2^b,) int64, -1 everywhere, at least 2 S slots; written.
      shift: 64 - b, so that the highest bits of a product choose the slot.
      chosen: (S,) int64, written.
    """
    least = num_classes - draws.size
    for i in range(draws.size):
        value = draws[i]
        slot = _slot(value, table, shift)
        if table[slot] >= 0:
            value = least + i
            slot = _slot(value, table, shift)
        table[slot] = value
        chosen[i] = value


@compiled
def one_in_each_stratum(starts, ends, width, uniforms, points):
    """Write one point of each stratum [j width, (j + 1) width) so that no unit is met twice.

    This is Deville's systematic method. Units lie side by side from 0 on, each shorter than a stratum. A point is
    uniform on its stratum, so that the chance of a unit is its length over the width; but where a unit lies in two
    strata, the second looks at the first. With its part a before the boundary and b behind it, in widths: if it was
    met before, the point is uniform behind it; else it is in the unit with probability b / (1 - a), and uniform behind
    it otherwise.

    Source: Deville 1998, Une nouvelle (encore une!) méthode de tirage à probabilités inégales; Tillé 2006, Sampling
    Algorithms, section 7.2.

    Args:
      starts: (S,) where the unit begins that holds j width, the first point of stratum j.
      ends: (S,) where it ends, above j width.
      width: of a stratum, in the unit of the others.
      uniforms: (S,) in [0, 1).
      points: (S,) ascending, written; entry j is at most (j + 1) width, where the next unit of `starts` holds it.
    """
    before = -1.0
    for j in range(uniforms.size):
        low, high = j * width, (j + 1) * width
        u, end = uniforms[j], min(ends[j], high)
        if before >= starts[j]:
            point = end + u * (high - end)
        else:
            share = (end - low) / (width - (low - starts[j]))
            point = low if u < share else end + (u - share) / (1.0 - share) * (high - end)
        before = min(point, high)
        points[j] = before


@compiled
def fill_guide(cumulated, per_bucket, guide):
    """Write to guide[g] the first k with cumulated[k] above g per_bucket, or the last k; one pass.

    Args:
      cumulated: (K,) float64, ascending.
      per_bucket: > 0.
      guide: (G,) int64, written.
    """
    k, last = 0, cumulated.size - 1
    for g in range(guide.size):
        bound = g * per_bucket
        while k < last and cumulated[k] <= bound:
            k += 1
        guide[g] = k


@compiled
def first_above(cumulated, last, guide, per_bucket, points, found):
    """Write to found[i] the first k with cumulated[k] above points[i], `last` at most; O(1) on average.

    Source: Chen and Asau 1974, On generating random variates from an empirical distribution (the guide table).

    Args:
      cumulated: (K,) float64, ascending.
      last: the largest index that may be found.
      guide: from fill_guide, one entry more than buckets.
      per_bucket: as there.
      points: (S,) float64, 0 or more.
      found: (S,) int64, written.
    """
    scale = 1.0 / per_bucket
    for i in range(points.size):
        point = points[i]
        bucket = min(int(point * scale), guide.size - 2)
        low, high = guide[bucket], guide[bucket + 1]
        # Where the product above was rounded across the edge of a bucket.
        while low > 0 and cumulated[low - 1] > point:
            low -= 1
        while high < last and cumulated[high] <= point:
            high += 1
        while low < high:
            middle = (low + high) >> 1
            if cumulated[middle] > point:
                high = middle
            else:
                low = middle + 1
        found[i] = min(low, last)

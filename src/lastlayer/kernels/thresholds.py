"""Counts and scores of every threshold of a label, from entries that hold a probability and whether it came true.

An entry is a key, an integer: the bits of its probability, which ascend with it, and below them one bit that is set
where the row has the label.
"""

import numpy as np

from lastlayer.kernels._compile import compiled

# What is sought: the best F1; the most recall at a precision, or the fewest predictions at a recall, of at least
# `first`; the least cost of `first` a false positive and `second` a false negative; the best precision.
F1, PRECISION, RECALL, COST, BEST_PRECISION = range(5)
# Columns of `found`.
THRESHOLD, BELOW, RIGHT, PREDICTED, MOST = range(5)
# Rows that are transposed together: each column's part of them is a few cache lines.
_TILE = 64


@compiled
def write_keys(bits, without_sign, rows, ends, keys):
    """Write the keys of some labels, all rows of one label after those of another.

    Args:
      bits: (N, B) int32 or int64, the bits of probabilities.
      without_sign: all bits but the first, in that type: -0.0 counts as 0.
      rows: (P,) integers, the rows that have a label, ascending within each.
      ends: (B + 1,) integers; the rows of label b are rows[ends[b] - ends[0]] to rows[ends[b + 1] - ends[0]].
      keys: (B, N), in the type of bits, written.
    """
    num_rows, num_labels = bits.shape
    for start in range(0, num_rows, _TILE):
        stop = min(start + _TILE, num_rows)
        for b in range(num_labels):
            for i in range(start, stop):
                keys[b, i] = (bits[i, b] & without_sign) << 1
    for b in range(num_labels):
        for place in range(ends[b] - ends[0], ends[b + 1] - ends[0]):
            keys[b, rows[place]] |= 1


@compiled(inline=True)
def _score(kind, first, second, right, predicted, positive):
    """What a threshold is worth, the more the better, by what it predicts, how much of that is right and P."""
    if kind == F1:
        return 2.0 * right / (predicted + positive)
    if kind == PRECISION:
        return right if right / predicted >= first else -np.inf
    if kind == RECALL:
        return -predicted if right / positive >= first else -np.inf
    if kind == COST:
        return -(first * (predicted - right) + second * (positive - right))
    return right / predicted


@compiled
def best_thresholds(keys, values, ends, positive, kind, first, second, smoothing, most_smoothing, found):
    """Write the best threshold of each label: of equal ones the highest.

    Args:
      keys: (E,) int32 or int64, ascending within each label.
      values: (E,) float32 or float64, the probabilities in them.
      ends: (B + 1,) int64; the entries of label b are ends[b] to ends[b + 1].
      positive: (B,) int64, rows that have each label, with or without an entry.
      kind: what is sought.
      first: a number of it, see there.
      second: the other.
      smoothing: how much the counts that the probabilities expect weigh beside the rows' own.
      most_smoothing: as how many rows that have the label they count at most.
      found: (B, 5) float64, written: the least probability that is predicted, 2 for none; the next below it, 0 for
        none; how many rows are predicted rightly, and in all; and the best precision or recall that there is.
    """
    for b in range(positive.size):
        start, stop = ends[b], ends[b + 1]
        expected = 0.0
        for i in range(start, stop):
            expected += np.float64(values[i])
        weight = min(smoothing, most_smoothing / expected) if expected > 0.0 else 0.0
        own = np.float64(positive[b])
        total = own + weight * expected
        best, most = -np.inf, 0.0
        found[b, THRESHOLD], found[b, RIGHT], found[b, PREDICTED] = 2.0, 0.0, 0.0
        found[b, BELOW] = values[stop - 1] if stop > start else 0.0
        if kind == COST:
            best = -second * total
        right, predicted, mass = 0.0, 0.0, 0.0
        i = stop - 1
        while i >= start and values[i] > 0.0:
            value = values[i]
            while i >= start and values[i] == value:
                right += np.float64(keys[i] & 1)
                predicted += 1.0
                mass += np.float64(value)
                i -= 1
            smooth_right, smooth_predicted = right + weight * mass, (1.0 + weight) * predicted
            score = _score(kind, first, second, smooth_right, smooth_predicted, total)
            if score > best:
                best = score
                found[b, THRESHOLD], found[b, RIGHT], found[b, PREDICTED] = value, right, predicted
                found[b, BELOW] = values[i] if i >= start else 0.0
            if kind == RECALL:
                most = smooth_right / total
                if best > -np.inf:
                    break
            else:
                most = max(most, smooth_right / smooth_predicted)
            # No lower threshold can be better, were every further row that has the label the next one.
            if kind == F1 and 2.0 * total / (smooth_predicted + total) < best:
                break
            if kind == PRECISION and best > -np.inf and total / smooth_predicted < first:
                break
            if kind == COST and -first * (smooth_predicted - total) < best:
                break
        found[b, MOST] = most


@compiled
def count_cells(keys, table, table_shift, cells, cell_shift, shift, counts):
    """Count the entries of cells of probabilities, finer, those of probability 0 aside.

    Args:
      keys: (E,) int32 or int64, in any order.
      table: (T,) int64, by the highest bits of a probability: the first cell to look at, or -1.
      table_shift: how many bits of a probability are below those.
      cells: (C,) int64, ascending: the bits of the probabilities of a cell, without their last `cell_shift`.
      cell_shift: see cells.
      shift: how many of these bits a finer cell leaves out.
      counts: (C, 2**(cell_shift - shift), 2) int64, added to: entries without the label and with it.
    """
    mask = (np.int64(1) << (cell_shift - shift)) - 1
    for i in range(keys.size):
        bits = np.int64(keys[i]) >> 1
        place = table[bits >> table_shift]
        if place < 0 or bits == 0:
            continue
        prefix = bits >> cell_shift
        while place < cells.size and cells[place] < prefix:
            place += 1
        if place < cells.size and cells[place] == prefix:
            counts[place, (bits >> shift) & mask, np.int64(keys[i]) & 1] += 1


@compiled
def write_scores(kind, first, second, right, predicted, positive, scores):
    """Write the score of each of (M,) thresholds by its counts, in float64."""
    for i in range(right.size):
        scores[i] = _score(kind, first, second, right[i], predicted[i], positive)

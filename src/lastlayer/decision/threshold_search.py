"""The best threshold of each label, and the best of all labels together, without a copy of the probabilities."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.decision.label_entries import Block, LabelEntries, probabilities_of
from lastlayer.kernels.thresholds import (
    BELOW,
    BEST_PRECISION,
    COST,
    F1,
    MOST,
    PRECISION,
    PREDICTED,
    RECALL,
    RIGHT,
    THRESHOLD,
    best_thresholds,
    count_cells,
    write_scores,
)

# Bits of a probability that one pass over all entries tells apart, and counters of a pass, in pairs: 32 MB a thread.
_STEP, _COUNTERS = 16, 1 << 21


class Aim(NamedTuple):
    """What is sought, one of the kinds of `kernels.thresholds`, with its two numbers."""

    kind: int
    first: float = 0.0
    second: float = 0.0


class Found(NamedTuple):
    """Thresholds, in arrays of one length.

    Attributes:
      threshold: float64; a label is predicted above it.
      right: rows that are predicted rightly.
      predicted: rows that are predicted.
      met: whether the target is met; true where there is none. Where not, the threshold is 1.
      most: the best precision or recall that there is, of smoothed counts.
    """

    threshold: NDArray[np.float64]
    right: NDArray[np.float64]
    predicted: NDArray[np.float64]
    met: NDArray[np.bool_]
    most: NDArray[np.float64]


def search_each(entries: LabelEntries, aim: Aim, smoothing: float, most_smoothing: float) -> Found:
    """The best threshold of each label, by one sort of its entries; of equal ones the highest."""
    positive = entries.positive
    table = np.empty((len(positive), 5))

    def work(block: Block, _: None) -> None:
        keys, size = block.keys, len(block.ends) - 1
        lengths = np.diff(block.ends)
        if size and (lengths == lengths[0]).all():
            keys.reshape(size, -1).sort(axis=1)
        else:
            for start, stop in zip(block.ends[:-1], block.ends[1:], strict=True):
                keys[start:stop].sort()
        own = slice(block.first, block.first + size)
        best_thresholds(
            keys, probabilities_of(keys), block.ends, positive[own], *aim, smoothing, most_smoothing, table[own]
        )

    entries.over_blocks(work, lambda: None)
    return _found(table[:, THRESHOLD], table[:, BELOW], table[:, RIGHT], table[:, PREDICTED], table[:, MOST], aim)


def search_shared(entries: LabelEntries, aim: Aim) -> Found:
    """The best threshold of all entries together, exact, in arrays of length 1; of equal ones the highest.

    Probabilities are counted in cells of their highest bits. A cell is split further as long as a threshold in it could
    be better than the best known, had all its entries that came true the highest probabilities in it.
    """
    positive = float(entries.positive.sum())
    best = _Best(-aim.second * positive if aim.kind == COST else -np.inf, 1 << entries.bits, 0.0, 0.0)
    # Each (bound, first probability, bits below it, predicted above, right above).
    waiting, most = [(np.inf, 0, entries.bits, 0.0, 0.0)], 0.0
    while waiting:
        shift = waiting[0][2]
        finer = max(0, shift - _STEP)
        now = sorted((cell for cell in waiting if cell[2] == shift), reverse=True)[: _COUNTERS >> (shift - finer)]
        now.sort(key=lambda cell: cell[1])
        waiting = [cell for cell in waiting if cell not in now]
        counts = _counts(entries, np.array([cell[1] >> shift for cell in now]), shift, finer)
        for cell, of_cell in zip(now, counts, strict=True):
            of_cell = of_cell[::-1].astype(np.float64)  # from the highest probability
            occupied = np.flatnonzero(of_cell.any(axis=1))
            right = cell[4] + np.cumsum(of_cell[occupied, 1])
            predicted = cell[3] + np.cumsum(of_cell[occupied].sum(axis=1))
            lowest = cell[1] + ((len(of_cell) - 1 - occupied) << finer)
            if shift == entries.bits:
                most = float(right[-1]) if len(right) else 0.0
            scores = _scores(aim, right, predicted, positive)
            if len(scores):
                top = int(scores.argmax())
                best = max(best, _Best(scores[top].item(), int(lowest[top]), right[top].item(), predicted[top].item()))
            if finer:
                before = predicted - of_cell[occupied].sum(axis=1), right - of_cell[occupied, 1]
                bounds = _bounds(aim, of_cell[occupied, 1], *before, positive)
                waiting += [
                    (bounds[i], int(lowest[i]), finer, float(before[0][i]), float(before[1][i]))
                    for i in np.flatnonzero((bounds > -np.inf) & (bounds >= best.score))
                ]
        waiting = [cell for cell in waiting if (cell[0], cell[1] + (1 << cell[2]) - 1) > best[:2]]
    if best.score == -np.inf and aim.kind == PRECISION:
        reachable = search_shared(entries, Aim(BEST_PRECISION))
        return reachable._replace(met=np.zeros(1, bool), most=reachable.right / reachable.predicted)
    value, below = _neighbours(entries, best.lowest)
    most = most / positive if aim.kind == RECALL else best.right / max(1.0, best.predicted)
    table = np.array([[value], [below], [best.right], [best.predicted], [most]])
    return _found(table[0], table[1], table[2], table[3], table[4], aim)


class _Best(NamedTuple):
    """The best threshold known: all probabilities from `lowest` on, as bits. They compare as they are preferred."""

    score: float
    lowest: int
    right: float
    predicted: float


def _counts(entries, cells, shift, finer):
    table_shift = max(0, entries.bits - _STEP)
    table = np.full(1 << (entries.bits - table_shift), -1)
    for place in range(len(cells) - 1, -1, -1):
        first = (int(cells[place]) << shift) >> table_shift
        table[first : max(first + 1, first + (1 << max(0, shift - table_shift)))] = place
    shape = (len(cells), 1 << (shift - finer), 2)

    def work(block: Block, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        count_cells(block.keys, table, table_shift, cells, shift, finer, counts)
        return counts

    total, *others = entries.over_blocks(work, lambda: np.zeros(shape, np.int64))
    for counts in others:
        total += counts
    return total


def _scores(aim: Aim, right, predicted, positive):
    scores = np.empty(len(right))
    write_scores(*aim, right, predicted, positive, scores)
    return scores


def _bounds(aim, more_right, predicted, right, positive):
    """What a threshold in each cell is worth at most, by what is above the cell and how much in it came true."""
    # Were no entry of a cell right, its first one would be the best.
    with np.errstate(invalid="ignore", divide="ignore"):
        if aim.kind == RECALL:
            reached = (right + more_right) / positive >= aim.first
            return np.where(reached, -(predicted + 1), -np.inf)
        more = np.maximum(more_right, 1)
        return _scores(aim, right + more_right, predicted + more, positive)


def _neighbours(entries, lowest):
    """The least probability whose bits are at least `lowest`, 2 for none, and the greatest below, 0 for none."""

    def work(block: Block, state: tuple[float, float]) -> tuple[float, float]:
        p, above = probabilities_of(block.keys), (block.keys >> 1) >= lowest
        return (
            min(state[0], float(p.min(where=above, initial=2.0))),
            max(state[1], float(p.max(where=~above, initial=0.0))),
        )

    found = entries.over_blocks(work, lambda: (2.0, 0.0))
    return min(value for value, _ in found), max(below for _, below in found)


def _found(value, below, right, predicted, most, aim):
    none = value > 1
    # Half way to the next probability below; one that has no room for that is the threshold itself.
    threshold = np.where(none, np.maximum(below, _WITHOUT_ROWS[aim.kind](aim)), (value + below) / 2)
    threshold = np.where(~none & (threshold >= value), below, threshold)
    met = ~none if aim.kind in (PRECISION, RECALL) else np.ones(len(value), bool)
    return Found(threshold, right, predicted, met, most)


# Thresholds where these rows are best served by predicting none of them, which says nothing of larger probabilities:
# the best threshold of right probabilities, Elkan 2001, and the largest that can be for F1, Lipton, Elkan &
# Naryanaswamy 2014; above all, where the target cannot be met.
_WITHOUT_ROWS = {
    F1: lambda aim: 0.5,
    PRECISION: lambda aim: 1.0,
    RECALL: lambda aim: 1.0,
    COST: lambda aim: aim.first / (aim.first + aim.second),
    BEST_PRECISION: lambda aim: 1.0,
}

"""How the (N, K) logits of a head are cut into blocks of rows and tiles of classes, whose products fit into a cache.

A block of rows goes through all tiles before the next: their sums first, then their residuals. Logits of a block are
kept between the two where that takes less time and as far as memory allows, and the others are computed anew.
Everything here follows from the shapes alone, so that results do not depend on the number of threads.
"""

from collections.abc import Iterator
from dataclasses import dataclass

# Entries of a tile, of its weights and of its rows: they stay in the second cache together, or nearly.
_TILE, _WEIGHTS, _ROWS = 1 << 18, 1 << 17, 3 << 16
# Bytes of logits that are kept between the sums and the residuals, and of partial gradients.
_KEPT, _PARTIAL = 96 << 20, 16 << 20
# What moving the weights costs a block, and a kept logit's way to memory and back, in multiplications (measured).
_OF_WEIGHTS, _OF_KEPT = 200, 120
_MOST_ROWS, _MOST_GROUPS, _FEWEST_CLASSES, _MOST_CLASSES = 512, 64, 96, 1 << 14
# Classes that make one tile, with rows in such numbers that they are worth splitting among threads in place of classes.
_ONE_TILE, _MANY_ROWS = 2048, 512


@dataclass(frozen=True)
class ClassTiles:
    """A plan for N rows, K classes and D features.

    num_classes: K.
    rows_per_block: rows that go through all tiles together.
    classes_per_tile: K where all classes make one tile.
    num_groups: parts that threads share: of the tiles, or of the blocks where there is one tile.
    kept: the tiles whose logits are kept, the first ones.
    """

    num_classes: int
    rows_per_block: int
    classes_per_tile: int
    num_groups: int
    kept: int

    @property
    def num_tiles(self) -> int:
        """How many tiles there are."""
        return -(-self.num_classes // self.classes_per_tile)

    def tiles(self, group: int) -> Iterator[tuple[int, slice]]:
        """The tiles of a group, each with its number."""
        for tile in range(self.num_tiles * group // self.num_groups, self.num_tiles * (group + 1) // self.num_groups):
            start = tile * self.classes_per_tile
            yield tile, slice(start, min(start + self.classes_per_tile, self.num_classes))


def plan(
    num_rows: int,
    num_classes: int,
    num_features: int,
    itemsize: int,
    *,
    gradients: bool,
    numbers_per_row: int,
    most_groups: int,
) -> ClassTiles:
    """The plan for what is done with the logits of at least one row.

    `gradients` says whether there are any, `numbers_per_row` how many numbers each group keeps a row, and `most_groups`
    how many groups of tiles there are at most.
    """
    if num_classes <= _ONE_TILE and (num_rows >= _MANY_ROWS or num_classes <= _FEWEST_CLASSES):
        rows = _rounded(_TILE // (num_classes + 3 * num_features), 64, 64, _MOST_ROWS)
        gradient = max(1, itemsize * num_classes * num_features)
        groups = min(_MOST_GROUPS, max(4, _PARTIAL // gradient) if gradients else _MOST_GROUPS)
        return ClassTiles(num_classes, rows, num_classes, min(-(-num_rows // rows), groups), 1)
    each = itemsize * max(num_features if gradients else 0, 2 * numbers_per_row)
    in_cache = _ROWS // max(1, num_features)
    most_rows = max(64, min(_MOST_ROWS, in_cache // 16 * 16, _PARTIAL // (4 * each)))
    rows = most_rows = _evenly(num_rows, most_rows)
    kept = _KEPT // itemsize if gradients else 0
    if kept:
        choices = {most_rows, *(_evenly(num_rows, size) for size in range(32, most_rows, 16))}
        costs = {size: _cost(size, num_features, max(0.0, 1.0 - kept / (size * num_classes))) for size in choices}
        rows = min(sorted(costs), key=costs.__getitem__)
        if costs[rows] >= _cost(most_rows, num_features, 1.0):
            rows, kept = most_rows, 0
    classes = _rounded(min(_TILE // rows, _WEIGHTS // max(1, num_features)), 12, _FEWEST_CLASSES, _MOST_CLASSES)
    classes = min(num_classes, classes)
    tiles = -(-num_classes // classes)
    groups = min(tiles, most_groups, max(4, _PARTIAL // (rows * each)))
    return ClassTiles(num_classes, rows, classes, groups, min(tiles, kept // (rows * classes)))


def _evenly(num_rows, most):
    """Rows of equal blocks, as few as may be: whole vectors, at most `most` but for what fills the last one up."""
    blocks = -(-num_rows // most)
    return _rounded(-(-num_rows // blocks) + 15, 16, 16, _MOST_ROWS)


def _rounded(number, step, least, most):
    return max(least, min(most, number // step * step))


def _cost(rows, num_features, again):
    """What a row costs with each class, in multiplications; `again` is the share of the logits computed twice."""
    return (3 + again) * num_features + _OF_WEIGHTS * num_features / rows + _OF_KEPT * (1.0 - again)

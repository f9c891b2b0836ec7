"""One way through the logits of a linear head, a block of rows and a tile of classes at a time: no N×K array is formed.

Threads share the classes of a block of rows or, where all classes make one tile, the rows. What they add up is added in
an order that the shapes alone decide, so that results have the same bits for any number of threads.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lastlayer._blocks import without_read_only_flag
from lastlayer._threads import run_blocks
from lastlayer.kernels.soft_cap import complete_tile
from lastlayer.linear.class_tiles import ClassTiles, plan
from lastlayer.linear.packed_rows import PackedRows

# Blocks that a thread may leave to another that is free sooner, and multiplications worth a dispatch.
_BLOCKS_PER_THREAD, _DISPATCH = 8, 1 << 21


class Head(NamedTuple):
    """A linear head: `weight` (K, D) and `bias` (K,) or None, of any real dtype and strides; `soft_cap` or 0."""

    weight: NDArray[Any]
    bias: NDArray[Any] | None
    soft_cap: float


class Gradients(NamedTuple):
    """Where gradients are written, C-contiguous, or None where one is not wanted.

    features: (M, D). weight: (K, D). Both in the dtype of the logits.
    class_sums: (S, K) float64, what the operation sums for each class; the first is the bias's gradient.
    """

    features: NDArray[Any] | None
    weight: NDArray[Any] | None
    class_sums: NDArray[np.float64] | None


class TileOperation(Protocol):
    """What is done with tiles of logits. Rows are counted from 0 to N, and `where` is the slice of a block of them."""

    def empty(self, where: slice, /) -> Any:
        """What is known of the rows of a block before any tile."""

    def add(self, known: Any, where: slice, logits: NDArray[Any], first: int, /) -> None:
        """Add a tile (V, T, lanes), whose first class is `first`, to what is known."""

    def merge(self, known: Any, more: Any, /) -> None:
        """Add to what is known what is known of later classes."""

    def finish(self, known: Any, where: slice, /) -> None:
        """All tiles of a block have been added."""


class LossOperation(TileOperation, Protocol):
    """An operation that has gradients."""

    def write_residuals(self, known: Any, where: slice, logits: NDArray[Any], first: int, /) -> None:
        """Replace the logits of a tile by the slopes in them before the soft cap."""

    def add_class_sums(self, where: slice, residual: NDArray[Any], sums: NDArray[np.float64], /) -> None:
        """Add to (S, T) sums what a tile's residual adds, over the rows."""

    def without_slope(self, where: slice, /) -> NDArray[np.bool_]:
        """The rows of a block whose slopes are all 0."""
        raise NotImplementedError


def sweep(
    operation: TileOperation,
    head: Head,
    features: NDArray[Any],
    rows: NDArray[np.int64] | None,
    dtype: DTypeLike,
    gradients: Gradients | None = None,
    *,
    numbers_per_row: int = 8,
    most_groups: int = 64,
) -> None:
    """Show an operation all tiles of logits, and write the products of the residuals that it makes of them.

    Args:
      operation: what is done with tiles; a LossOperation where there are gradients.
      head: what scores the rows.
      features: (M, D), of any real dtype and strides.
      rows: (N,) indices of the features that are meant, of whose gradient only those are written; None for all M.
      dtype: float32 or float64, of the logits.
      gradients: where the products are written.
      numbers_per_row: about how many numbers `empty` holds a row.
      most_groups: the parts, at most, that threads share the tiles in; each begins with an `empty` of its own.
    """
    num_rows, (num_classes, num_features) = len(features) if rows is None else len(rows), head.weight.shape
    if not num_rows:
        for gradient in gradients[1:] if gradients is not None else ():
            if gradient is not None:
                gradient[...] = 0
        return
    dtype, wanted = np.dtype(dtype), gradients is not None
    tiles = plan(
        num_rows,
        num_classes,
        num_features,
        dtype.itemsize,
        gradients=wanted,
        numbers_per_row=numbers_per_row,
        most_groups=most_groups,
    )
    step = tiles.rows_per_block
    blocks = [slice(first, min(first + step, num_rows)) for first in range(0, num_rows, step)]
    problem = _Problem(operation, head, features, rows, dtype, gradients)
    if tiles.num_tiles == 1:
        _over_rows(problem, tiles, blocks)
    else:
        _over_classes(problem, tiles, blocks)


class _Problem(NamedTuple):
    operation: Any
    head: Head
    features: NDArray[Any]
    rows: NDArray[np.int64] | None
    dtype: np.dtype[Any]
    gradients: Gradients | None

    def index(self, where: slice) -> Any:
        """Where rows `where` are among the features."""
        return where if self.rows is None else self.rows[where]

    def weight(self, classes: slice) -> NDArray[Any]:
        """The weights of a tile, to read from only."""
        return without_read_only_flag(np.ascontiguousarray(self.head.weight[classes], self.dtype))


def _run(
    work: Callable[[int, NDArray[Any]], Any],
    tiles: ClassTiles,
    multiplications: int,
    memory: Callable[[], NDArray[Any]],
) -> list[Any]:
    """Call `work` on each group and memory for a tile, on every core; what the calls returned, in order."""

    def of_groups(first, last):
        own = memory()
        return [work(group, own) for group in range(first, last)]

    parts = run_blocks(
        of_groups,
        tiles.num_groups,
        items_per_block=-(-_DISPATCH * tiles.num_groups // max(1, multiplications)),
        blocks_per_thread=_BLOCKS_PER_THREAD,
    )
    return [one for part in parts for one in part]


def _over_rows(problem, tiles, blocks):
    """All classes are one tile: threads share the rows, and their parts of the weights' gradient are added up."""
    gradients, groups, classes = problem.gradients, tiles.num_groups, slice(0, tiles.num_classes)

    def memory():
        return np.empty(tiles.rows_per_block * tiles.num_classes, problem.dtype)

    def work(group, own):
        part = None if gradients is None else _own(gradients)
        for where in blocks[len(blocks) * group // groups : len(blocks) * (group + 1) // groups]:
            rows = _Block(problem, where)
            logits = rows.logits(classes, own)
            problem.operation.add(rows.known, where, logits, 0)
            problem.operation.finish(rows.known, where)
            if part is not None:
                of_features = rows.gradient_of_features()
                rows.add_gradients(logits, classes, part, of_features, fresh=False)
                rows.write_features([of_features])
        return part

    parts = _run(work, tiles, blocks[-1].stop * problem.head.weight.size, memory)
    for name in ("weight", "class_sums"):
        total = getattr(gradients, name, None)
        if total is not None:
            total[...] = 0
            for part in parts:
                total += getattr(part, name)


def _own(gradients):
    """Gradients of the head for one thread, 0."""
    weight, sums = (None if one is None else np.zeros_like(one) for one in (gradients.weight, gradients.class_sums))
    return gradients._replace(weight=weight, class_sums=sums)


def _over_classes(problem, tiles, blocks):
    """Threads share the classes of one block of rows after the other."""
    gradients, kept = problem.gradients, None
    if gradients is not None and gradients.class_sums is not None:
        gradients.class_sums[...] = 0
    for where in blocks:
        rows = _Block(problem, where)
        count, size = 0 if gradients is None else tiles.kept, rows.size_of_tile(tiles.classes_per_tile)
        if kept is None:  # the first block is the largest
            kept = np.empty(count * size, problem.dtype)
        places = kept[: count * size].reshape(count, size)
        _block_over_classes(problem, rows, where, tiles, places)


def _block_over_classes(problem, rows, where, tiles, kept):
    operation, gradients = problem.operation, problem.gradients
    multiplications = (where.stop - where.start) * problem.head.weight.size

    def memory():
        return np.empty(rows.size_of_tile(tiles.classes_per_tile), problem.dtype)

    def known_of(group, own):
        known = operation.empty(where)
        for tile, classes in tiles.tiles(group):
            logits = rows.logits(classes, kept[tile] if tile < len(kept) else own)
            operation.add(known, where, logits, classes.start)
        return known

    for more in _run(known_of, tiles, multiplications, memory):
        operation.merge(rows.known, more)
    operation.finish(rows.known, where)
    if gradients is None:
        return

    def products_of(group, own):
        of_features = rows.gradient_of_features()
        for tile, classes in tiles.tiles(group):
            logits = rows.tile(classes, kept[tile]) if tile < len(kept) else rows.logits(classes, own)
            rows.add_gradients(logits, classes, gradients, of_features, fresh=where.start == 0)
        return of_features

    rows.write_features(_run(products_of, tiles, multiplications, memory))


class _Block:
    """A block of rows: its features, what is known of it, and its products."""

    def __init__(self, problem, where):
        self._problem, self._where = problem, where
        self._packed = PackedRows(np.ascontiguousarray(problem.features[problem.index(where)], problem.dtype))
        self.known = problem.operation.empty(where)
        if problem.gradients is not None:
            self._padded = self._packed.padded(problem.operation.without_slope(where))

    def size_of_tile(self, num_classes):
        """The entries of a tile."""
        return self._packed.size_of_tile(num_classes)

    def tile(self, classes, memory):
        """A tile in `memory`, as it is there."""
        return self._packed.tile(classes.stop - classes.start, memory)

    def logits(self, classes, memory):
        """The logits of a tile, written to `memory`."""
        head, tile = self._problem.head, self.tile(classes, memory)
        self._packed.write_logits(self._problem.weight(classes), tile)
        if head.bias is not None or head.soft_cap:
            bias = None if head.bias is None else np.array(head.bias[classes], self._problem.dtype)
            complete_tile(tile, bias, head.soft_cap)
        return tile

    def gradient_of_features(self):
        """Packed zeros, or None where that gradient is not wanted."""
        return None if self._problem.gradients.features is None else self._packed.zeros()

    def add_gradients(self, logits, classes, gradients, of_features, *, fresh):
        """Turn the logits of a tile into residuals, and add their products."""
        self._problem.operation.write_residuals(self.known, self._where, logits, classes.start)
        if of_features is not None:
            self._packed.add_to_features(self._problem.weight(classes), logits, of_features)
        if gradients.weight is not None:
            self._padded.add_to_weight(logits, gradients.weight[classes], fresh=fresh)
        if gradients.class_sums is not None:
            self._problem.operation.add_class_sums(self._where, logits, gradients.class_sums[:, classes])

    def write_features(self, parts):
        """Write the sum of packed gradients of the rows."""
        gradient, where = self._problem.gradients.features, self._problem.index(self._where)
        if gradient is None:
            return
        for part in parts[1:]:
            parts[0] += part
        if isinstance(where, slice):
            self._packed.unpack(parts[0], gradient[where])
        else:
            rows = np.empty((len(where), gradient.shape[1]), gradient.dtype)
            self._packed.unpack(parts[0], rows)
            gradient[where] = rows

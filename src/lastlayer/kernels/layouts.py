"""The loops over examples: rows one after the other, or many examples side by side, one in each vector lane.

Logits are (n, K), or (outer, K, inner) where the classes are not the last axis; all arrays are C-contiguous. An
operation is a record, a named tuple of what it needs, for which `implement` says what is done; Numba compiles it into
each loop when that is first asked for, and its cache tells records apart. Arrays of one number an example, in the
record, are flat. A kernel that writes (n, K) or (outer, K, inner) may write over its input.

What Numba wants to be told: implementations have the arguments' names; a function may return an array that it was
given, but no part of one; `if result is None` does not keep the other branch from being compiled.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.lanes import copy_from_panel, copy_to_panel
from lastlayer.kernels.transposition import transpose_lanes, transpose_rows
from lastlayer.kernels.vectors import lane_count


class Lanes(NamedTuple):
    """Which examples stand side by side: those of array[outer, :, start : start + count], a vector of them or fewer."""

    outer: int
    start: int
    count: int


class Workspace(NamedTuple):
    """Scratch memory of one thread for a vector of examples, (1, K, lanes) each, in the logits' dtype."""

    logits: NDArray[Any]
    exponentials: NDArray[Any]
    weights: NDArray[Any]


_OF_ROW: dict[type, Callable[..., None]] = {}
_OF_LANES: dict[type, Callable[..., None]] = {}
# For each record, the rows of fewer vectors than these that are quicker transposed.
SHORT: dict[type, int] = {}


def implement(record: type, of_row: Callable[..., None], of_lanes: Callable[..., None], *, short: int) -> None:
    """Say what the loops do for a record, in the arguments of the functions below; `short` as in SHORT, measured."""
    _OF_ROW[record], _OF_LANES[record], SHORT[record] = of_row, of_lanes, short


def of_row(operation: Any, example: int, logits: NDArray[Any], i: int, result: Any) -> None:
    """Do row i of (n, K) logits; that of `result` is written, unless it is None; only a kernel calls it."""
    raise NotImplementedError


def of_lanes(operation: Any, example: int, logits: Any, where: Lanes, result: Any, workspace: Workspace) -> None:
    """Do the examples `where` of (outer, K, inner) logits; only a kernel calls it.

    They are `example` and those after it. `result` has the shape of `logits`, of which it writes the same part, may be
    `logits` itself, and is so for short rows; or it is None.
    """
    raise NotImplementedError


@overload(of_row, jit_options={"error_model": "numpy", "forceinline": True})
def _choose_of_row(operation, example, logits, i, result):
    return _OF_ROW[operation.instance_class]


@overload(of_lanes, jit_options={"error_model": "numpy", "forceinline": True})
def _choose_of_lanes(operation, example, logits, where, result, workspace):
    return _OF_LANES[operation.instance_class]


def where_wanted(result: Any, array: NDArray[Any]) -> Any:
    """`array`, or None where there is no `result` to write; only a kernel calls it."""
    raise NotImplementedError


@overload(where_wanted)
def _choose_where_wanted(result, array):
    return (lambda result, array: None) if result == types.none else (lambda result, array: array)


@compiled
def rows(operation, example, logits, result):
    """Do (n, K) logits, of which row 0 is `example`."""
    for i in range(logits.shape[0]):
        of_row(operation, example + i, logits, i, result)


@compiled
def short_rows(operation, example, logits, result, tiles):
    """Do (n, K) logits whose rows are too short to fill vectors: transposed, a vector of them at a time.

    The `tiles` (3, 1, K, lanes) are scratch memory.
    """
    workspace, width = Workspace(tiles[0], tiles[1], tiles[2]), lane_count(logits)
    tile = workspace.logits
    for start in range(0, logits.shape[0], width):
        where = Lanes(0, 0, min(width, logits.shape[0] - start))
        transpose_rows(logits, start, where.count, tile)
        of_lanes(operation, example + start, tile, where, where_wanted(result, tile), workspace)
        if result is not None:
            transpose_lanes(tile, result, start, where.count)


@compiled
def columns(operation, first, last, logits, result, tiles):
    """Do the items from `first` to `last` of (outer, K, inner) logits: a vector of examples along `inner` each.

    Items are counted through all outer indices, of which each begins a new one.
    """
    workspace, inner, width = Workspace(tiles[0], tiles[1], tiles[2]), logits.shape[2], lane_count(logits)
    items = (inner + width - 1) // width
    for item in range(first, last):
        outer, start = item // items, (item % items) * width
        where = Lanes(outer, start, min(width, inner - start))
        of_lanes(operation, outer * inner + start, logits, where, result, workspace)


@compiled
def crowded_columns(operation, first, last, logits, result, tiles, panel):
    """`columns` by way of a copy, where classes stand whole vectors apart that crowd into a few sets of a cache.

    The panel (vectors, K, lanes) is scratch memory for so many vectors of examples, of which `inner` is a multiple. An
    item is a panel.
    """
    workspace, lanes = Workspace(tiles[0], tiles[1], tiles[2]), lane_count(logits)
    width = panel.shape[0] * lanes
    items = logits.shape[2] // width
    for item in range(first, last):
        outer, start = item // items, (item % items) * width
        copy_to_panel(logits[outer], start, panel)
        for v in range(panel.shape[0]):
            example, where = outer * logits.shape[2] + start + v * lanes, Lanes(v, 0, lanes)
            of_lanes(operation, example, panel, where, where_wanted(result, panel), workspace)
        if result is not None:
            copy_from_panel(panel, result[outer], start)

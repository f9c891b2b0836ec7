"""Products of blocks of rows with the weights of a head, and with residuals, of numbers rounded to bfloat16.

Features and residuals keep 8 bits, weights 16. What is rounded differs from row to row, and averages out over rows.
"""

from collections import deque
from collections.abc import Callable
from functools import reduce
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from lastlayer._memory import allowed_bytes
from lastlayer._threads import num_threads, run_blocks
from lastlayer.kernels.bfloat16 import (
    PANEL,
    STEP,
    add_products,
    has_tiles,
    pack_columns,
    pack_rows,
    right_panels,
    zeros,
)
from lastlayer.linear.features import DenseFeatures, FeatureMatrix

# Rows of a block: as many as share a pass over the weights and their gradient. A residual's panels then stay in the
# second cache.
ROWS = 1024
# With fewer features than this and more classes, products are a small part of a pass, which loses by rounding
# (decisions/0024-bfloat16.md).
_NARROW = 128
# Parts of a weight, 8 bits each; panels of rows whose sums are worked on together, and steps of each at a time.
_PARTS, _HEIGHT, _STRETCH = 2, 16, 16
# Rows of floats at a multiple of this distance fall into the same few places of the first cache; and how far apart,
# in numbers, they are kept then.
_CROWDED, _APART = 1024, 16
# Parts of the rows, each with a gradient in float32, that threads share; their gradients are added up in float64. At
# least, at most, and the bytes that their gradients may take together between the two.
_FEWEST_PARTS, _MOST_PARTS, _PARTIAL = 4, 32, 256 << 20


def can_sweep_in_bfloat16(features: FeatureMatrix, num_classes: int) -> TypeGuard[DenseFeatures]:
    """Whether `sweep_in_bfloat16` multiplies these features, gains by it, and takes half of the memory allowed."""
    if not (isinstance(features, DenseFeatures) and features.dtype == np.float32 and has_tiles()):
        return False
    if features.shape[1] < _NARROW and num_classes > _NARROW:
        return False
    size = num_classes * features.shape[1]
    parts = _num_parts(size)
    blocks = min(num_threads(), parts) * bytes_of_block(num_classes, features.shape[1])
    return blocks + 4 * parts * size <= allowed_bytes() / 2


def sweep_in_bfloat16(
    features: DenseFeatures,
    weight: NDArray[Any],
    bias: NDArray[Any],
    mean: NDArray[Any],
    write_residual: Callable[[slice, NDArray[np.float32], NDArray[np.float32]], tuple[Any, ...]],
) -> tuple[NDArray[np.float64], tuple[Any, ...]]:
    """Multiply features less their mean with the weights of a head, and with the residuals that are made of that.

    Args:
      features: X, (N, D).
      weight: (K, D).
      bias: (K,).
      mean: (D,).
      write_residual: called on many threads with a slice of rows, n of them, their logits (n, width) (X - mean) weight'
        + bias, -inf beyond the classes, and memory (n, width) for their residuals, 0 beyond the classes. What it
        returns, numbers and arrays, is added up.
    Returns: residuals' (X - mean), (K, D), and the sums.
    """
    weights = Bfloat16Weights(features.unscaled(weight))
    stored_mean = mean if features.scale is None else mean * features.scale
    bias = bias.astype(np.float32)
    num_rows, free = features.shape[0], deque()
    num_blocks = -(-num_rows // ROWS)
    num_parts = min(_num_parts(weight.size), num_blocks)
    edges = [min(ROWS * (num_blocks * part // num_parts), num_rows) for part in range(num_parts + 1)]

    def work(first, last):
        return [part_of(edges[part], edges[part + 1]) for part in range(first, last)]

    def part_of(start, stop):
        # Of no thread of its own: memory that was touched before is handed on.
        block, found = free.pop() if free else Bfloat16Block(weights, stored_mean), []
        for first in range(start, stop, ROWS):
            rows = slice(first, min(first + ROWS, stop))
            logits = block.logits(features.stored(rows), bias)
            found.append(write_residual(rows, logits, block.residual()))
            block.add_residual()
        gradient = block.take_gradient()
        free.append(block)
        return gradient, _sums(found)

    parts = run_blocks(work, num_parts, items_per_block=1, blocks_per_thread=num_parts)
    gradients, found = zip(*(part for several in parts for part in several), strict=True)
    return features.unscaled(reduce(np.add, gradients, np.zeros(weight.shape))), _sums(found)


def _sums(found):
    return tuple(sum(parts) for parts in zip(*found, strict=True))


def _num_parts(size_of_head):
    return min(_MOST_PARTS, max(_FEWEST_PARTS, _PARTIAL // max(1, 4 * size_of_head)))


def bytes_of_block(num_classes: int, num_features: int) -> int:
    """About the memory of a Bfloat16Block."""
    return ROWS * (8 * num_features + 10 * num_classes) + 4 * num_classes * num_features


class Bfloat16Weights:
    """Weights (K, D) of a head, packed for products with rows.

    Attributes:
      shape: (K, D).
      width: of a row of logits in memory.

    Raises: RuntimeError where the processor has no tiles.
    """

    def __init__(self, weight: NDArray[Any]):
        if not has_tiles():
            raise RuntimeError("Bfloat16Weights: this processor has no tiles; ask `has_tiles()` first.")
        self.shape: tuple[int, int] = weight.shape
        padded = np.zeros([_padded(length) for length in weight.shape], np.float32)
        padded[: weight.shape[0], : weight.shape[1]] = weight
        self.width: int = logits_width(weight.shape[0])
        self.panels: NDArray[np.uint32] = right_panels(padded, _PARTS)


class Bfloat16Block:
    """Memory of one thread for a block of up to `ROWS` rows, and the gradient that its residuals add up to.

    Args:
      weights: what rows are multiplied with.
      mean: (D,), what is subtracted from rows before they are rounded.
    """

    def __init__(self, weights: Bfloat16Weights, mean: NDArray[Any]):
        self._weights, self._mean = weights, mean.astype(np.float32)
        num_features = _padded(weights.shape[1])
        panels, steps = ROWS // PANEL, num_features // STEP
        self._rows = zeros((ROWS, num_features), np.float32)
        self._left = zeros((panels, steps, 2, 16, 16), np.uint32)
        self._right = zeros((steps, panels, 1, 2, 16, 16), np.uint32)
        self._residuals = zeros((_padded(weights.shape[0]) // PANEL, panels, 2, 16, 16), np.uint32)
        self._logits, self._residual = zeros((2, ROWS, weights.width), np.float32)
        self._gradient = zeros((_padded(weights.shape[0]), _apart(num_features)), np.float32)
        self._count = 0

    def logits(self, rows: NDArray[Any], bias: NDArray[Any]) -> NDArray[np.float32]:
        """The logits (n, width) of rows (n, D) less the mean, under a bias (K,), -inf beyond the classes.

        They are in memory of the block, for the caller to overwrite.
        """
        num_classes, num_features = self._weights.shape
        np.subtract(rows, self._mean, out=self._rows[: len(rows), :num_features], casting="same_kind")
        self._rows[len(rows) : self._count] = 0
        self._count = len(rows)
        pack_rows(self._rows.view(np.uint32), self._left, self._right)
        self._logits[:, :num_classes] = bias
        self._logits[:, num_classes:] = -np.inf
        add_products(self._left, self._weights.panels, self._logits, _HEIGHT, _STRETCH)
        return self._logits[: self._count]

    def residual(self) -> NDArray[np.float32]:
        """Memory (n, width) for the residuals of the rows, to be written before `add_residual`."""
        self._residual[self._count :] = 0
        return self._residual[: self._count]

    def add_residual(self) -> None:
        """Add the product of what was written to `residual` and the rows to the gradient."""
        pack_columns(self._residual.view(np.uint32), self._residuals)
        add_products(self._residuals, self._right, self._gradient, _HEIGHT, self._residuals.shape[1])

    def take_gradient(self) -> NDArray[np.float32]:
        """(K, D), the sum so far of the products with rows less the mean; a copy, after which it begins anew."""
        num_classes, num_features = self._weights.shape
        taken = self._gradient[:num_classes, :num_features].copy()
        self._gradient.fill(0)
        return taken


def logits_width(num_classes: int) -> int:
    """Of a row of logits in memory, the number of classes or a little more."""
    return _apart(_padded(num_classes))


def _padded(length):
    return -(-length // PANEL) * PANEL


def _apart(length):
    return length if length % _CROWDED else length + _APART

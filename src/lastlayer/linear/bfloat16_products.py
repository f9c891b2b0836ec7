"""Products of blocks of rows with the weights of a head, and with residuals, of numbers rounded to bfloat16.

Features and residuals keep 8 bits, weights 16. What is rounded differs from row to row, and averages out over rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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

# Rows of a block: as many as share a pass over the weights and their gradient. A residual's panels then stay in the
# second cache.
ROWS = 1024
# Parts of a weight, 8 bits each; panels of rows whose sums are worked on together, and steps of each at a time.
_PARTS, _HEIGHT, _STRETCH = 2, 16, 16
# Rows of floats at a multiple of this distance fall into the same few places of the first cache; and how far apart,
# in numbers, they are kept then.
_CROWDED, _APART = 1024, 16


def bytes_of_block(num_classes: int, num_features: int) -> int:
    """About the memory of a Bfloat16Block."""
    return ROWS * (8 * num_features + 10 * num_classes) + 4 * num_classes * num_features


class Bfloat16Weights:
    """Weights (K, D) of a head, packed for products with rows.

    Attributes:
      shape: (K, D).
      width: of a row of logits in memory, K or a little more.

    Raises: RuntimeError where the processor has no tiles.
    """

    def __init__(self, weight: NDArray[Any]):
        if not has_tiles():
            raise RuntimeError("Bfloat16Weights: this processor has no tiles; ask `has_tiles()` first.")
        self.shape: tuple[int, int] = weight.shape
        padded = np.zeros([_padded(length) for length in weight.shape], np.float32)
        padded[: weight.shape[0], : weight.shape[1]] = weight
        self.width: int = _apart(padded.shape[0])
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

    def gradient(self) -> NDArray[np.float32]:
        """(K, D), the sum so far of the products with rows less the mean."""
        num_classes, num_features = self._weights.shape
        return self._gradient[:num_classes, :num_features]


def _padded(length):
    return -(-length // PANEL) * PANEL


def _apart(length):
    return length if length % _CROWDED else length + _APART

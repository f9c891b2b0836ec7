"""A block of rows of features, packed for products with tiles of classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._blocks import without_read_only_flag
from lastlayer.kernels.products import (
    add_to_features,
    add_to_weight,
    pack_rows,
    unpack_rows,
    write_products,
)
from lastlayer.kernels.vectors import VECTOR_BYTES


class PackedRows:
    """Rows (n, D) as (V, D, lanes), a vector of rows side by side, V lanes >= n; rows beyond n are 0.

    Tiles of logits and residuals are (V, T, lanes).
    """

    def __init__(self, rows: NDArray[Any]):
        self._rows = without_read_only_flag(np.ascontiguousarray(rows))
        num_rows, num_features = rows.shape
        self._lanes = VECTOR_BYTES // rows.itemsize
        vectors = -(-num_rows // self._lanes)
        whole = num_rows == vectors * self._lanes
        self._panels = (np.empty if whole else np.zeros)((vectors, num_features, self._lanes), rows.dtype)
        pack_rows(self._rows, self._panels)

    @property
    def num_vectors(self) -> int:
        """V."""
        return self._panels.shape[0]

    def tile(self, num_classes: int, memory: NDArray[Any]) -> NDArray[Any]:
        """The first entries of flat memory as a tile of so many classes."""
        shape = self.num_vectors, num_classes, self._lanes
        return memory[: shape[0] * shape[1] * shape[2]].reshape(shape)

    def size_of_tile(self, num_classes: int) -> int:
        """The entries of such a tile."""
        return self.num_vectors * num_classes * self._lanes

    def write_logits(self, weight: NDArray[Any], out: NDArray[Any]) -> None:
        """Write the products with weights (T, D) to a tile."""
        write_products(weight, self._panels, out)

    def padded(self, unwanted: NDArray[np.bool_]) -> "PaddedRows":
        """The rows as they are multiplied with residuals, `unwanted` ones (n,) as 0."""
        return PaddedRows(self._rows, unwanted, self._lanes)

    def zeros(self) -> NDArray[Any]:
        """Memory for a gradient of the rows, packed."""
        return np.zeros(self._panels.shape, self._panels.dtype)

    def add_to_features(self, weight: NDArray[Any], residual: NDArray[Any], gradient: NDArray[Any]) -> None:
        """Add residual times weights (T, D) to a packed gradient of the rows."""
        add_to_features(weight, residual, gradient)

    def unpack(self, gradient: NDArray[Any], out: NDArray[Any]) -> None:
        """Write a packed gradient to (n, D)."""
        unpack_rows(gradient, out)


class PaddedRows:
    """Rows (n, D) as (V lanes, P), D padded to whole vectors: themselves where that is what they are."""

    def __init__(self, rows: NDArray[Any], unwanted: NDArray[np.bool_], lanes: int):
        num_rows, num_features = rows.shape
        shape = -(-num_rows // lanes) * lanes, -(-num_features // lanes) * lanes
        if shape == rows.shape and not unwanted.any():
            self._rows = rows
        else:
            self._rows = np.zeros(shape, rows.dtype)
            self._rows[:num_rows, :num_features] = rows
            self._rows[:num_rows][unwanted] = 0

    def add_to_weight(self, residual: NDArray[Any], gradient: NDArray[Any], *, fresh: bool) -> None:
        """Add the transposed residual tile times the rows to (T, D), or write it there where that is `fresh`."""
        add_to_weight(residual, self._rows, gradient, fresh)

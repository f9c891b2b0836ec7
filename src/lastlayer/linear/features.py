"""Products with the feature matrix X, dense or CSR, a block of rows at a time; X itself is never copied or centred.

Where there is a scale, everything is said of X with each column divided by its scale. The weights are divided in
place of the features, which costs nothing a row.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer.linear.sweep import Gradients, Head, TileOperation, sweep

# Entries of dense features that are looked at together.
_COPIED = 1 << 20
# Entries of a sparse matrix that are squared at a time, at least.
_ENTRIES = 1 << 18


class _Scaled:
    """What dense and sparse features do with a scale, (D,) > 0 in the features' units, or None."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def __init__(self, features: Any, scale: NDArray[Any] | None):
        self._features, self.shape, self.dtype = features, features.shape, features.dtype
        self._scale = scale
        self._inverse = None if scale is None else (1.0 / scale).astype(features.dtype)

    @property
    def scale(self) -> NDArray[Any] | None:
        """(D,) what the columns are divided by, or None."""
        return self._scale

    def unscaled(self, weight: NDArray[Any]) -> NDArray[Any]:
        """The weights (K, D) that give with X as it is what `weight` gives with the scaled X; inf beyond the dtype."""
        with np.errstate(over="ignore"):
            return self._divided(weight)

    def scaled(self, weight: NDArray[Any]) -> NDArray[Any]:
        """The weights (K, D) that give with the scaled X what `weight` gives with X as it is."""
        return weight if self._inverse is None else weight / self._inverse

    def _divided(self, columns: NDArray[Any]) -> NDArray[Any]:
        """An array whose last axis has length D, divided by the scale."""
        return columns if self._inverse is None else columns * self._inverse


class DenseFeatures(_Scaled):
    """An (N, D) array of float32 or float64 in any order, its columns divided by `scale` (D,) if there is one."""

    def __init__(self, features: NDArray[Any], scale: NDArray[Any] | None = None):
        super().__init__(features, scale)

    def contents(self) -> Iterator[NDArray[Any]]:
        """All numbers of X as it is, in contiguous arrays of some megabytes."""
        step = max(1, _COPIED // max(1, self.shape[1]))
        for start in range(0, self.shape[0], step):
            yield np.ascontiguousarray(self._features[start : start + step])

    def times(self, weight: NDArray[Any], rows: slice, out: NDArray[Any]) -> None:
        """Write X[rows] weight' to `out` (rows, K) for `weight` (K, D)."""
        np.matmul(self._features[rows], self._divided(weight).T, out=out)

    def adjoint(self, residual: Any, rows: slice) -> NDArray[Any]:
        """The product residual' X[rows], (K, D), for `residual` (rows, K)."""
        return self._divided(residual.T @ self._features[rows])

    def sweep(
        self, operation: TileOperation, head: Head, weight: NDArray[Any] | None, class_sums: NDArray[np.float64]
    ) -> None:
        """Show an operation all logits of a head, and write its gradient (K, D) and class sums; see `sweep`."""
        head = head._replace(weight=self._divided(head.weight))
        sweep(operation, head, self._features, None, self.dtype, Gradients(None, weight, class_sums))
        if weight is not None and self._inverse is not None:
            weight *= self._inverse

    def take(self, rows: NDArray[Any] | slice) -> NDArray[Any]:
        """The rows of an index array as a dense array of their own."""
        return np.ascontiguousarray(self._divided(self._features[rows]))

    def like(self, features: NDArray[Any]) -> "DenseFeatures":
        """Other features (M, D), with the same scale."""
        return DenseFeatures(features, self._scale)

    def rows(self, index: NDArray[Any]) -> "DenseFeatures":
        """The features of the rows of an index array, a copy."""
        return DenseFeatures(self.take(index))


class SparseFeatures(_Scaled):
    """An (N, D) CSR matrix of float32 or float64, its columns divided by `scale` (D,) if there is one."""

    def __init__(self, features: Any, scale: NDArray[Any] | None = None):
        super().__init__(sp.csr_array(features, copy=False), scale)

    def _block(self, rows):
        whole, (start, stop, _) = self._features, rows.indices(self.shape[0])
        if stop - start == self.shape[0]:
            return whole
        first, last = whole.indptr[start], whole.indptr[stop]
        parts = (whole.data[first:last], whole.indices[first:last], whole.indptr[start : stop + 1] - first)
        return sp.csr_array(parts, shape=(stop - start, self.shape[1]), copy=False)

    def contents(self) -> Iterator[NDArray[Any]]:
        """All numbers of X as it is: its data, columns and the edges of its rows."""
        yield from (self._features.data, self._features.indices, self._features.indptr)

    def times(self, weight: NDArray[Any], rows: slice, out: NDArray[Any]) -> None:
        """Write X[rows] weight' to `out` (rows, K) for `weight` (K, D)."""
        out[...] = self._block(rows) @ np.ascontiguousarray(self._divided(weight).T)

    def adjoint(self, residual: Any, rows: slice) -> NDArray[Any]:
        """The product residual' X[rows], (K, D), for `residual` (rows, K)."""
        return self._divided((self._block(rows).T @ residual).T)

    def like(self, features: Any) -> "SparseFeatures":
        """Other features (M, D), with the same scale."""
        return SparseFeatures(features, self._scale)

    def rows(self, index: NDArray[Any]) -> "SparseFeatures":
        """The features of the rows of an index array, a copy."""
        return SparseFeatures(self._features[index], self._scale)

    def take(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The rows of an index array as a dense array of their own."""
        return np.ascontiguousarray(self._divided(self._features[rows].toarray()))

    def weighted_squares(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over rows of `weight` (N,) times the squares of X, in float64, (D,)."""
        total = np.zeros(self.shape[1])
        size = max(1, max(_ENTRIES, total.size) * self.shape[0] // max(1, self._features.nnz))
        for start in range(0, self.shape[0], size):
            block = self._block(slice(start, start + size))
            data = block.data.astype(np.float64)
            if self._inverse is not None:
                data *= self._inverse[block.indices]
            with np.errstate(over="ignore"):  # which the caller looks for
                data *= data
            total += sp.csr_array((data, block.indices, block.indptr), block.shape).T @ weight[start : start + size]
        return total


FeatureMatrix: TypeAlias = DenseFeatures | SparseFeatures

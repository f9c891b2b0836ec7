"""Products with the feature matrix X, dense or CSR, a block of rows at a time; X itself is never copied or centred.

Where there is a scale, everything is said of X with each column divided by its scale. The weights are divided in
place of the features, which costs nothing a row.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike, NDArray

from lastlayer.linear.sweep import Gradients, Head, TileOperation, sweep

# Entries of dense features that are looked at together, and those that are converted together, which stay in cache.
_COPIED, _CONVERTED = 1 << 20, 1 << 17
# Entries of a sparse matrix that are squared at a time, at least.
_ENTRIES = 1 << 18


def working_dtype(stored: DTypeLike) -> np.dtype[Any]:
    """What dense features of a dtype are worked on in: float32 for float16, float64 for whole numbers and booleans."""
    stored = np.dtype(stored)
    if stored.kind != "f":
        return np.dtype(np.float64)
    return np.dtype(np.float32) if stored.itemsize <= 4 else np.dtype(np.float64)


class _Scaled:
    """What dense and sparse features do with a scale, (D,) > 0 in the features' units, or None.

    Attributes:
      shape: (N, D).
      dtype: what they are computed with in.
      head_dtype: that of a head for them, which follows from how they are stored.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    head_dtype: np.dtype[Any]

    def __init__(self, features: Any, scale: NDArray[Any] | None, dtype: DTypeLike | None):
        self._features, self.shape, self.head_dtype = features, features.shape, working_dtype(features.dtype)
        self.dtype = self.head_dtype if dtype is None else np.dtype(dtype)
        self._scale = scale
        self._inverse = None if scale is None else (1.0 / scale).astype(self.dtype)

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
    """An (N, D) array in any order, its columns divided by `scale` (D,) if there is one.

    They are computed with in `dtype`; None is their own if it is float32 or float64, else `working_dtype`. Numbers that
    are stored otherwise are converted a block at a time as they are used, so that no second X is ever there.
    """

    def __init__(self, features: NDArray[Any], scale: NDArray[Any] | None = None, dtype: DTypeLike | None = None):
        # The views of a memmap are of its own class, which costs some microseconds each.
        super().__init__(np.asarray(features), scale, dtype)

    def contents(self) -> Iterator[NDArray[Any]]:
        """All numbers of X as it is, in contiguous arrays of some megabytes."""
        step = max(1, _COPIED // max(1, self.shape[1]))
        for start in range(0, self.shape[0], step):
            yield np.ascontiguousarray(self._features[start : start + step])

    def stored(self, rows: slice) -> NDArray[Any]:
        """The features of some rows as they are stored, not divided by a scale."""
        return self._features[rows]

    def times(self, weight: NDArray[Any], rows: slice, out: NDArray[Any]) -> None:
        """Write X[rows] weight' to `out` (rows, K) for `weight` (K, D)."""
        columns = self._divided(weight).T
        for part, block in self._blocks(rows):
            np.matmul(block, columns, out=out[part])

    def adjoint(self, residual: Any, rows: slice) -> NDArray[Any]:
        """The product residual' X[rows], (K, D), for `residual` (rows, K); its blocks are added up in float64."""
        # With no fewer rows than classes, a block is no smaller than its product.
        blocks = self._blocks(rows, residual.shape[1])
        part, block = next(blocks)
        product = residual[part].T @ block
        dtype = product.dtype
        for part, block in blocks:
            product = np.add(product, residual[part].T @ block, dtype=np.float64)
        return self._divided(product.astype(dtype, copy=False))

    def _blocks(self, rows, fewest=1):
        """Yield (part, block): a slice of `rows` and their features in `dtype`; all of them where that is no copy.

        Those that are converted have `fewest` rows, but the last.
        """
        features = self._features[rows]
        if features.dtype == self.dtype:
            yield slice(None), features
            return
        step = max(fewest, _CONVERTED // max(1, self.shape[1]))
        for start in range(0, max(1, len(features)), step):
            part = slice(start, start + step)
            yield part, features[part].astype(self.dtype)

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
        return np.ascontiguousarray(self._divided(self._features[rows].astype(self.dtype, copy=False)))

    def like(self, features: NDArray[Any]) -> "DenseFeatures":
        """Other features (M, D), with the same scale."""
        return DenseFeatures(features, self._scale, self.dtype)

    def rows(self, index: NDArray[Any]) -> "DenseFeatures":
        """The features of the rows of an index array, a copy."""
        return DenseFeatures(self.take(index))


class SparseFeatures(_Scaled):
    """An (N, D) CSR matrix of float32 or float64, its columns divided by `scale` (D,) if there is one.

    It is computed with in `dtype`, for which its numbers are converted beforehand; None is its own.
    """

    def __init__(self, features: Any, scale: NDArray[Any] | None = None, dtype: DTypeLike | None = None):
        super().__init__(features, scale, dtype)
        self._features = sp.csr_array(features, dtype=self.dtype, copy=False)

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
        return SparseFeatures(features, self._scale, self.dtype)

    def rows(self, index: NDArray[Any]) -> "SparseFeatures":
        """The features of the rows of an index array, a copy."""
        return SparseFeatures(self._features[index], self._scale)

    def take(self, rows: NDArray[Any] | slice) -> NDArray[Any]:
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

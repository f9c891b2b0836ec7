"""Products with the feature matrix X, dense or CSR, a block of rows at a time; X itself is never copied or centred."""

import numpy as np
import scipy.sparse as sp


class DenseDesign:
    """An (N, D) array of float32 or float64 in any order."""

    def __init__(self, features):
        self._features = features
        self.shape, self.dtype = features.shape, features.dtype

    def times(self, weight, rows, out):
        """Write X[rows] weight' to `out` (rows, K) for `weight` (K, D)."""
        np.matmul(self._features[rows], weight.T, out=out)

    def adjoint(self, residual, rows):
        """The product residual' X[rows], (K, D), for `residual` (rows, K)."""
        return residual.T @ self._features[rows]

    def take(self, rows):
        """The rows of an index array as a dense array of their own."""
        return np.ascontiguousarray(self._features[rows])


class SparseDesign:
    """An (N, D) CSR matrix of float32 or float64."""

    def __init__(self, features):
        self._features = sp.csr_array(features, copy=False)
        self.shape, self.dtype = features.shape, features.dtype

    def _block(self, rows):
        whole, (start, stop, _) = self._features, rows.indices(self.shape[0])
        if stop - start == self.shape[0]:
            return whole
        first, last = whole.indptr[start], whole.indptr[stop]
        parts = (whole.data[first:last], whole.indices[first:last], whole.indptr[start : stop + 1] - first)
        return sp.csr_array(parts, shape=(stop - start, self.shape[1]), copy=False)

    def times(self, weight, rows, out):
        """Write X[rows] weight' to `out` (rows, K) for `weight` (K, D)."""
        out[...] = self._block(rows) @ np.ascontiguousarray(weight.T)

    def adjoint(self, residual, rows):
        """The product residual' X[rows], (K, D), for `residual` (rows, K)."""
        return (self._block(rows).T @ residual).T

    def weighted_sum(self, weight, rows):
        """The product weight' X[rows] in float64, (D,)."""
        return self._block(rows).T @ weight

    def squares(self):
        """The elementwise square of X, CSR."""
        return SparseDesign(self._features.power(2))

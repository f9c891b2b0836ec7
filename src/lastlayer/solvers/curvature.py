"""What is known of the Hessian of softmax regression beforehand, as a preconditioner.

The block of class k is the covariance of the features under the weights p_k (1 - p_k), plus lambda I (Böhning 1992
bounds it by the plain covariance). One eigenbasis of the plain covariance, scaled by the class's current mean of
p_k (1 - p_k), serves every class and every penalty; the mean under those weights, which moves from the common mean
to the class's own as the fit proceeds, couples the class's weights to its intercept.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lastlayer.linear import DenseFeatures, SparseFeatures

# Rows that estimate the covariance, for each feature and at least; a preconditioner needs no more.
_ROWS_PER_FEATURE, _FEWEST_ROWS = 8, 4096
# Features beyond which only the leading eigenvectors are sought, and the rows that they are sought in.
_MOST_FEATURES = 1024


class Curvature:
    """An approximate inverse Hessian, in coordinates where the features have mean 0.

    Attributes:
      basis: (D, R) orthonormal columns, or None for the coordinate axes.
      eigenvalues: (R,) variances of the features along them.
      remainder: variance along every direction outside the basis.
      typical: the median of the variances above 0, or 1.
    """

    def __init__(self, basis: NDArray[Any] | None, eigenvalues: NDArray[Any], remainder: float):
        self._basis, self._eigenvalues, self._remainder = basis, eigenvalues, remainder
        positive = eigenvalues[eigenvalues > 0]
        self.typical: float = float(np.median(positive)) if positive.size else 1.0

    @classmethod
    def of_dense(
        cls,
        features: DenseFeatures,
        mean: NDArray[Any],
        row_weight: NDArray[np.float64],
        generator: np.random.RandomState,
    ) -> Self:
        """From the rows of dense features about `mean` (D,), or a sample of them drawn by a RandomState."""
        num_rows, num_features = features.shape
        wide = num_features > _MOST_FEATURES
        enough = _MOST_FEATURES if wide else max(_FEWEST_ROWS, _ROWS_PER_FEATURE * num_features)
        positive = np.flatnonzero(row_weight)
        if positive.size > enough:
            positive = np.sort(generator.choice(positive, enough, replace=False))
        sample = features.take(positive) if positive.size < num_rows else features.take(slice(None))
        sample = sample - mean.astype(features.dtype)
        share = row_weight[positive] / row_weight[positive].sum()
        sample *= np.sqrt(share)[:, None].astype(features.dtype)
        if sample.shape[0] >= num_features:
            eigenvalues, basis = np.linalg.eigh(_products(sample.T, sample))
            return cls(np.ascontiguousarray(basis), np.maximum(eigenvalues, 0.0), 0.0)
        # Fewer rows than features: the same eigenvectors by way of the (rows, rows) products.
        eigenvalues, left = np.linalg.eigh(_products(sample, sample.T))
        kept = eigenvalues > 1e-6 * max(float(eigenvalues[-1]), np.finfo(features.dtype).tiny)
        eigenvalues, left = eigenvalues[kept], left[:, kept]
        # The sample explains too much by its leading directions; what more rows would show lies outside them.
        half = eigenvalues.size // 2 if wide else 0
        remainder = float(eigenvalues[:half].sum()) / max(1, num_features - eigenvalues.size + half)
        basis = (sample.T @ left[:, half:]) / np.sqrt(eigenvalues[half:])
        return cls(np.ascontiguousarray(basis), eigenvalues[half:], remainder)

    @classmethod
    def of_sparse(cls, features: SparseFeatures, mean: NDArray[Any], row_weight: NDArray[np.float64]) -> Self:
        """The variance of each column of sparse features about `mean` (D,)."""
        second = features.weighted_squares(row_weight)
        within = second <= np.finfo(features.dtype).max
        if not within.all():
            raise _too_large(int(within.argmin()), features.dtype)
        return cls(None, np.maximum(second - mean**2, 0.0).astype(features.dtype), 0.0)

    def solve(
        self,
        weight: NDArray[Any],
        intercept: NDArray[Any] | None,
        masses: NDArray[Any],
        centres: NDArray[Any],
        penalty: float | NDArray[np.float64],
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """The approximate Hessian's inverse times a gradient.

        Args:
          weight: (K, D) gradient of the weights.
          intercept: (K,) gradient of the intercepts, or None where there are none.
          masses: (K,) mean over rows of p (1 - p), > 0.
          centres: (K, D) means of the features under p (1 - p), about the common mean, or a guess at them.
          penalty: lambda, or (K,) one for each class.
        Returns: (K, D) and (K,) or None.
        """
        if intercept is None:
            return self._divide(weight, masses, penalty), None
        centres = centres.astype(weight.dtype, copy=False)
        # About its own centre, a class's intercept no longer depends on its weights.
        moved = self._divide(weight - intercept[:, None].astype(weight.dtype) * centres, masses, penalty)
        return moved, intercept / masses - np.einsum("kd,kd->k", centres, moved)

    def _divide(self, weight, masses, penalty):
        inverse = 1.0 / (np.outer(masses, self._eigenvalues) + np.expand_dims(penalty, -1))
        if self._basis is None:
            return weight * inverse.astype(weight.dtype)
        along = weight @ self._basis
        if self._basis.shape[1] == self._basis.shape[0]:
            return (along * inverse.astype(weight.dtype)) @ self._basis.T
        outside = (1.0 / (masses * self._remainder + penalty))[:, None]
        return (
            weight * outside.astype(weight.dtype) + (along * (inverse - outside).astype(weight.dtype)) @ self._basis.T
        )


def _products(left, right):
    """Of a sample and its transpose, the product. Raises ValueError where a column's squares overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        products = left @ right
    if not np.isfinite(products).all():
        sample = left if left.flags.c_contiguous else right
        raise _too_large(int(np.abs(sample).max(axis=0).argmax()), sample.dtype)
    return products


def _too_large(column, dtype):
    return ValueError(
        f"X: column {column} has values whose squares are beyond {dtype}, expected less than "
        f"{np.sqrt(np.finfo(dtype).max):.0e}; scale the column, or pass standardize=True (--standardize in a shell)."
    )

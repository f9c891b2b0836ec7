"""What is known of the Hessian of softmax regression beforehand, as a preconditioner.

The block of class k is the covariance of the features under the weights p_k (1 - p_k), plus lambda I (Böhning 1992
bounds it by the plain covariance). One eigenbasis of the plain covariance, scaled by the class's current mean of
p_k (1 - p_k), serves every class and every penalty; the mean under those weights, which moves from the common mean
to the class's own as the fit proceeds, couples the class's weights to its intercept.
"""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from lastlayer.linear import FeatureMatrix, SparseFeatures

if TYPE_CHECKING:
    from lastlayer.solvers.class_coupling import ClassCoupling

# Rows that estimate the covariance, for each feature and at least; a preconditioner needs no more.
_ROWS_PER_FEATURE, _FEWEST_ROWS = 8, 4096
# Features beyond which only the leading eigenvectors are sought, and the rows that they are sought in.
_MOST_FEATURES = 1024
# Up to the latter, all are sought nevertheless where a pass has the former times D² logits: about 40 D³ operations
# beside 4 N K D are a quarter of an iteration, and save a third of them.
_LOGITS_PER_SQUARE, _LARGEST = 40, 4096


def rows_for_covariance(num_features: int, num_logits: int = 0) -> int:
    """How many rows are enough to estimate the covariance of so many features, where a pass has so many logits."""
    worth = num_features <= _LARGEST and _LOGITS_PER_SQUARE * num_features**2 <= num_logits
    if num_features > _MOST_FEATURES and not worth:
        return _MOST_FEATURES
    return max(_FEWEST_ROWS, _ROWS_PER_FEATURE * num_features)


class Curvature:
    """An approximate inverse Hessian, in coordinates where the features have mean 0.

    Attributes:
      has_basis: whether it knows directions other than the coordinate axes.
      basis: (D, R) orthonormal columns, or None for the coordinate axes.
      eigenvalues: (R,) variances of the features along them.
      remainder: variance along every direction outside the basis.
      typical: the median of the variances above 0, or 1.
    """

    def __init__(self, basis: NDArray[Any] | None, eigenvalues: NDArray[Any], remainder: float):
        self._basis, self._eigenvalues, self._remainder = basis, eigenvalues, remainder
        self.has_basis: bool = basis is not None
        positive = eigenvalues[eigenvalues > 0]
        self.typical: float = float(np.median(positive)) if positive.size else 1.0

    @classmethod
    def of_features(
        cls,
        features: FeatureMatrix,
        mean: NDArray[Any],
        row_weight: NDArray[np.float64],
        generator: np.random.RandomState,
        num_logits: int = 0,
    ) -> Self:
        """From features (N, D) about `mean` (D,): all of CSR, of dense ones a sample of the rows that weigh.

        The more logits N K a pass has, the more the sample may cost.

        Raises: ValueError where a column's squares overflow.
        """
        if isinstance(features, SparseFeatures):
            return cls.of_sparse(features, mean, row_weight)
        rows, enough = np.flatnonzero(row_weight), rows_for_covariance(features.shape[1], num_logits)
        if rows.size > enough:
            rows = np.sort(generator.choice(rows, enough, replace=False))
        return cls.of_sample(
            features.take(rows if rows.size < len(row_weight) else slice(None)), mean, row_weight[rows]
        )

    @classmethod
    def of_sample(cls, sample: NDArray[Any], mean: NDArray[Any], row_weight: NDArray[np.float64]) -> Self:
        """From dense rows (n, D) about `mean` (D,), whose weights (n,) are above 0.

        Raises: ValueError where a column's squares overflow.
        """
        num_features = sample.shape[1]
        wide = num_features > _MOST_FEATURES
        sample = sample - mean.astype(sample.dtype)
        share = row_weight / row_weight.sum()
        sample *= np.sqrt(share)[:, None].astype(sample.dtype)
        if sample.shape[0] >= num_features:
            eigenvalues, basis = np.linalg.eigh(_products(sample.T, sample))
            return cls(np.ascontiguousarray(basis), np.maximum(eigenvalues, 0.0), 0.0)
        # Fewer rows than features: the same eigenvectors by way of the (rows, rows) products.
        eigenvalues, left = np.linalg.eigh(_products(sample, sample.T))
        kept = eigenvalues > 1e-6 * max(float(eigenvalues[-1]), np.finfo(sample.dtype).tiny)
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
        coupling: "ClassCoupling | None" = None,
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """The approximate Hessian's inverse times a gradient.

        Args:
          weight: (K, D) gradient of the weights.
          intercept: (K,) gradient of the intercepts, or None where there are none.
          masses: (K,) mean over rows of p (1 - p), > 0.
          centres: (K, D) means of the features under p (1 - p), about the common mean, or a guess at them.
          penalty: lambda, or (K,) one for each class.
          coupling: what takes the place of the masses, if penalties are equal; None takes classes for independent.
        Returns: (K, D) and (K,) or None.
        """
        if intercept is None:
            return self._divided(weight, masses, penalty, coupling), None
        centres = centres.astype(weight.dtype, copy=False)
        # About its own centre, a class's intercept no longer depends on its weights.
        moved = self._divided(weight - intercept[:, None].astype(weight.dtype) * centres, masses, penalty, coupling)
        shift = intercept / masses if coupling is None else coupling.solve(intercept)
        return moved, shift - np.einsum("kd,kd->k", centres, moved)

    def _divided(self, weight, masses, penalty, coupling):
        if coupling is None:
            return self._divide(weight, masses, penalty)
        return coupling.rotate_back(self._divide(coupling.rotate(weight), coupling.eigenvalues, penalty))

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

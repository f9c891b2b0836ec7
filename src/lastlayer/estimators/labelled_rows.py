"""What a fit is given, checked: features, classes, each row's class and weight, and the penalty that C stands for."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.utils.multiclass import check_classification_targets

from lastlayer._arrays import as_sample_weight
from lastlayer._sorted_classes import sorted_classes
from lastlayer.estimators.class_weight import ClassWeight, class_factors
from lastlayer.linear import DenseFeatures, FeatureMatrix, SparseFeatures
from lastlayer.solvers import scale_of, standard_deviations

# The square of a larger one leaves float64.
_LARGEST_PENALTY = 1e150
# What the solvers take for the end at a smaller `tol` is below the rounding of an objective in float32.
_LEAST_TOL_IN_FLOAT32 = 1e-6


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """The rows of a fit.

    Attributes:
      features: (N, D) matrix, its columns divided by a scale if there is one.
      classes: (K,) sorted.
      labels: (N,) int64 in 0..K-1.
      weight: (N,) float64, of samples times classes.
      penalty: lambda of the objective with weights that sum to 1, for K rows of weights.
    """

    features: FeatureMatrix
    classes: NDArray[Any]
    labels: NDArray[np.int64]
    weight: NDArray[np.float64]
    penalty: float

    def unscaled(self, weight: NDArray[Any]) -> NDArray[Any]:
        """The weights (K, D) for features as they are. Raises ValueError if one is beyond the dtype of the features."""
        return unscaled_weight(self.features, weight)

    def start_of(
        self, classes: NDArray[Any], coef: NDArray[Any], intercept: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """An earlier head as (K, D) and (K,) for these rows, or None if it is of other classes or features."""
        if not np.array_equal(classes, self.classes) or coef.shape[1] != self.features.shape[1]:
            return None
        return all_rows(self.features.scaled(coef), intercept, len(classes))


def labelled_rows(
    features: Any,
    targets: NDArray[Any],
    sample_weight: ArrayLike | None,
    *,
    C: float,
    class_weight: ClassWeight,
    standardize: bool,
    dtype: DTypeLike | None = None,
) -> LabelledRows:
    """The rows of a fit, from features and labels that scikit-learn has checked.

    Raises: ValueError or TypeError, in one sentence, for fewer than two classes, weights or a C that leave nothing to
      fit, and labels of no common kind.
    """
    classes, labels = sorted_classes(targets)
    if targets.dtype.kind not in "biuU" and not isinstance(classes[0], str):
        check_classification_targets(targets)
    if len(classes) < 2:
        raise ValueError(
            f"y: only one class, {plain(classes[0])!r}, in {len(targets)} rows, expected at least two classes."
        )
    weight = as_sample_weight(sample_weight, len(targets))
    weight = np.ones(len(targets)) if weight is None else weight
    return rows_of_classes(
        features, classes, labels, weight, C=C, class_weight=class_weight, standardize=standardize, dtype=dtype
    )


def rows_of_classes(
    features: Any,
    classes: NDArray[Any],
    labels: NDArray[np.int64],
    weight: NDArray[np.float64],
    *,
    C: float,
    class_weight: ClassWeight,
    standardize: bool,
    dtype: DTypeLike | None = None,
) -> LabelledRows:
    """The rows of a fit whose classes are known, of which some may have no row here.

    Args:
      features: (N, D) array or CSR matrix.
      classes: (K,) sorted.
      labels: (N,) int64 in 0..K-1.
      weight: (N,) float64 >= 0, of samples.
      C: inverse strength of the penalty.
      class_weight: as in SoftmaxClassifier; "balanced" balances these rows.
      standardize: whether columns are divided by their standard deviations.
      dtype: what is computed in; None is that of the features.
    Raises: ValueError or TypeError, in one sentence, for weights or a C that leave nothing to fit.
    """
    matrix = feature_matrix(features, weight, standardize=standardize, dtype=dtype)
    weight = weight * class_factors(class_weight, classes, labels, weight)[labels]
    if not weight.any():
        raise ValueError("class_weight: every row that has a weight is of a class with factor 0.")
    penalty = penalty_of(C, float(weight.sum()), len(classes), matrix.dtype)
    return LabelledRows(matrix, classes, labels, weight, penalty)


def dtype_of_fit(tol: float) -> np.dtype[Any] | None:
    """What a fit to `tol` computes in: float64 if rounding to float32 would hide its end, else None, as features are.

    The head is in the dtype of the features all the same.
    """
    return np.dtype(np.float64) if tol < _LEAST_TOL_IN_FLOAT32 else None


def feature_matrix(
    features: Any, sample_weight: NDArray[np.float64], *, standardize: bool, dtype: DTypeLike | None
) -> FeatureMatrix:
    """Features that scikit-learn has checked, each divided by its standard deviation where that is asked for."""
    scale = None
    if standardize:
        scale = scale_of(standard_deviations(features, sample_weight))
    return SparseFeatures(features, scale, dtype) if sp.issparse(features) else DenseFeatures(features, scale, dtype)


def unscaled_weight(features: FeatureMatrix, weight: NDArray[Any]) -> NDArray[Any]:
    """The weights (K, D) for features as they are. Raises ValueError if one is beyond the dtype of the features."""
    return weight_of_head(features.unscaled(weight), features.head_dtype, features.scale)


def weight_of_head(weight: NDArray[Any], dtype: DTypeLike, scale: NDArray[np.float64] | None = None) -> NDArray[Any]:
    """Weights (K, D) in the `dtype` of a head, of features that were divided by a `scale` (D,) or by none.

    Raises: ValueError if one is beyond it.
    """
    with np.errstate(over="ignore"):
        found = weight.astype(dtype, copy=False)
    if (scale is not None or found is not weight) and not np.isfinite(found).all():
        column = int(np.isfinite(found).all(axis=0).argmin())
        what = "numbers" if scale is None else f"a standard deviation of {scale[column]:.1e},"
        raise ValueError(
            f"X: feature {column} has {what} too small for its weight to be a number of {found.dtype}, expected "
            "features on a scale that it holds; pass float64 features."
        )
    return found


def penalty_of(C: float, total: float, num_classes: int, dtype: np.dtype[Any]) -> float:
    """Lambda of the objective with weights that sum to 1, if they sum to `total` as given.

    Raises: ValueError if it is beyond the dtype.
    """
    # Two opposite weight vectors under twice the penalty are one weight vector under the penalty.
    penalty = (2 if num_classes == 2 else 1) / max(C * total, np.finfo(float).tiny)
    if not penalty < min(_LARGEST_PENALTY, float(np.finfo(dtype).max)):
        raise ValueError(f"C: received {C!r}, expected a larger number; its penalty is beyond {dtype}.")
    return penalty


def all_rows(coef: NDArray[Any], intercept: NDArray[Any], num_classes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """A head as (K, D) and (K,), also of two classes, for which one row stands as coef_ and intercept_."""
    if num_classes == 2:
        return np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    return coef, intercept


def whole_number(value: object, name: str) -> int:
    """`value` as an int. Raises ValueError unless it is a whole number of at least 1."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}: received {value!r}, expected a whole number of at least 1.")
    return int(value)


def plain(value: Any) -> Any:
    """A number of Python for one of NumPy; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value

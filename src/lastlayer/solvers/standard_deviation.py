"""The standard deviation of each feature, from X as it is: dense or CSR, a block of rows at a time, in float64.

Two passes, the second about the mean that the first found and corrected for what that mean lacks, so that a column of
1e9 plus a little noise keeps its digits (Chan, Golub & LeVeque 1983, Algorithms for computing the sample variance,
equation 1.7). Each column is measured in a unit of its own, so that no square overflows or vanishes.
"""

from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer.linear import working_dtype

# Entries of a block: their float64 copies stay in cache. Those of a sparse block are at least as many as the columns.
_BLOCK, _SPARSE_BLOCK = 1 << 16, 1 << 18
# A deviation of so many units in the last place of the mean is rounding. StandardScaler's bound grows with the number
# of rows, until it takes 1e9 plus noise of 0.1 in a million rows for a constant.
_ROUNDING = 10


class Moments(Protocol):
    """What the standard deviations of columns (D,) are made of, asked of rows wherever they are, once each."""

    def first(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The weighted mean of each column, to its rounding, and its largest absolute value."""
        raise NotImplementedError

    def second(
        self, mean: NDArray[np.float64], inverse_unit: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weighted means of squared deviations and of deviations, of X times `inverse_unit` from `mean`."""
        raise NotImplementedError


class MomentsOfRows:
    """Moments of rows that are held here, or what a part of all rows adds to them.

    Args:
      features: (N, D) array or CSR matrix.
      share: (N,) float64 >= 0, each row's share of the weight of all rows.
    """

    def __init__(self, features: Any, share: NDArray[np.float64]):
        self._rows = features, share
        self._passes = (_sparse_first, _sparse_second) if sp.issparse(features) else (_dense_first, _dense_second)

    def first(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See `Moments`."""
        return self._passes[0](*self._rows)

    def second(
        self, mean: NDArray[np.float64], inverse_unit: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See `Moments`."""
        return self._passes[1](*self._rows, mean, inverse_unit)


def standard_deviations(features: Any, row_weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard deviation of each column under the weights, (D,) float64, in the column's own unit.

    It is 0 for a column that is constant but for rounding: within 10 units in the last place of its mean in the dtype
    of X, or below the smallest normal number of that dtype.

    Args:
      features: (N, D) array or CSR matrix of float32 or float64, finite; an array of other numbers is measured in its
        `working_dtype`, a block at a time.
      row_weight: (N,) float64 >= 0, not all 0.
    """
    return deviations_of(MomentsOfRows(features, row_weight / row_weight.sum()), working_dtype(features.dtype))


def deviations_of(moments: Moments, dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """`standard_deviations` of the columns that have these moments, measured in `dtype`."""
    mean, largest = moments.first()
    # Powers of two: to divide by them rounds nothing.
    unit = np.ldexp(1.0, np.clip(np.frexp(largest)[1], -1000, 1000))
    square, correction = moments.second(mean / unit, 1.0 / unit)
    deviation = np.sqrt(np.maximum(square - correction**2, 0.0)) * unit
    limits = np.finfo(dtype)
    rounding = _ROUNDING * limits.eps * np.abs(mean + correction * unit)
    deviation[deviation <= np.maximum(rounding, limits.tiny)] = 0.0
    return deviation


def scale_of(deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """What columns of these standard deviations are divided by: constant ones stay as they are."""
    return np.where(deviations > 0, deviations, 1.0)


def _dense_blocks(features, share):
    """Yield (rows, D) features and (rows,) shares, without the rows that have none."""
    dtype, size = working_dtype(features.dtype), max(1, _BLOCK // max(1, features.shape[1]))
    for start in range(0, features.shape[0], size):
        rows, part = features[start : start + size].astype(dtype, copy=False), share[start : start + size]
        kept = part > 0
        yield (rows, part) if kept.all() else (rows[kept], part[kept])


def _dense_first(features, share):
    mean, largest = np.zeros((2, features.shape[1]))
    for rows, part in _dense_blocks(features, share):
        # In the dtype of X: the second pass corrects it.
        mean += part.astype(rows.dtype) @ rows
        if part.size:
            np.maximum(largest, np.maximum(rows.max(axis=0), -rows.min(axis=0)), out=largest)
    return mean, largest


def _dense_second(features, share, mean, inverse_unit):
    square, correction = np.zeros((2, features.shape[1]))
    for rows, part in _dense_blocks(features, share):
        deviation = rows * inverse_unit
        deviation -= mean
        correction += part @ deviation
        deviation *= deviation
        square += part @ deviation
    return square, correction


def _sparse_blocks(features, share):
    """Yield the entries of blocks of rows that have a share: values in float64, their columns and their shares."""
    num_rows, num_columns = features.shape
    size = max(1, max(_SPARSE_BLOCK, num_columns) * num_rows // max(1, features.nnz))
    for start in range(0, num_rows, size):
        rows, part = features[start : start + size], share[start : start + size]
        if not rows.has_canonical_format:
            # Entries that name the same place twice add up.
            rows = rows.copy()
            rows.sum_duplicates()
        shares = np.repeat(part, np.diff(rows.indptr))
        kept = shares > 0
        yield rows.data[kept].astype(np.float64), rows.indices[kept], shares[kept]


def _sparse_first(features, share):
    mean, largest = np.zeros((2, features.shape[1]))
    for values, columns, shares in _sparse_blocks(features, share):
        mean += np.bincount(columns, shares * values, mean.size)
        np.maximum.at(largest, columns, np.abs(values))
    return mean, largest


def _sparse_second(features, share, mean, inverse_unit):
    square, correction, stored = np.zeros((3, features.shape[1]))
    count = np.zeros(features.shape[1], np.int64)
    for values, columns, shares in _sparse_blocks(features, share):
        deviation = values * inverse_unit[columns] - mean[columns]
        correction += np.bincount(columns, shares * deviation, mean.size)
        square += np.bincount(columns, shares * deviation**2, mean.size)
        stored += np.bincount(columns, shares, mean.size)
        count += np.bincount(columns, minlength=mean.size)
    # The zeros that are not stored lie at -mean. Counted, so that rounding leaves none in a column without any.
    zeros = np.where(count == np.count_nonzero(share), 0.0, np.maximum(1.0 - stored, 0.0))
    return square + zeros * mean**2, correction - zeros * mean

"""Coordinates in which features are uncorrelated and of like variance, so that one step size suits every direction.

The eigenbasis U of the features' covariance, each axis divided by the root of its variance: z = (x - mean) U diag(a).
A head V on z is the head W = V diag(a) U' on x, and the penalty on ||W||² is one of a² on each column of V: in these
coordinates it stays a sum over weights, so that steps can take it row by row.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lastlayer.linear import FeatureMatrix

# Rows that estimate the covariance, for each feature and besides.
_ROWS_PER_FEATURE, _ROWS = 8, 4096
# Features beyond which axes are scaled but not turned.
_MOST_FEATURES = 1024
# The least variance an axis is taken to have, as a share of the mean: noise would be amplified otherwise.
_LEAST_VARIANCE = 1e-3
# Rows that are transformed at a time: fixed, so that products are the same bit for bit.
_BLOCK = 4096


class FeatureBasis:
    """The affine map from features to coordinates.

    Attributes:
      mean: (D,) what is subtracted from features first.
      axes: (D, D), the columns of U; (0, D) where axes are not turned.
      scale: (D,) a, in the inverse unit of the features.
    """

    mean: NDArray[Any]
    axes: NDArray[Any]
    scale: NDArray[Any]

    def __init__(self, mean: NDArray[Any], axes: NDArray[Any], scale: NDArray[Any]):
        self.mean, self.axes, self.scale = mean, axes, scale
        self._map = axes * scale if axes.size else None

    @classmethod
    def of_rows(
        cls,
        features: FeatureMatrix,
        rows: NDArray[Any],
        weight: NDArray[np.float64],
        *,
        centred: bool,
        ridge: float,
    ) -> Self:
        """From the first of `rows`, in the order they have.

        Args:
          features: (N, D) matrix.
          rows: (M,) rows to look at, shuffled; as many of them as the number of features asks for are taken.
          weight: (N,) weights of rows.
          centred: whether features are taken about their mean; not, where a head has no intercept to make up for it.
          ridge: what is added to each variance.

        Raises: ValueError if squares of the features overflow.
        """
        num_features = features.shape[1]
        turned = num_features <= _MOST_FEATURES
        chosen = np.sort(rows[: _ROWS + _ROWS_PER_FEATURE * min(num_features, _MOST_FEATURES)])
        share = weight[chosen] / weight[chosen].sum()
        sample = features.take(chosen).astype(np.float64)
        mean = share @ sample if centred else np.zeros(num_features)
        sample -= mean
        sample *= np.sqrt(share)[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            moments = sample.T @ sample if turned else np.einsum("nd,nd->d", sample, sample)
        if not np.isfinite(moments).all():
            raise ValueError(
                f"X: column {int(np.abs(sample).max(axis=0).argmax())} has values whose squares are beyond float64, "
                "expected smaller ones; scale the column."
            )
        variances, axes = np.linalg.eigh(moments) if turned else (moments, np.zeros((0, num_features)))
        least = max(ridge, _LEAST_VARIANCE * float(np.mean(variances)))
        scale = 1.0 / np.sqrt(np.maximum(variances, 0.0) + (least if least > 0 else 1.0))
        dtype = features.dtype
        return cls(mean.astype(dtype), axes.astype(dtype), scale.astype(dtype))

    def coordinates(self, rows: NDArray[Any]) -> NDArray[Any]:
        """What dense rows of features (n, D) are in the basis; they are overwritten."""
        rows -= self.mean
        if self._map is None:
            rows *= self.scale
            return rows
        return rows @ self._map

    def of_head(self, weight: NDArray[Any], intercept: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The weights (K, D) on z, and the biases, of a head on features."""
        bias = np.asarray(intercept + weight @ self.mean, np.float64)
        turned = weight @ self.axes if self.axes.size else weight
        return np.ascontiguousarray(turned / self.scale), bias

    def head(self, weight: NDArray[Any], bias: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The weights and intercepts on features of a head on z, whose weights (K, D) are overwritten with them."""
        intercept = np.empty(len(weight))
        for start in range(0, len(weight), _BLOCK):
            block = weight[start : start + _BLOCK]
            block *= self.scale
            if self.axes.size:
                block[...] = block @ self.axes.T
            intercept[start : start + _BLOCK] = bias[start : start + _BLOCK] - block @ self.mean
        return weight, intercept

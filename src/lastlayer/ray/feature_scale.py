"""Standard deviations of features that workers hold, and heads of features that were divided by them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.estimators.labelled_rows import unscaled_weight
from lastlayer.linear import DenseFeatures
from lastlayer.ray.merged_shards import MergedShards
from lastlayer.ray.workers import Workers
from lastlayer.solvers import deviations_of, scale_of


class _MomentsOfWorkers:
    """`Moments` of the rows of all workers, added in the order of their shards."""

    def __init__(self, workers: Workers, total: float):
        self._workers, self._total = workers, total

    def first(self):
        """See `Moments`."""
        means, largest = zip(*self._workers.moments(self._total), strict=True)
        return np.sum(means, axis=0), np.max(largest, axis=0)

    def second(self, mean, inverse_unit):
        """See `Moments`."""
        squares, corrections = zip(*self._workers.moments(self._total, mean, inverse_unit), strict=True)
        return np.sum(squares, axis=0), np.sum(corrections, axis=0)


def scale_of_features(workers: Workers, rows: MergedShards) -> NDArray[np.float64]:
    """(D,) what standardized features are divided by, from two passes over all rows; before the workers hold them."""
    return scale_of(deviations_of(_MomentsOfWorkers(workers, rows.weight), np.dtype(rows.dtype)))


def unscaled_weight_of(weight: NDArray[Any], rows: MergedShards, scale: NDArray[np.float64] | None) -> NDArray[Any]:
    """The weights (K, D) of a head of features as they are, in its dtype, from those of features divided by `scale`.

    Raises: ValueError if one is beyond the dtype.
    """
    return unscaled_weight(DenseFeatures(np.empty((0, rows.width), rows.dtype), scale, weight.dtype), weight)

"""The rows of a shard that weigh, as arrays, until the classes of all shards are known; one kind for each solver."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer._sorted_classes import sorted_classes
from lastlayer.linear import DenseFeatures
from lastlayer.solvers import LocalLabels, LocalRows
from lastlayer.solvers.parted_labels import PartOfLabels
from lastlayer.solvers.parted_rows import PartOfRows
from lastlayer.tables.label_lists import answers_of_lists


class FitSetting(NamedTuple):
    """What the rows of a shard are told of the whole fit.

    classes: (K,) those of all shards, sorted. factors: (K,) what the weights of each class's rows are multiplied with,
    or None, as always with many labels a row, whose solver multiplies by itself. total: the sum of all rows' weights,
    so multiplied. dtype: what to compute in. scale: (D,) what columns are divided by, or None.
    """

    classes: NDArray[Any]
    factors: NDArray[np.float64] | None
    total: float
    dtype: str
    scale: NDArray[np.float64] | None = None


class ShardRows(Protocol):
    """Rows of a shard.

    Attributes:
      features: (N, D).
      classes: (k,) sorted, those that have a row.
      counts: (k,) rows of each.
      weight: (N,) float64 > 0.
      weights: (k,) the summed weight of the rows of each.
    """

    features: NDArray[Any]
    classes: NDArray[Any]
    counts: NDArray[np.int64]
    weight: NDArray[np.float64]
    weights: NDArray[np.float64]

    def part(self, setting: FitSetting) -> Any:
        """What answers the solver's questions about these rows."""
        raise NotImplementedError


class RowsOfOneLabel:
    """ShardRows of one label each; labels (N,)."""

    def __init__(self, features: NDArray[Any], labels: NDArray[Any], weight: NDArray[np.float64]):
        self.features: NDArray[Any] = features
        self.weight: NDArray[np.float64] = weight
        self.classes: NDArray[Any]
        self.classes, self._indices = sorted_classes(labels)
        size = len(self.classes)
        self.counts: NDArray[np.int64] = np.bincount(self._indices, minlength=size)
        self.weights: NDArray[np.float64] = np.bincount(self._indices, weight, size).astype(np.float64, copy=False)

    def part(self, setting: FitSetting) -> PartOfRows:
        """See `ShardRows`."""
        classes, factors, total, dtype, scale = setting
        labels = _places(self.classes, classes)[self._indices]
        weight = self.weight if factors is None else self.weight * factors[labels]
        return PartOfRows(LocalRows(DenseFeatures(self.features, scale, dtype), labels, weight, len(classes), total))


class RowsOfManyLabels:
    """ShardRows of any number of labels each; lists (N,) of them."""

    def __init__(self, features: NDArray[Any], lists: NDArray[Any], weight: NDArray[np.float64]):
        self.features: NDArray[Any] = features
        self.weight: NDArray[np.float64] = weight
        self.classes: NDArray[Any]
        self.classes, self._answers = answers_of_lists(lists)
        self.counts: NDArray[np.int64] = np.diff(self._answers.indptr).astype(np.int64)
        self.weights: NDArray[np.float64] = weight @ self._answers

    def part(self, setting: FitSetting) -> PartOfLabels:
        """See `ShardRows`."""
        classes, _, total, dtype, scale = setting
        counts = np.zeros(len(classes), np.int64)
        counts[_places(self.classes, classes)] = self.counts
        own, starts = self._answers, np.concatenate([[0], np.cumsum(counts)])
        answers = sp.csc_array((own.data, own.indices, starts), shape=(own.shape[0], len(classes)))
        return PartOfLabels(LocalLabels(DenseFeatures(self.features, scale, dtype), answers, self.weight, total))


def _places(ours, classes):
    """Where each of our classes stands among those of all shards, (k,) int64."""
    index = {name: k for k, name in enumerate(classes.tolist())}
    return np.array([index[name] for name in ours.tolist()], np.int64)

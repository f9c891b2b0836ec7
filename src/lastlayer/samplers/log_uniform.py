"""LogUniform: the lower the index of a class, the likelier it is, as Zipf's law has it of words by rank."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lastlayer._arrays import Integer
from lastlayer.kernels.sampling import one_in_each_stratum
from lastlayer.samplers._certain import number_of_certain
from lastlayer.samplers.sampler import RandomState, Sampler


class LogUniform(Sampler):
    """Candidates for classes whose ids are sorted by descending frequency: it assumes that class 0 is the commonest.

    The probability of class k is log((k + 2) / (k + 1)) / log(K + 1), about that of the k-th commonest word under
    Zipf's law. Where ids are in another order, Unigram takes the counts instead. Its memory does not depend on K.

    Repeated candidates are stratified, with expected count S p_k. Distinct ones are drawn with inclusion probability
    min(1, c p_k), c such that these sum to S, by Deville's systematic method; that is their expected count, exact but
    for the rounding of logarithms (1e-8 relative at ten million classes).

    Args:
      num_classes: K, at least 1.
      distinct: whether candidates are distinct.
      random_state: a seed, a numpy Generator to share, or None for a seed of the system's.

    >>> sampler = LogUniform(1000, random_state=0)
    >>> sampler.sample(5).indices.tolist()
    [1, 4, 15, 63, 772]
    >>> sampler.log_expected_count_of([0, 999], 5).round(3).tolist()
    [-0.69, -7.232]
    """

    def __init__(self, num_classes: Integer, *, distinct: bool = True, random_state: RandomState = None):
        super().__init__(num_classes, distinct=distinct, random_state=random_state)

    def _draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        first = _certain(self._num_classes, count) if self._distinct else 0
        strata = count - first
        # From here on mass is log((k + 2) / (k + 1)), and 0 is where that of class `first` begins.
        total = _mass_from(first, self._num_classes)
        width = total / strata if strata else 0.0
        if self._distinct:
            edges = self._at(np.arange(strata) * width, first)
            points = np.empty(strata)
            one_in_each_stratum(_start(edges, first), _start(edges + 1, first), width, rng.random(strata), points)
        else:
            points = (np.arange(strata) + rng.random(strata)) * width
        return np.concatenate([np.arange(first), self._at(points, first)])

    def _at(self, points, first):
        """The classes whose parts of the mass hold the points."""
        last = self._num_classes - 1
        classes = np.clip(((first + 1) * np.exp(points)).astype(np.int64) - 1, first, last)
        # The exponential may be rounded across the edge of a class.
        classes -= (points < _start(classes, first)) & (classes > first)
        classes += (points >= _start(classes + 1, first)) & (classes < last)
        return classes

    def _log_expected_count(self, classes: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        first = _certain(self._num_classes, count) if self._distinct else 0
        if first == count:
            return np.where(classes < first, 0.0, -np.inf)
        scale = math.log((count - first) / _mass_from(first, self._num_classes))
        return np.where(classes < first, 0.0, scale + np.log(np.log1p(1.0 / (classes + 1.0))))


def _start(classes, first):
    """Where the mass of each class begins."""
    return np.log((classes + 1.0) / (first + 1.0))


def _mass_from(first, num_classes):
    """The mass of the classes from `first` on."""
    return math.log1p((num_classes - first) / (first + 1.0))


@lru_cache(maxsize=256)
def _certain(num_classes, count):
    """How many classes, the first ones, are among so many distinct candidates for certain."""
    return number_of_certain(count, lambda m: math.log1p(1.0 / (m + 1.0)), lambda m: _mass_from(m, num_classes))

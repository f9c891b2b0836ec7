"""Uniform: every class is as likely as any other."""

import math

import numpy as np
from numpy.typing import NDArray

from lastlayer._arrays import Integer
from lastlayer.kernels.sampling import distinct_integers
from lastlayer.samplers.sampler import RandomState, Sampler


class Uniform(Sampler):
    """Candidates drawn uniformly from 0..K-1; the expected count of every class is S / K.

    Distinct candidates are a simple random sample. Repeated ones are stratified, one in each S-th part of the classes,
    which has the same expected counts as independent draws and less variance. Its memory does not depend on K.

    Args:
      num_classes: K, at least 1.
      distinct: whether candidates are distinct.
      random_state: a seed, a numpy Generator to share, or None for a seed of the system's.

    >>> sampler = Uniform(1000, random_state=0)
    >>> drawn = sampler.sample(5)
    >>> drawn.indices.tolist()
    [269, 307, 510, 635, 847]
    >>> drawn.log_expected_count_of([7]).round(6).tolist()  # log(5 / 1000)
    [-5.298317]
    """

    def __init__(self, num_classes: Integer, *, distinct: bool = True, random_state: RandomState = None):
        super().__init__(num_classes, distinct=distinct, random_state=random_state)

    def _draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        chosen = np.empty(count, np.int64)
        if self._distinct:
            draws = rng.integers(0, np.arange(self._num_classes - count + 1, self._num_classes + 1))
            bits = (2 * count - 1).bit_length()
            table = np.full(1 << bits, -1, np.int64)
            distinct_integers(draws, self._num_classes, table, 64 - bits, chosen)
        else:
            points = (np.arange(count) + rng.random(count)) * (self._num_classes / count)
            np.minimum(points.astype(np.int64), self._num_classes - 1, out=chosen)
        return chosen

    def _log_expected_count(self, classes: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        return np.full(len(classes), math.log(count / self._num_classes))

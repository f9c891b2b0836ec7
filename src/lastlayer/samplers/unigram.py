"""Unigram: classes are as likely as a power of how often they were seen."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Number, as_float_array, positive_number
from lastlayer.kernels.sampling import fill_guide, first_above, one_in_each_stratum
from lastlayer.samplers._certain import number_of_certain
from lastlayer.samplers.sampler import RandomState, Sampler

# Classes to a bucket of the guide table, on average: the sums of as many stand in a line of a cache.
_PER_BUCKET = 8


class Unigram(Sampler):
    """Candidates drawn in proportion to a power of the counts of classes, in any order of ids.

    Repeated candidates are stratified, with expected count S p_k. Distinct ones are drawn with inclusion probability
    min(1, c p_k), c such that these sum to S, by Deville's systematic method; that is their expected count, exact but
    for the rounding of sums (1e-9 relative at ten million classes). The power 0.75 is that of word2vec.

    A class whose count is 0 is never drawn and has the expected count 0, whose logarithm is -inf: sampled losses refuse
    it as a label. Memory is 21 bytes a class (25 from 2^31 classes on), and twice that during the set-up, which sorts.

    Source: Mikolov et al. 2013, Distributed Representations of Words and Phrases, section 2.2.

    Args:
      counts: (K,) how often each class was seen, finite and not negative, not all 0; they need not be whole.
      power: of the counts, > 0.
      distinct: whether candidates are distinct.
      random_state: a seed, a numpy Generator to share, or None for a seed of the system's.

    Raises:
      ValueError: if a count is negative, NaN or infinite (it names the first), or all are 0.

    >>> import numpy as np
    >>> sampler = Unigram([5, 0, 80, 1, 10], random_state=0)
    >>> sampler.sample(3).indices.tolist()
    [0, 2, 4]
    >>> np.exp(sampler.log_expected_count_of([0, 1, 2, 3, 4], 3)).round(3).tolist()
    [0.77, 0.0, 1.0, 0.23, 1.0]
    """

    def __init__(
        self, counts: ArrayLike, power: Number = 0.75, *, distinct: bool = True, random_state: RandomState = None
    ):
        seen = as_float_array(counts, "counts")
        if seen.ndim != 1 or not seen.size:
            raise ValueError(f"counts: shape is {seen.shape}, expected (K,), one for each class.")
        bad = ~(np.isfinite(seen) & (seen >= 0))
        if bad.any():
            k = int(bad.argmax())
            raise ValueError(f"counts: class {k} has {seen[k]}, expected a finite number that is not negative.")
        largest = float(seen.max())
        if largest == 0:
            raise ValueError("counts: every count is zero, expected at least one above it.")
        exponent = positive_number(power, "power")
        super().__init__(len(seen), distinct=distinct, random_state=random_state)
        # Of the largest count, so that no power overflows.
        self._mass = (seen.astype(np.float64) / largest) ** exponent
        order = np.argsort(self._mass, kind="stable")
        absent = int(np.searchsorted(self._mass[order], 0.0, side="right"))
        # Ascending, so that the sums of rare classes are exact, and those of any number of the rarest are at hand.
        self._order = order[absent:].astype(np.int32 if len(seen) < 1 << 31 else np.int64)
        self._cumulated = np.cumsum(self._mass[self._order])
        if distinct:
            self._most = len(self._cumulated)
        buckets = max(1, len(self._cumulated) // _PER_BUCKET)
        self._per_bucket = float(self._cumulated[-1]) / buckets
        self._guide = np.empty(buckets + 1, np.int64)
        fill_guide(self._cumulated, self._per_bucket, self._guide)
        self._certain: dict[int, int] = {}
        self._boundaries = 0, np.empty(0), np.empty(0)

    def _draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        certain = self._number_of_certain(count)
        strata, others = count - certain, len(self._cumulated) - certain
        points, found = np.empty(strata), np.empty(strata, np.int64)
        if strata:
            width = self._cumulated[others - 1] / strata
            if self._distinct:
                starts, ends = self._at_boundaries(count, strata, others)
                one_in_each_stratum(starts, ends, width, rng.random(strata), points)
            else:
                points = (np.arange(strata) + rng.random(strata)) * width
            self._find(points, others, found)
        return np.concatenate([self._order[found], self._order[others:]]).astype(np.int64)

    def _at_boundaries(self, count, strata, others):
        """Where the classes begin and end in which strata do: the same at each draw of so many, so the last is kept."""
        kept = self._boundaries
        if kept[0] != count:
            found = np.empty(strata, np.int64)
            self._find(np.arange(strata) * (self._cumulated[others - 1] / strata), others, found)
            kept = count, np.where(found > 0, self._cumulated[found - 1], 0.0), self._cumulated[found]
            self._boundaries = kept
        return kept[1:]

    def _find(self, points, others, found):
        first_above(self._cumulated, others - 1, self._guide, self._per_bucket, points, found)

    def _log_expected_count(self, classes: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        certain = self._number_of_certain(count)
        mass, others = self._mass[classes], len(self._cumulated) - certain
        with np.errstate(divide="ignore"):
            logarithms = np.log(mass)
        if count > certain:
            logarithms += math.log((count - certain) / self._cumulated[others - 1])
        else:
            logarithms[:] = -np.inf
        if certain:
            # Equal classes are certain together.
            logarithms[mass >= self._mass[self._order[others]]] = 0.0
        return logarithms

    def _number_of_certain(self, count):
        if not self._distinct:
            return 0
        if count not in self._certain:
            if len(self._certain) >= 256:
                self._certain.clear()
            last = len(self._cumulated) - 1
            self._certain[count] = number_of_certain(
                count, lambda m: float(self._mass[self._order[last - m]]), lambda m: float(self._cumulated[last - m])
            )
        return self._certain[count]

"""Sets of classes that hold the label of a row with a stated chance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Integer
from lastlayer.decision.checked_threshold import as_threshold
from lastlayer.decision.evidence import Evidence
from lastlayer.decision.probability_matrix import (
    LabelMatrix,
    Probabilities,
    as_probability_matrix,
    csr_of_booleans,
    selected,
    selected_entries,
)
from lastlayer.decision.row_draws import row_draws, two_largest, two_largest_stored

# The least float64 above 1: a randomised rule may leave out even a class of probability 1.
_ABOVE_1 = float(np.nextafter(1, 2))


@dataclass(frozen=True, eq=False)
class PredictionSets:
    """Each class whose probability reaches its threshold. A set may hold several classes, or none.

    A randomised rule has several thresholds, and a row takes one of them by chance. Its draw is a function of the
    row's own two largest probabilities, so a row gets the same set in any order and in any block of rows.

    Attributes:
      threshold: from 0 to 1, one for all classes or (K,), one for each; where there is `chance`, (J,) or (J, K): J of
        these, the largest first, of which a row takes one.
      chance: (J,) or (J, K), how likely each of them is, with sum 1; None where there is nothing to draw.
      evidence: the rows that it was chosen on; None where it was set by hand.

    >>> PredictionSets(0.3).apply([[0.6, 0.3, 0.1], [0.35, 0.25, 0.4]]).tolist()
    [[True, True, False], [True, False, True]]
    """

    threshold: float | NDArray[np.float64]
    chance: NDArray[np.float64] | None = None
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        chance: Any = None if self.chance is None else as_threshold(self.chance, "chance")
        threshold: Any = as_threshold(self.threshold, largest=1.0 if chance is None else _ABOVE_1)
        axes = np.ndim(threshold) - (chance is not None)
        if axes not in (0, 1) or not np.size(threshold):
            raise ValueError(
                f"threshold: shape is {np.shape(threshold)}, expected one number, or (K,), one for each class, and "
                "one more axis before it where there is chance."
            )
        if chance is not None:
            if np.shape(chance) != threshold.shape:
                raise ValueError(f"chance: shape is {np.shape(chance)}, expected {threshold.shape}, like threshold.")
            if not np.allclose(chance.sum(axis=0), 1, rtol=0, atol=1e-9):
                raise ValueError(f"chance: sums to {chance.sum(axis=0)}, expected 1.")
            if (np.diff(threshold, axis=0) > 0).any():
                raise ValueError("threshold: ascends along its first axis, expected the largest first.")
        object.__setattr__(self, "threshold", threshold)
        object.__setattr__(self, "chance", chance)

    @property
    def num_classes(self) -> int | None:
        """How many classes the rule is made for; None for any number."""
        levels = self._levels(self.threshold)
        return levels.shape[1] if np.ndim(self.threshold) > self.randomised else None

    @property
    def randomised(self) -> bool:
        """Whether a row takes one of several thresholds."""
        return self.chance is not None

    @property
    def largest_set(self) -> int:
        """How many classes a set holds at most, where no threshold is 0: 1 / threshold, as probabilities sum to 1."""
        # Rounded probabilities may sum to a little more.
        return int(min(1.00001 / max(self._lowest(), 1e-18), 1e18))

    def apply(self, probabilities: Probabilities) -> LabelMatrix:
        """The set of each row: the classes where p >= threshold, compared in float64.

        Args:
          probabilities: (N, K) from 0 to 1, dense or sparse; what a sparse matrix does not store is 0.
        Returns: (N, K) booleans: an array up to 4096 classes; a CSR array beyond, and where `probabilities` are sparse.
        Raises: ValueError for another shape or number of classes, or a probability outside 0 to 1, naming the row.
        """
        p = as_probability_matrix(probabilities)
        self._check_classes(p.shape[1])
        if not sp.issparse(p):
            every = np.arange(p.shape[1])
            return selected(p.shape, lambda rows: self._reached(p[rows], every, two_largest))
        self._refuse_threshold_0()
        draws = row_draws(two_largest_stored(p))[:, None] if self.randomised else None
        rows = np.repeat(np.arange(p.shape[0]), np.diff(p.indptr))
        return selected_entries(p, p.data >= self._thresholds_of(p.indices, None if draws is None else draws[rows, 0]))

    def apply_top_k(self, indices: ArrayLike, probabilities: ArrayLike, *, num_classes: Integer) -> LabelMatrix:
        """The set of each row from its k most probable classes alone, as `top_k` and `linear_top_k` give them.

        No more than 1 / t classes have a probability of t, so k = `largest_set` shows every class of every set, and
        fewer often do: sets are those of `apply`, or refused.

        Args:
          indices: (N, k) classes.
          probabilities: (N, k) theirs, from 0 to 1, in descending order.
          num_classes: K.
        Returns: (N, K) booleans, a CSR array.
        Raises: ValueError if a row's set might hold more classes than are given, naming the row.
        """
        p, classes, num_classes = as_probability_matrix(probabilities), np.asarray(indices), int(num_classes)
        if sp.issparse(p) or classes.shape != p.shape:
            raise ValueError(f"indices: shape is {classes.shape}, expected {p.shape}, one for each probability.")
        if classes.dtype.kind not in "iu":
            raise TypeError(f"indices: dtype is {classes.dtype}, expected integers from 0 to {num_classes - 1}.")
        if classes.size and not (classes.min() >= 0 and classes.max() < num_classes):
            raise ValueError(f"indices: are {classes.min()} to {classes.max()}, expected 0 to {num_classes - 1}.")
        self._check_classes(num_classes)
        self._refuse_threshold_0()
        if (p[:, 1:] > p[:, :-1]).any():
            row = int((p[:, 1:] > p[:, :-1]).any(axis=1).argmax())
            raise ValueError(f"probabilities: row {row} ascends, expected the most probable class first.")
        k, lowest, most = p.shape[1], self._lowest(), min(num_classes, self.largest_set)
        if k < most and (p[:, -1] >= lowest).any():
            row = int((p[:, -1] >= lowest).argmax())
            raise ValueError(
                f"probabilities: the least of row {row} is {p[row, -1]:.6g}, which reaches the threshold {lowest:.6g}, "
                f"so its set may hold more classes than the {k} given; pass the {most} most probable."
            )
        kept = self._reached(p, classes, two_largest)
        found = csr_of_booleans(kept.sum(axis=1), classes[kept], num_classes)
        found.sort_indices()
        return found

    def _reached(self, p, classes, largest):
        return p >= self._thresholds_of(classes, row_draws(largest(p))[:, None] if self.randomised else None)

    def _thresholds_of(self, classes, draws):
        """The thresholds of `classes`, in rows of `draws` where they are drawn; both broadcast."""
        levels = self._levels(self.threshold)
        at = classes if levels.shape[1] > 1 else 0
        found = levels[0][at]
        if self.randomised:  # a draw below the first chance takes the first threshold, and so on
            ends = np.cumsum(self._levels(self.chance), axis=0)
            for end, after in zip(ends, levels[1:], strict=False):
                found = np.where(draws >= end[at], after[at], found)
        return found

    def _levels(self, values):
        """(J,) or (J, K), or without the J, as (J, 1) or (J, K)."""
        values = np.asarray(values)
        return values.reshape(len(values) if self.randomised else 1, -1)

    def _lowest(self):
        return float(np.min(self.threshold))

    def _check_classes(self, num_classes):
        if self.num_classes not in (None, num_classes):
            raise ValueError(
                f"probabilities: {num_classes} classes, expected {self.num_classes}, one for each of the thresholds."
            )

    def _refuse_threshold_0(self):
        if self._lowest() == 0:
            raise ValueError(
                "threshold: is 0, which puts the class into every set, expected a number above 0 for sparse or top-k "
                "probabilities; pass a dense array."
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PredictionSets):
            return NotImplemented
        pairs: Any = ((self.threshold, other.threshold), (self.chance, other.chance))
        return self.evidence == other.evidence and all(np.array_equal(own, others) for own, others in pairs)

    def __hash__(self) -> int:
        return hash((np.asarray(self.threshold).tobytes(), self.evidence))

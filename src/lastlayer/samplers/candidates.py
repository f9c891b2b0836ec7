"""Candidates: the classes that are scored as negatives, and how often each class is expected among them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_float_array, refuse_foreign


@dataclass(frozen=True, eq=False)
class Candidates:
    """S classes to score as negatives, one set for all examples of a batch.

    The expected count of a class is how often it is expected among the S, 1 at most where classes are distinct: what
    sampled losses correct logits by. Samplers make it; whoever draws in another way makes one by hand.

    Args:
      indices: (S,) integers >= 0; the same class may stand there more than once.
      log_expected_count: (S,) the logarithm of the expected count of each, finite.
      of_labels: a function of an int64 array of classes that gives the logarithm of their expected counts in its
        shape, -inf for a class that is never drawn; None where it is not known.

    Raises:
      ValueError: if shapes do not fit, an index is negative or a logarithm is not finite (it names the first).
      TypeError: if the indices are not integers.

    >>> drawn = Candidates([2, 5], [-1.5, -1.0])
    >>> drawn.indices.tolist(), drawn.log_expected_count.tolist()
    ([2, 5], [-1.5, -1.0])
    """

    indices: NDArray[np.int64]
    log_expected_count: NDArray[np.float64]
    of_labels: Callable[[NDArray[np.int64]], ArrayLike] | None = None

    def __init__(
        self,
        indices: ArrayLike,
        log_expected_count: ArrayLike,
        of_labels: Callable[[NDArray[np.int64]], ArrayLike] | None = None,
    ):
        refuse_foreign(indices, "indices")
        classes = np.asarray(indices)
        if classes.ndim != 1 or not classes.size:
            raise ValueError(f"indices: shape is {classes.shape}, expected (S,), one class or more.")
        if classes.dtype.kind not in "iu":
            raise TypeError(f"indices: dtype is {classes.dtype}, expected integers.")
        if classes.min() < 0:
            i = int((classes < 0).argmax())
            raise ValueError(f"indices: entry {i} is {classes[i]}, expected a class from 0 on.")
        if classes.dtype == np.uint64 and classes.max() > np.iinfo(np.int64).max:
            i = int(classes.argmax())
            raise ValueError(f"indices: entry {i} is {classes[i]}, expected a class that int64 holds.")
        counts = as_float_array(log_expected_count, "log_expected_count").astype(np.float64, copy=False)
        if counts.shape != classes.shape:
            raise ValueError(
                f"log_expected_count: shape is {counts.shape}, expected {classes.shape}, one for each of indices."
            )
        if not np.isfinite(counts).all():
            i = int((~np.isfinite(counts)).argmax())
            raise ValueError(f"log_expected_count: entry {i} is {counts[i]}, expected a finite number.")
        object.__setattr__(self, "indices", classes.astype(np.int64, copy=False))
        object.__setattr__(self, "log_expected_count", counts)
        object.__setattr__(self, "of_labels", of_labels)

    def log_expected_count_of(self, labels: ArrayLike) -> NDArray[np.float64]:
        """The logarithm of the expected count of other classes under the same drawing.

        Args:
          labels: (...) integers, classes.
        Returns: (...) float64; -inf for a class that is never drawn.

        Raises: ValueError if it is not known, since the candidates were made without `of_labels`.
        """
        if self.of_labels is None:
            raise ValueError(
                "candidates: have no expected counts of labels, expected Candidates(indices, log_expected_count, "
                "of_labels=function), or those of a sampler."
            )
        classes = np.asarray(labels)
        counts: NDArray[Any] = np.asarray(self.of_labels(classes), np.float64)
        if counts.shape != classes.shape:
            raise ValueError(f"of_labels: returned shape {counts.shape}, expected {classes.shape}, that of the labels.")
        return counts

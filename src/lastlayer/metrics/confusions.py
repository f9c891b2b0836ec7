"""Which class is taken for which: pairs that occur, never a K×K matrix."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Pairs that wait to be sorted in.
_PENDING = 1 << 20


@dataclass(frozen=True, eq=False)
class Confusions:
    """Pairs of classes that were confused, the most frequent first, then by label and by prediction.

    Attributes:
      label: (P,) class index that is true.
      predicted: (P,) class index that was predicted, another one.
      rows: (P,) how many rows, or the sum of their weights.
    """

    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    rows: NDArray[Any]


class ConfusionCounter:
    """Takes blocks of wrong answers, and counts pairs in memory that grows with the pairs that occur."""

    def __init__(self, num_classes: int):
        """Take K."""
        self._num_classes = num_classes
        self._pairs, self._weights = np.empty(0, np.int64), np.empty(0)
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        self._waits = 0

    def add(self, labels: NDArray[np.int64], chosen: NDArray[np.int64], weight: NDArray[np.float64]) -> None:
        """Add (n,) rows whose prediction `chosen` is not the label."""
        self._waiting.append((labels * self._num_classes + chosen, weight))
        self._waits += len(labels)
        if self._waits >= _PENDING:
            self._settle()

    def result(self) -> Confusions:
        """Every pair that occurred."""
        self._settle()
        order = np.lexsort((self._pairs, -self._weights))
        label, predicted = np.divmod(self._pairs[order], self._num_classes)
        rows = self._weights[order]
        whole = bool((rows == np.floor(rows)).all())
        return Confusions(label, predicted, rows.astype(np.int64) if whole else rows)

    def _settle(self):
        pairs = np.concatenate([self._pairs, *(part for part, _ in self._waiting)])
        weights = np.concatenate([self._weights, *(part for _, part in self._waiting)])
        self._pairs, place = np.unique(pairs, return_inverse=True)
        self._weights = np.bincount(place, weights=weights, minlength=len(self._pairs))
        self._waiting, self._waits = [], 0

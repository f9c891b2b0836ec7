"""The wrong answers that were given with the most confidence, in memory for a few."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MOST = 50


@dataclass(frozen=True)
class Mistake:
    """One wrong answer.

    Attributes:
      row: its number among all rows that were added, from 0.
      confidence: the probability of what was predicted; of many labels that of the wrong answer, yes or no.
      predicted: class index that was predicted; of many labels the label that is wrong.
      label: class index that is true; -1 for a row that belongs to none; of many labels 1 or 0, whether the row has it.
      of_label: the probability that the label was given; NaN without one.
      kept: what else is known of the row, by the name of its column.
    """

    row: int
    confidence: float
    predicted: int
    label: int
    of_label: float
    kept: Mapping[str, object] = field(default_factory=dict)


class MistakeList:
    """Takes blocks of wrong answers and keeps the most confident; of equally confident ones the earlier."""

    def __init__(self, most: int = MOST):
        """Take how many are kept."""
        self._most = most
        self._kept: list[Mistake] = []

    def add(
        self,
        rows: NDArray[np.int64],
        confidence: NDArray[np.float64],
        predicted: NDArray[np.int64],
        labels: NDArray[np.int64],
        of_label: NDArray[np.float64],
        begin: int,
        describe: Callable[[int], Mapping[str, object]] | None = None,
    ) -> None:
        """Add (n,) wrong answers.

        Args:
          rows: (n,) numbers of their rows in the block.
          confidence: (n,) as in `Mistake`, and so are predicted, labels and of_label.
          predicted: (n,).
          labels: (n,).
          of_label: (n,).
          begin: the number of the block's first row among all.
          describe: function of a row of the block to what else is known of it, called for few rows.
        """
        if len(self._kept) == self._most:
            above = confidence > self._kept[-1].confidence
            rows, confidence, of_label = rows[above], confidence[above], of_label[above]
            predicted, labels = predicted[above], labels[above]
        for i in np.argsort(-confidence, kind="stable")[: self._most].tolist():
            row = int(rows[i])
            self._kept.append(
                Mistake(
                    begin + row,
                    float(confidence[i]),
                    int(predicted[i]),
                    int(labels[i]),
                    float(of_label[i]),
                    {} if describe is None else describe(row),
                )
            )
        self._kept = sorted(self._kept, key=lambda mistake: -mistake.confidence)[: self._most]

    def result(self) -> tuple[Mistake, ...]:
        """The mistakes, the most confident first."""
        return tuple(self._kept)

"""Precision, recall, F1 and support of each class, from three counts a class: no K×K matrix is ever formed."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PerClass:
    """What an evaluation knows of each class; entry k of every array is class k, and K is their length.

    A ratio 0 / 0 is NaN: it is undefined, not bad.

    Attributes:
      precision: (K,) share of the rows given to the class that belong there; NaN if none was given to it.
      recall: (K,) share of the rows of the class that were given to it; NaN if it has no rows.
      f1: (K,) 2 TP / (2 TP + FP + FN), the harmonic mean of the two; 0 if the class has rows and never a right
        answer, NaN if it appears neither among the labels nor among the predictions.
      calibration_error: (K,) expected calibration error of the probability of the class, over the rows of all classes;
        None where it was not asked for.
      average_precision: (K,) that of the probability of each label, of many labels a row; NaN if no row has it; None of
        one label a row.
      support: (K,) int64, the rows of the class; of weighted rows float64, the sum of their weights.

    Of weighted rows, every share is a share of the sum of the weights.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[Any]
    calibration_error: NDArray[np.float64] | None = None
    average_precision: NDArray[np.float64] | None = None

    @classmethod
    def from_counts(
        cls,
        right: NDArray[Any],
        predicted: NDArray[Any],
        support: NDArray[Any],
        calibration_error: NDArray[np.float64] | None = None,
        average_precision: NDArray[np.float64] | None = None,
    ) -> Self:
        """From (K,) counts or weights: rows rightly given to the class, rows given to it, rows that belong to it."""
        return cls(
            precision=_ratio(right, predicted),
            recall=_ratio(right, support),
            f1=_ratio(2 * right, predicted + support),
            support=support,
            calibration_error=calibration_error,
            average_precision=average_precision,
        )


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)

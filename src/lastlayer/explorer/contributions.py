"""What the features of a row contribute to the difference of two classes' scores: weight × feature."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.estimators import SoftmaxClassifier
from lastlayer.estimators.head_rows import head_rows


@dataclass(frozen=True)
class Contributions:
    """The difference `total` of two scores is the sum of all features' differences and `intercept`.

    Attributes:
      features: (feature, value, weight of the first class, of the second, value × weight of the first, of the second)
        of those with the largest differences, the largest first.
      rest: the sum of the differences of the others.
      rest_of: how many those are.
      intercept: the difference of the intercepts.
      total: the difference of the scores.
    """

    features: list[tuple[int, float, float, float, float, float]]
    rest: float
    rest_of: int
    intercept: float
    total: float


def contributions(model: SoftmaxClassifier, row: NDArray[Any], first: int, second: int, most: int) -> Contributions:
    """What each feature of `row` adds to the score of class `first` beyond that of class `second`, before beta.

    Args:
      model: fitted.
      row: (D,) features.
      first: class index.
      second: class index.
      most: how many features to name.
    """
    head = head_rows(model)
    values = row.astype(np.float64)
    one, two = (head.weight[k].astype(np.float64) for k in (first, second))
    to_one, to_two = values * one, values * two
    differences = to_one - to_two
    order = np.argsort(-np.abs(differences), kind="stable")
    named, rest = order[:most], order[most:]
    intercept = float(head.bias[first]) - float(head.bias[second])
    return Contributions(
        features=[
            (j, float(values[j]), float(one[j]), float(two[j]), float(to_one[j]), float(to_two[j]))
            for j in named.tolist()
        ],
        rest=float(differences[rest].sum()),
        rest_of=len(rest),
        intercept=intercept,
        total=float(differences.sum()) + intercept,
    )

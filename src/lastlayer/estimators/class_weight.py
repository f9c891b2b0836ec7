"""What class_weight means: one factor a class, multiplied into the weight of its rows."""

from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

ClassWeight: TypeAlias = Literal["balanced"] | dict[Any, float] | dict[Any, int] | None


def class_factors(
    class_weight: ClassWeight, classes: NDArray[Any], labels: NDArray[np.int64], sample_weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The factor of each class, (K,) float64.

    Args:
      class_weight: None (all 1), "balanced" (every class weighs the same in total, n / (K n_k)), or a dict from class
        to factor; a class it leaves out has 1. A key that is no class of y is of no account, as in scikit-learn, which
        takes it for a mistake where a class of y has no key: then one stands for the other.
      classes: (K,) the classes.
      labels: (N,) int64, each row's class by its index.
      sample_weight: (N,) float64; what counts as n and n_k when balanced.
    Raises: ValueError for a factor that is negative or not finite, or a key that is no class while a class has no key;
      TypeError otherwise.
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        totals = np.bincount(labels, sample_weight, len(classes))
        return np.divide(totals.sum() / len(classes), totals, out=np.zeros(len(classes)), where=totals > 0)
    if not isinstance(class_weight, dict):
        raise TypeError(f"class_weight: received {class_weight!r}, expected None, 'balanced' or a dict of factors.")
    factors, index = np.ones(len(classes)), {name: k for k, name in enumerate(classes.tolist())}
    left_out = [name for name in index if name not in class_weight]
    for name, factor in class_weight.items():
        if name not in index and left_out:
            raise ValueError(
                f"class_weight: {name!r} is no class of y, but the class {left_out[0]!r} has no key, expected keys "
                f"among {_few(list(index))}; name every class, or leave {name!r} out."
            )
        if not isinstance(factor, Real):
            raise TypeError(f"class_weight: {name!r} has {factor!r}, expected a number.")
        if not (np.isfinite(factor) and factor >= 0):
            raise ValueError(f"class_weight: {name!r} has {factor!r}, expected a finite factor that is not negative.")
        if name in index:
            factors[index[name]] = factor
    return factors


def label_factors(
    class_weight: ClassWeight,
    classes: NDArray[Any],
    answers: Any,
    sample_weight: NDArray[np.float64],
    *,
    one_of_two: bool,
) -> NDArray[np.float64]:
    """The factors of rows without and with each label, (K, 2) float64.

    Args:
      class_weight: None (all 1), "balanced" (the rows with a label weigh as much as those without), or a dict from
        label to the factor of the rows that have it; where `one_of_two`, from class to factor.
      classes: (K,) the labels, or the two classes.
      answers: (N, K) or (N, 1) CSC matrix, as in LabelSets.
      sample_weight: (N,) float64.
      one_of_two: whether every row has one of two classes.
    Raises: as class_factors.
    """
    if one_of_two:
        labels = np.asarray(answers.todense()).ravel().astype(np.int64)
        return class_factors(class_weight, classes, labels, sample_weight)[None]
    have = np.asarray(sample_weight @ answers).ravel()
    weighs = (sample_weight > 0).astype(np.float64)
    every = np.asarray(weighs @ answers).ravel() == weighs.sum()
    return factors_of_weights(class_weight, classes, have, sample_weight.sum(), every)


def factors_of_weights(
    class_weight: ClassWeight, classes: NDArray[Any], have: NDArray[np.float64], total: float, every: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """As label_factors of many labels a row, (K, 2), from sums over rows.

    Args:
      class_weight: as there.
      classes: (K,) the labels.
      have: (K,) the weight of the rows that have each.
      total: the weight of all rows.
      every: (K,) whether all rows that weigh have it: what is left of the weight is then rounding.
    """
    factors = np.ones((len(classes), 2))
    if isinstance(class_weight, str) and class_weight == "balanced":
        for column, weight in enumerate((np.where(every, 0.0, total - have), have)):
            np.divide(total / 2, weight, out=factors[:, column], where=weight > 0)
    else:
        factors[:, 1] = class_factors(class_weight, classes, np.empty(0, np.int64), np.empty(0))
    return factors


def _few(classes: list[Any]) -> str:
    names = [repr(name) for name in classes[:5]]
    return ", ".join(names) + (f" and {len(classes) - 5} more" if len(classes) > 5 else "")

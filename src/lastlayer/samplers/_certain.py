"""Which classes are among S distinct candidates for certain, where inclusion probabilities are min(1, c p_k)."""

from collections.abc import Callable

# How much shorter than a stratum a unit must be, where there are several: the rounding of cumulated sums may lengthen
# it by as many units in the last place as there are strata.
_SLACK, _ROUNDING = 1e-9, 4e-16


def number_of_certain(count: int, mass_of: Callable[[int], float], mass_from: Callable[[int], float]) -> int:
    """How many of the heaviest classes have inclusion probability 1 when `count` are drawn; by bisection.

    With m of them certain, the others share count - m draws in proportion to their mass, which is right for the least m
    where none of them gets 1 or more; and if that holds for m, it holds for every larger one.

    Args:
      count: S, at most the number of classes that have mass.
      mass_of: the mass of the class at a place, from 0, in descending order.
      mass_from: the mass of all classes from a place on.
    Returns: m, at most S.
    """
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        strata = count - middle
        shorter = 1.0 - max(_SLACK, _ROUNDING * strata) if strata > 1 else 1.0
        if strata * mass_of(middle) < shorter * mass_from(middle):
            high = middle
        else:
            low = middle + 1
    return low

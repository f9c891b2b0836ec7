"""Sums of what workers answer, in an order that does not depend on who answers first."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

Item = TypeVar("Item")


def in_pairs(items: Sequence[Item], add: Callable[[Item, Item], Item]) -> Item:
    """The sum of `items`, neighbours first: (0 + 1) + (2 + 3), and an odd one at the end waits for its turn.

    >>> in_pairs(["a", "b", "c", "d", "e"], lambda left, right: f"({left}{right})")
    '(((ab)(cd))e)'
    """
    left = list(items)
    while len(left) > 1:
        left = [add(*left[k : k + 2]) if k + 1 < len(left) else left[k] for k in range(0, len(left), 2)]
    return left[0]


def added(left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
    """The sums of two answers, tuples of numbers and arrays, in float64."""
    return tuple(np.add(one, other, dtype=np.float64) for one, other in zip(left, right, strict=True))

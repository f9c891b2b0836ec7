"""Where the line of a fit's workers stands, and how one that is new gets there: the questions to put to it."""

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np

Question: TypeAlias = tuple[str, tuple[Any, ...]]


class LineMemory(Protocol):
    """Told of every question that all workers have answered."""

    def follow(self, question: str, arguments: tuple[Any, ...]) -> None:
        """The workers have answered this."""

    def questions(self) -> Iterator[Question]:
        """What brings a new worker to where the others are."""
        raise NotImplementedError


class HeadMemory:
    """Of the questions to `PartOfRows`: the head and the direction."""

    def __init__(self):
        self._head: tuple[Any, ...] | None = None
        self._direction: tuple[Any, ...] | None = None

    def follow(self, question: str, arguments: tuple[Any, ...]) -> None:
        """See `LineMemory`."""
        if question == "set_head":
            # The line keeps its direction: a search sets one and tries several heads along it.
            self._head = tuple(map(np.array, arguments))
        elif question == "set_direction":
            self._direction = np.array(arguments[0]), np.array(arguments[1])
        elif question == "step" and self._head is not None and self._direction is not None:
            t = self._head[0].dtype.type(arguments[0])
            (weight, offset, *mean), (weight_step, offset_step) = self._head, self._direction
            self._head = weight + t * weight_step, offset + t * offset_step, *mean
        elif question == "add_offset" and self._head is not None:
            weight, offset, *mean = self._head
            self._head = weight, offset + arguments[0], *mean
            self._direction = np.zeros_like(weight), arguments[0]

    def questions(self) -> Iterator[Question]:
        """See `LineMemory`."""
        if self._head is not None:
            yield "set_head", self._head
        if self._direction is not None:
            yield "set_direction", self._direction


class LabelMemory:
    """Of the questions to `PartOfLabels`: the labels of the line, their heads and directions."""

    def __init__(self):
        self._line: tuple[Any, ...] | None = None
        self._heads: tuple[Any, ...] | None = None
        self._directions: tuple[Any, ...] | None = None

    def follow(self, question: str, arguments: tuple[Any, ...]) -> None:
        """See `LineMemory`."""
        if question == "start_line":
            self._line, self._heads, self._directions = tuple(map(np.array, arguments)), None, None
        elif question in ("set_heads", "set_offsets"):
            self._heads, self._directions = tuple(map(np.array, arguments)), None
        elif question == "set_directions":
            self._directions = tuple(map(np.array, arguments))
        elif question == "step":
            if self._heads is not None and self._directions is not None:
                self._heads = _moved(self._heads, self._directions, arguments[0])
            self._directions = None
        elif question == "keep":
            kept = arguments[0]
            self._line, self._heads = (
                None if arrays is None else tuple(array[kept] for array in arrays)
                for arrays in (self._line, self._heads)
            )
            self._directions = None

    def questions(self) -> Iterator[Question]:
        """See `LineMemory`."""
        if self._line is not None:
            yield "start_line", self._line
        if self._heads is not None:
            yield ("set_offsets" if len(self._heads) == 1 else "set_heads"), self._heads
        if self._directions is not None:
            yield "set_directions", self._directions


def _moved(heads, directions, steps):
    """Heads, of offsets alone or of weights too, so many steps along their directions."""
    weight_step, offset_step = directions
    weight = np.zeros_like(weight_step) if len(heads) == 1 else heads[0]
    return weight + steps[:, None] * weight_step, heads[-1] + steps * offset_step

"""A question of the quiz: what is asked before the numbers are seen, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass

from lastlayer.explanation import short

_DIRECTIONS = ("It rises.", "It falls.", "It stays the same.")


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
      asked: a sentence with a question mark.
      options: what may be answered.
      right: the index of the right option.
      numbers: a sentence with the library's numbers that decide.
      why: a sentence.
    """

    asked: str
    options: Sequence[str]
    right: int
    numbers: str
    why: str


def differ(before: float, after: float) -> bool:
    """Whether four decimals tell two numbers apart."""
    return abs(float(after) - float(before)) >= 1e-4


def which_way(asked: str, before: float, after: float, *, why: str) -> Question:
    """The question whether a number rises, falls, or stays, as its printed digits show it.

    Args:
      asked: the question.
      before: the number.
      after: what becomes of it.
      why: a sentence.
    """
    texts = short(before), short(after)
    right = 2 if texts[0] == texts[1] else 0 if after > before else 1
    return Question(asked, _DIRECTIONS, right, f"{texts[0]} before, {texts[1]} after.", why)

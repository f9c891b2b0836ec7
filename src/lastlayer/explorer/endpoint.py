"""One question that a page asks of the library."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lastlayer.explorer.examined import Examined
from lastlayer.explorer.fields import Field


@dataclass(frozen=True)
class Endpoint:
    """What is asked at /api/`name`.

    Attributes:
      name: a word.
      about: a sentence of what is answered.
      fields: Field by name, the state that the question holds.
      answer: from the values of the fields, and the model and rows that the explorer was started on (None: without
        any), what JSON can hold. Raises Refused.
    """

    name: str
    about: str
    fields: Mapping[str, Field]
    answer: Callable[[dict[str, Any], Examined | None], dict[str, Any]]

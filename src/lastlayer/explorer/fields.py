"""What a view's state may hold: each field says how it is read, and how a schema describes it."""

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lastlayer._json import json_float
from lastlayer._text import shown

_SHOWN = 60
# How an address writes numbers; their bounds are those of the numbers.
_DIGITS = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_IMPOSSIBLE = "-[iI][nN][fF]([iI][nN][iI][tT][yY])?"
# Bounded in depth and length, before the text is made.
_REPR = reprlib.Repr()
_REPR.maxother = _REPR.maxstring = _REPR.maxlong = _SHOWN


class Refused(ValueError):  # noqa: N818 - a state is refused, not the program at fault
    """A state that no answer can be given of.

    Attributes:
      field: the name of the field at fault, with the entry's number where it is a list: "score[3]".
      args: one sentence.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class Field(Protocol):
    """How one value of a state is read."""

    def read(self, name: str, value: Any) -> Any:
        """`value`, as JSON or a query string has it, checked. Raises Refused."""
        ...

    def schema(self) -> dict[str, Any]:
        """A JSON schema of what `read` takes."""
        ...


@dataclass(frozen=True)
class Number:
    """A finite number from `least` to `most`, as a number or as text; where `impossible`, -inf too."""

    least: float = -math.inf
    most: float = math.inf
    default: float | None = None
    impossible: bool = False

    def read(self, name: str, value: Any) -> float:
        """As Field."""
        number = _float(value)
        if number is None or math.isnan(number) or number == math.inf or (number == -math.inf and not self.impossible):
            raise Refused(name, f"received {_short(value)}, expected {self._expected()}")
        if number != -math.inf and not self.least <= number <= self.most:
            raise Refused(name, f"received {_short(value)}, expected {self._expected()}")
        return number

    def schema(self) -> dict[str, Any]:
        """As Field."""
        written = f"{_DIGITS}|{_IMPOSSIBLE}" if self.impossible else _DIGITS
        return _number_or_text("number", self.least, self.most, written)

    def _expected(self):
        bounded = math.isfinite(self.least) and math.isfinite(self.most)
        number = f"a number from {self.least:g} to {self.most:g}" if bounded else "a finite number"
        return f"{number}, or -inf for an impossible class" if self.impossible else number


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`."""

    least: int
    most: int
    default: int | None = None

    def read(self, name: str, value: Any) -> int:
        """As Field."""
        number = _float(value)
        if number is None or not number.is_integer() or not self.least <= number <= self.most:
            raise Refused(name, f"received {_short(value)}, expected a whole number from {self.least} to {self.most}")
        return int(number)

    def schema(self) -> dict[str, Any]:
        """As Field."""
        return _number_or_text("integer", self.least, self.most, _DIGITS)


@dataclass(frozen=True)
class Choice:
    """One of `options`."""

    options: tuple[str, ...]
    default: str | None = None

    def read(self, name: str, value: Any) -> str:
        """As Field."""
        if value not in self.options:
            raise Refused(name, f"received {_short(value)}, expected one of {', '.join(self.options)}")
        return value

    def schema(self) -> dict[str, Any]:
        """As Field."""
        return {"type": "string", "enum": list(self.options)}


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    default: bool = False

    def read(self, name: str, value: Any) -> bool:
        """As Field."""
        if isinstance(value, bool):
            return value
        if value in ("0", "1"):
            return value == "1"
        raise Refused(name, f"received {_short(value)}, expected true or false, or 1 or 0 in an address")

    def schema(self) -> dict[str, Any]:
        """As Field."""
        return {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["0", "1"]}]}


@dataclass(frozen=True)
class Text:
    """Text of at most `most` characters."""

    most: int = 200
    default: str | None = None

    def read(self, name: str, value: Any) -> str:
        """As Field."""
        if not isinstance(value, str):
            raise Refused(name, f"received {_short(value)}, expected text")
        if len(value) > self.most:
            raise Refused(name, f"received {len(value):,} characters, expected at most {self.most:,}")
        if "\0" in value or not _is_unicode(value):
            raise Refused(name, f"received {_short(value)}, expected Unicode text without the character 0")
        return value

    def schema(self) -> dict[str, Any]:
        """As Field."""
        return {"type": "string", "maxLength": self.most, "pattern": "^[^\\u0000]*$"}


@dataclass(frozen=True)
class Many:
    """A list of `of`, from `least` to `most` entries."""

    of: Field
    most: int
    least: int = 0
    default: tuple[Any, ...] | None = None

    def read(self, name: str, value: Any) -> list[Any]:
        """As Field."""
        if not isinstance(value, list):
            raise Refused(name, f"received {_short(value)}, expected a list")
        if not self.least <= len(value) <= self.most:
            raise Refused(name, f"received {len(value):,} entries, expected {self.least:,} to {self.most:,}")
        return [self.of.read(f"{name}[{place}]", entry) for place, entry in enumerate(value)]

    def schema(self) -> dict[str, Any]:
        """As Field."""
        return {"type": "array", "items": self.of.schema(), "minItems": self.least, "maxItems": self.most}


@dataclass(frozen=True)
class OrNothing:
    """What `of` reads; or nothing, None, where the text is empty or the field is left out."""

    of: Field
    default: str = ""

    def read(self, name: str, value: Any) -> Any:
        """As Field."""
        return None if value == "" else self.of.read(name, value)

    def schema(self) -> dict[str, Any]:
        """As Field."""
        return {"anyOf": [self.of.schema(), {"type": "string", "maxLength": 0}]}


def read_state(fields: Mapping[str, Any], state: Any) -> dict[str, Any]:
    """The value of every field: that of `state`, or the field's default.

    Args:
      fields: Field by name; a field without a default is required.
      state: what the JSON of a request held.
    Raises: Refused.
    """
    if not isinstance(state, dict):
        raise Refused("state", f"received {_short(state)}, expected an object with fields {_listed(fields)}")
    for name in state:
        if name not in fields:
            raise Refused(_short(name), f"is no field here, expected {_listed(fields)}")
    values = {}
    for name, field in fields.items():
        if name in state:
            values[name] = field.read(name, state[name])
        elif field.default is None:
            raise Refused(name, "is missing")
        else:
            values[name] = field.read(name, list(field.default) if isinstance(field.default, tuple) else field.default)
    return values


def state_schema(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema of what `read_state` takes."""
    return {
        "type": "object",
        "properties": {name: field.schema() | _default(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.default is None],
        "additionalProperties": False,
    }


def _default(field):
    return {} if field.default is None else {"default": field.default}


def _number_or_text(kind, least, most, written):
    bounds = {key: bound for key, bound in (("minimum", least), ("maximum", most)) if math.isfinite(bound)}
    return {"anyOf": [{"type": kind, **bounds}, {"type": "string", "pattern": f"^({written})$"}]}


def _float(value):
    """The number that `value` is or writes; None if there is none."""
    if isinstance(value, str):
        text = value.strip()
        if not text.isascii() or "_" in text or len(text) > 400:
            return None
        try:
            return float(text)
        except ValueError:
            return None
    try:
        return json_float(value) if value is not None else None
    except OverflowError:
        return None


def _is_unicode(text):
    """Whether `text` has no half of a pair of surrogates, which JSON can write and nothing else can hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _short(value):
    text = shown(value[: 2 * _SHOWN] if isinstance(value, str) else _REPR.repr(value))
    text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return repr(text) if isinstance(value, str) else text


def _listed(names: Sequence[str] | Mapping[str, Any]):
    return ", ".join(names)

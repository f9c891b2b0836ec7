"""What a request asks, from the bytes of its body."""

import json
from typing import Any

# Python turns no more digits than 4,300 into a whole number; no field takes a number that long.
_MOST_DIGITS = 400


class NotJson(ValueError):  # noqa: N818 - a request is refused, not the program at fault
    """The body of a request is not strict JSON; the message is one sentence without its end."""


def request_json(body: bytes) -> Any:
    """The value of `body`, strict JSON in UTF-8: no NaN or Infinity, no name twice in an object. Raises NotJson."""
    try:
        return json.loads(
            body.decode("utf-8"), parse_constant=_no_constant, parse_int=_whole, object_pairs_hook=_object
        )
    except NotJson:
        raise
    except RecursionError:
        raise NotJson("request: its JSON is nested too deep, expected an object of texts, numbers and lists") from None
    except UnicodeDecodeError:
        raise NotJson("request: its body is not UTF-8, expected JSON in UTF-8") from None
    except ValueError:
        raise NotJson("request: its body is not JSON, expected an object") from None


def _no_constant(name):
    raise NotJson(f'request: it holds {name}, which JSON has not, expected numbers or "-inf" for an impossible class')


def _whole(digits):
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _object(pairs):
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotJson("request: an object holds a name twice, expected every name once")
    return made

"""JSON with every float: NaN and the infinities, which JSON lacks, are written as {"$float": "NaN"} and so on."""

import json
import math
from typing import Any

_TAG = "$float"
_FLOATS = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


def to_json(value: Any) -> str:
    """`value` as strict JSON text; a NaN or an infinity becomes {"$float": "NaN" | "Infinity" | "-Infinity"}.

    Raises: TypeError for what JSON cannot hold, such as an array or a key that is no str.
    """
    return json.dumps(_tagged(value), allow_nan=False)


def from_json(text: str) -> Any:
    """The value that `to_json` wrote. Raises ValueError if `text` is not strict JSON."""
    return json.loads(text, object_hook=_untagged, parse_constant=_refuse)


def _tagged(value):
    if isinstance(value, float) and not math.isfinite(value):
        return {_TAG: next(name for name, number in _FLOATS.items() if number == value or math.isnan(number))}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"header: key {key!r} is of type {type(key).__name__}, expected str.")
            if key == _TAG:
                raise ValueError(f"header: key {_TAG!r} marks a float that JSON lacks, expected another name.")
        return {key: _tagged(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tagged(entry) for entry in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(
        f"header: {value!r} is of type {type(value).__name__}, expected str, int, float, bool, None, list or dict."
    )


def _untagged(entries):
    if _TAG not in entries:
        return entries
    if len(entries) != 1 or entries[_TAG] not in list(_FLOATS):
        raise ValueError(f"{entries} is not a float")
    return _FLOATS[entries[_TAG]]


def _refuse(constant):
    raise ValueError(f"{constant} is not JSON")

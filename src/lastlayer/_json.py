"""What JSON lacks, written as this project writes it everywhere: undefined is null, an infinity is a string."""

import json
import math
from typing import Any

_INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}


def json_value(value: Any) -> Any:
    """`value`, of dicts, lists, tuples and scalars, as what strict JSON can hold.

    NaN becomes None, which is null; the infinities become "Infinity" and "-Infinity"; a tuple becomes a list.

    >>> json_value({"recall": (0.5, math.nan), "log_loss": math.inf})
    {'recall': [0.5, None], 'log_loss': 'Infinity'}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: json_value(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(entry) for entry in value]
    return value


def json_float(value: Any) -> float | None:
    """The float that `json_value` wrote as `value`; None if it is no number at all.

    >>> json_float("-Infinity"), json_float(None), json_float("high")
    (-inf, nan, None)
    """
    if value is None:
        return math.nan
    if isinstance(value, str):
        return _INFINITIES.get(value)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def json_text(value: Any, *, indent: int | None = None) -> str:
    """`value` as strict JSON text; see `json_value`."""
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:  # some float is not finite; most often none is, and the copy takes longer than the text
        return json.dumps(json_value(value), indent=indent, ensure_ascii=False, allow_nan=False)

"""Numbers as the page writes them."""

import math
from typing import Any

UNDEFINED = "\N{EN DASH}"


def decimals(value: float, digits: int = 4) -> str:
    """A share or a loss; undefined is a dash.

    >>> decimals(0.93142), decimals(float("inf"))
    ('0.9314', '∞')
    """
    if math.isnan(value):
        return UNDEFINED
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def amount(value: Any) -> str:
    """A count, or a sum of weights.

    >>> amount(12345), amount(2.5)
    ('12,345', '2.5')
    """
    return f"{value:,}" if float(value).is_integer() and not isinstance(value, float) else f"{float(value):,.6g}"


def percent(value: float, digits: int = 1) -> str:
    """A share of 1 in hundredths.

    >>> percent(0.9314)
    '93.1 %'
    """
    return UNDEFINED if math.isnan(value) else f"{100 * value:.{digits}f} %"


def size(count: int) -> str:
    """A number of bytes.

    >>> size(999), size(16_789_377)
    ('999 bytes', '16.8 MB')
    """
    if count < 1000:
        return f"{count} bytes"
    power = min(3, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:,.1f} {('kB', 'MB', 'GB')[power - 1]}"

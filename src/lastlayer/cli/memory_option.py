"""The options --memory, in bytes, in units, or as a share of what is free, and --spool, where the rest goes."""

import math
import re
from typing import Any

import click

from lastlayer._available_memory import available_memory

# What is taken where nobody says.
_DEFAULT = "50%"
_UNITS = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_AMOUNT = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[0-9]+)?)\s*(%|[a-z]*)\s*", re.IGNORECASE)


def memory_option(function: Any) -> Any:
    """--memory AMOUNT, of which the command gets the bytes."""
    return click.option(
        "--memory",
        default=_DEFAULT,
        metavar="AMOUNT",
        callback=_bytes,
        help="How much memory the command may take, such as 2GB, 500MB, or 25% of what is free: rows that need more "
        "are spooled to a disk.  [default: half of what is free]",
    )(function)


def spool_option(function: Any) -> Any:
    """--spool DIR."""
    return click.option(
        "--spool",
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="The folder on whose disk rows are spooled, in a file that goes with the command.  [default: that of "
        "temporary files]",
    )(function)


def _bytes(context: click.Context, parameter: click.Parameter, value: str) -> float:
    found = _AMOUNT.fullmatch(value)
    number, unit = (float(found[1]), found[2].lower()) if found else (math.nan, "")
    if unit == "%" and 0 < number <= 100:
        return available_memory() * number / 100
    if unit in _UNITS and number * _UNITS[unit] >= 1 and math.isfinite(number):
        return number * _UNITS[unit]
    raise click.UsageError(
        f"--memory: received {value!r}, expected a number of bytes, one with a unit such as 2GB or 500MB, or a share "
        "of what is free such as 25%"
    )

"""Arguments that several commands share: the files, the condition, and numbers that must be positive."""

import math
import sys

import click


def data_argument(function):
    """DATA...: files, patterns or -."""
    return click.argument("data", nargs=-1, required=True, metavar="DATA...")(function)


def where_option(function):
    """--where SQL."""
    return click.option("--where", metavar="SQL", help="Keep the rows that satisfy this SQL condition.")(function)


def weight_option(function):
    """--weight COLUMN."""
    return click.option(
        "--weight", metavar="COLUMN", help="How much each row counts: numbers >= 0; a row of weight 0 is left out."
    )(function)


def json_option(function):
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def positive(context, parameter, value):
    """A click callback: refuses a number that is not finite and greater than 0."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise click.UsageError(f"{parameter.opts[0]}: received {value:g}, expected a finite number greater than 0")
    return value


def fraction(context, parameter, value):
    """A click callback: refuses a number outside 0 to 1."""
    if value is not None and not 0 <= value <= 1:
        raise click.UsageError(f"{parameter.opts[0]}: received {value:g}, expected a number from 0 to 1")
    return value


def standard_input():
    """The bytes of standard input."""
    return sys.stdin.buffer

"""Arguments that several commands share: the files, the condition, columns, and numbers that must be positive."""

import errno
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from lastlayer.cli.completion import complete_column
from lastlayer.tables import KINDS, InputError
from lastlayer.tables.streams import Readable

Function = TypeVar("Function", bound=Callable[..., Any])


_TYPED = "lastlayer.cli.arguments"


class CommandWithExamples(click.Command):
    """A command whose help page ends with examples, each on lines of its own."""

    def __init__(self, *arguments: Any, examples: Iterable[str] = (), **options: Any):
        """Take `examples` besides what a click.Command takes: lines of at most 78 characters."""
        super().__init__(*arguments, **options)
        self.examples: tuple[str, ...] = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments, and remember them for `typed_command`."""
        ctx.meta[_TYPED] = tuple(args)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are: Click would fill them into a paragraph."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{' ' * formatter.current_indent}{line}\n")


def typed_command(context: click.Context) -> str:
    """The command of `context` as it was typed, quoted for a shell."""
    return " ".join(map(_quoted, ["lastlayer", context.info_name or "", *context.meta.get(_TYPED, ())]))


def _quoted(word):
    """`word` for a shell; SQL between double quotes, where they do."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)


def data_argument(function: Function) -> Function:
    """DATA...: files, patterns or -."""
    return click.argument("data", nargs=-1, required=True, metavar="DATA...", type=click.Path())(function)


def model_argument(function: Function) -> Function:
    """MODEL: a file."""
    return click.argument("model", type=click.Path())(function)


def where_option(function: Function) -> Function:
    """--where SQL."""
    return click.option("--where", metavar="SQL", help="Keep the rows that satisfy this SQL condition.")(function)


def format_option(function: Function) -> Function:
    """--format KIND."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(KINDS),
        help="What DATA is.  [default: what its first bytes or its name tell; standard input is csv if neither does]",
    )(function)


def column_option(*names: str, **options: Any) -> Callable[[Function], Function]:
    """An option that takes the name of a column, which the shell completes."""
    return click.option(*names, **{"metavar": "COLUMN", "shell_complete": complete_column, **options})


def weight_option(function: Function) -> Function:
    """--weight COLUMN."""
    return column_option("--weight", help="How much each row counts: numbers >= 0; a row of weight 0 is left out.")(
        function
    )


def calibration_option(function: Function) -> Function:
    """--calibration FILE."""
    return click.option(
        "--calibration",
        metavar="FILE",
        type=click.Path(),
        help="What lastlayer calibrate wrote of the MODEL's scores: makes its probabilities honest.",
    )(function)


def _address(context, option, value):
    """What --ray was given, which is the word behind it, also where that was meant for a file."""
    if value not in (None, "auto", "local") and os.path.exists(value):
        raise click.UsageError(
            f"--ray {value}: is a file, expected the address of a Ray cluster; put files before --ray, or write "
            "--ray local"
        )
    return value


def ray_options(function: Function) -> Function:
    """--ray [ADDRESS] and --workers N."""
    function = click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="With --ray: how many.  [default: for a fit one a machine, else one a CPU]",
    )(function)
    return click.option(
        "--ray",
        "ray",
        is_flag=False,
        flag_value="local",
        metavar="[ADDRESS]",
        is_eager=True,  # before DATA is missed, which may be what was taken for the address
        callback=_address,
        help="Spread the rows over the workers of a Ray cluster whose head is at ADDRESS, HOST:PORT or auto; without "
        "one, over workers on this machine. Needs the extra ray.",
    )(function)


def json_option(function: Function) -> Function:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def quiet_option(function: Function) -> Function:
    """--quiet."""
    return click.option("-q", "--quiet", is_flag=True, help="Say nothing of progress; warnings and errors stay.")(
        function
    )


def positive(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A click callback: refuses a number that is not finite and greater than 0."""
    if value is not None and not (math.isfinite(value) and value > 0):
        raise click.UsageError(f"{parameter.opts[0]}: received {value:g}, expected a finite number greater than 0")
    return value


def positive_or_infinite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A click callback: refuses a number that is not greater than 0; infinity passes."""
    if value is not None and not value > 0:
        raise click.UsageError(f"{parameter.opts[0]}: received {value:g}, expected a number greater than 0, or inf")
    return value


def fraction(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A click callback: refuses a number outside 0 to 1."""
    if value is not None and not 0 <= value <= 1:
        raise click.UsageError(f"{parameter.opts[0]}: received {value:g}, expected a number from 0 to 1")
    return value


def open_fraction(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A click callback: refuses a number that is not between 0 and 1."""
    if value is not None and not 0 < value < 1:
        raise click.UsageError(f"{parameter.opts[0]}: received {value:g}, expected a number between 0 and 1")
    return value


class _StandardInput:
    """Standard input, whose state matters only to who reads it."""

    def read(self, size: int = -1) -> bytes:
        if hasattr(signal, "siginterrupt"):
            # Polars has reads resume after a signal, so that Ctrl-C would be heard only once the input ends.
            signal.siginterrupt(signal.SIGINT, True)
        try:
            return sys.stdin.buffer.read(size)
        except OSError as failure:
            reason = "it is closed" if failure.errno == errno.EBADF else failure.strerror
            raise InputError(
                f"standard input: cannot be read ({reason}), expected a table; pipe one in, or name a file."
            ) from failure


def standard_input() -> Readable:
    """The bytes of standard input."""
    return _StandardInput()

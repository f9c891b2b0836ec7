"""The command `lastlayer` itself: its subcommands, imported when they are asked for, and its exit codes."""

import errno
import importlib
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import lastlayer
from lastlayer._text import shown
from lastlayer.cli.exit_codes import BROKEN_PIPE, BUG, INTERRUPTED, USAGE
from lastlayer.cli.interruption import Interrupted
from lastlayer.cli.process import OutputFailed

# What each command does, in the words of its own docstring, so that `--help` imports none of them.
_COMMANDS = {
    "demo": "Fit, calibrate and evaluate handwritten digits, and leave every file to play with.",
    "fit": "Fit a head on files of features and labels, calibrate it, and save it.",
    "predict": "Predict the class and its probability for every row.",
    "evaluate": "Judge a model on labelled rows: accuracy, log-loss, calibration.",
    "calibrate": "Make honest probabilities of any model's outputs.",
    "decide": "Choose by which rule a model answers, on held-out rows.",
    "explain": "Show every step from scores to probabilities.",
    "explore": "Open a page on which every step can be seen and touched.",
    "export": "Write a model as an ONNX file, for onnxruntime and others.",
    "info": "Show what a model file holds.",
}


# What a machine that is full or broken says, whoever asked it.
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class _Program(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"lastlayer.cli.{cmd_name}").command
        if all(parameter.name != "debug" for parameter in command.params):
            command.params.append(_debug_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> None:
        """Run the subcommand. What ends it is kept from Click, which has its own mind of some exceptions."""
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit):
            raise
        except BaseException as failure:
            raise _Ended(failure) from failure

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = "lastlayer", **extra: Any) -> NoReturn:
        """Run and exit: 0 ok, 1 a gate failed, 2 usage or input, 130 interrupted, 101 a bug."""
        del extra  # whether to exit is not the caller's choice: this is a program
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                sys.exit(self._exit_code(args, prog_name))
            except KeyboardInterrupt:
                sys.exit(INTERRUPTED)

    def _exit_code(self, args, prog_name):
        debug = "--debug" in (sys.argv[1:] if args is None else args)
        try:
            return super().main(args, prog_name, standalone_mode=False) or 0
        except SystemExit:
            raise  # Click answers a shell that asks for completions, and exits
        except _Ended as ended:
            return _answer(ended.failure, debug)
        except BaseException as failure:
            return _answer(failure, debug)


class _Ended(Exception):  # noqa: N818 - no error by itself
    """Carries what ended a subcommand."""

    def __init__(self, failure):
        super().__init__(failure)
        self.failure = failure


def _answer(failure, debug):
    """Say in one sentence why the command ended with `failure`; returns the exit code."""
    if debug:
        traceback.print_exception(failure)
    if isinstance(failure, (Interrupted, click.Abort)) or _comes_of_an_interruption(failure):
        if sys.stderr.isatty():
            click.echo(err=True)  # the terminal has shown ^C at the end of a line
        return _refuse(failure if isinstance(failure, Interrupted) else "interrupted", INTERRUPTED)
    if isinstance(failure, OutputFailed):
        return failure.exit_code if failure.exit_code == BROKEN_PIPE else _refuse(failure, failure.exit_code)
    if isinstance(failure, click.ClickException):
        return _refuse(failure.format_message(), USAGE)
    if _is_refusal(failure):
        return _refuse(failure, USAGE)
    hint = "" if debug else " (--debug shows it)"
    _say(
        f"error: this is a bug in lastlayer, please report it with its traceback{hint}: "
        f"{type(failure).__name__}: {' '.join(str(failure).split())}"
    )
    return BUG


def _comes_of_an_interruption(failure):
    """Whether `failure` is a KeyboardInterrupt, or was raised while one was dealt with."""
    seen = []  # an exception that is raised anew where another is handled may come of itself
    while failure is not None and failure not in seen:
        if isinstance(failure, KeyboardInterrupt):
            return True
        seen.append(failure)
        failure = failure.__cause__ or failure.__context__
    return False


def _refuse(message, code):
    _say(f"error: {_sentence(str(message))}")
    return code


def _debug_option():
    return click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error.")


def _is_refusal(failure):
    """Whether `failure` tells the user of their input, and is no bug. Asked late: a help page needs no Polars."""
    from lastlayer.storage import UnreadableHead, UnwritableFile
    from lastlayer.tables import InputError

    if isinstance(failure, OSError) and failure.errno in _EXHAUSTED:
        return True
    return isinstance(failure, (InputError, UnreadableHead, UnwritableFile, MemoryError))


def _sentence(message):
    message = " ".join(message.split()) or "not enough memory"
    return message if message.endswith((".", "?", "!")) else f"{message}."


def _say(line):
    click.echo(shown(line), err=True)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    _say(f"warning: {message}")


@click.command(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog="A number in an error that names a row counts from 0. Exit codes: 0 ok, 1 a gate failed, 2 usage or input, "
    "130 interrupted, 101 a bug.",
)
@click.version_option(lastlayer.__version__, "-V", "--version", prog_name="lastlayer")
@click.pass_context
def program(ctx: click.Context) -> None:
    """The classification output layer: from features or scores to probabilities one can trust."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())

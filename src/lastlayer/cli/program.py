"""The command `lastlayer` itself: its subcommands, imported when they are asked for, and its exit codes."""

import importlib
import io
import os
import sys
import traceback
import warnings

import click

import lastlayer
from lastlayer.cli.exit_codes import BROKEN_PIPE, BUG, INTERRUPTED, USAGE

# What each command does, in the words of its own docstring, so that `--help` imports none of them.
_COMMANDS = {
    "demo": "Fit, calibrate and evaluate handwritten digits, and leave every file to play with.",
    "fit": "Fit a softmax head on files of features and labels, calibrate it, and save it.",
    "predict": "Predict the class and its probability for every row.",
    "evaluate": "Judge a model on labelled rows: accuracy, log-loss, calibration.",
    "explain": "Show every step from scores to probabilities.",
    "info": "Show what a model file holds.",
}


class _Program(click.Group):
    def list_commands(self, ctx):
        return list(_COMMANDS)

    def get_command(self, ctx, cmd_name):
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"lastlayer.cli.{cmd_name}").command
        if all(parameter.name != "debug" for parameter in command.params):
            command.params.append(_debug_option())
        return command

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx):
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of our output has left, as `head` does: no error, and nothing more to flush at exit.
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            ctx.exit(BROKEN_PIPE)
        return result

    def main(self, args=None, prog_name="lastlayer", **extra):
        """Run and exit: 0 ok, 1 a gate failed, 2 usage or input, 130 interrupted, 101 a bug."""
        del extra  # whether to exit is not the caller's choice: this is a program
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            sys.exit(self._exit_code(args, prog_name))

    def _exit_code(self, args, prog_name):
        debug = "--debug" in (sys.argv[1:] if args is None else args)
        try:
            return super().main(args, prog_name, standalone_mode=False) or 0
        except click.Abort:
            _say("error: interrupted")
            return INTERRUPTED
        except click.ClickException as failure:
            _say(f"error: {_sentence(failure.format_message())}")
            return USAGE
        except Exception as failure:
            if debug:
                traceback.print_exc()
            if _is_refusal(failure):
                _say(f"error: {_sentence(str(failure))}")
                return USAGE
            hint = "" if debug else " (--debug shows it)"
            _say(
                f"error: this is a bug in lastlayer, please report it with its traceback{hint}: "
                f"{type(failure).__name__}: {failure}"
            )
            return BUG


def _debug_option():
    return click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error.")


def _is_refusal(failure):
    """Whether `failure` tells the user of their input, and is no bug. Asked late: a help page needs no Polars."""
    from lastlayer.storage import UnreadableHead, UnwritableFile
    from lastlayer.tables import InputError

    return isinstance(failure, (InputError, UnreadableHead, UnwritableFile, MemoryError))


def _sentence(message):
    message = " ".join(message.split()) or "not enough memory"
    return message if message.endswith((".", "?", "!")) else f"{message}."


def _say(line):
    click.echo(line, err=True)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    _say(f"warning: {message}")


@click.command(
    cls=_Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="A number in an error that names a row counts from 0. Exit codes: 0 ok, 1 a gate failed, 2 usage or input, "
    "130 interrupted, 101 a bug.",
)
@click.version_option(lastlayer.__version__, prog_name="lastlayer")
def program():
    """The classification output layer: from features or scores to probabilities one can trust."""


def main():
    """Run the command `lastlayer` on the arguments of this process, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a class name must not fail on how a terminal encodes
    program.main()

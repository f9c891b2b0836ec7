import errno
import importlib
import json
import os
import pty
import subprocess
import sys
from contextlib import suppress

import click
import pytest

import lastlayer
from lastlayer.cli import program as program_module
from lastlayer.cli.program import program


def lastlayer_command(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "lastlayer", *map(str, arguments)], capture_output=True, **options)


def test_help_names_every_command_in_the_words_of_its_docstring(run):
    result = run("--help")
    assert result.exit_code == 0
    for name, description in program_module._COMMANDS.items():
        command = importlib.import_module(f"lastlayer.cli.{name}").command
        assert command.name == name
        assert command.help.splitlines()[0] == description
        assert f"  {name} " in result.stdout


def test_help_imports_nothing_heavy():
    script = (
        "import sys\n"
        "from lastlayer.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'numpy', 'numba', 'sklearn', 'scipy', 'polars', 'torch', 'rich', 'safetensors'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", script, "--help"], check=True, capture_output=True)


@pytest.mark.parametrize("name", program_module._COMMANDS)
def test_help_of_every_command(run, name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "--debug" in result.stdout


@pytest.mark.parametrize("name", program_module._COMMANDS)
def test_examples_of_every_command_line_by_line_in_80_columns(run, name):
    examples = importlib.import_module(f"lastlayer.cli.{name}").command.examples
    lines = run(name, "--help").stdout.splitlines()
    assert lines[-len(examples) - 1 :] == ["Examples:", *(f"  {example}" for example in examples)]
    assert len(examples) >= 2
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(run, option):
    assert run(option).stdout == f"lastlayer, version {lastlayer.__version__}\n"


def test_alone_it_prints_its_help(run):
    alone, asked = run(), run("--help")
    assert (alone.exit_code, alone.stderr) == (0, "")
    assert alone.stdout == asked.stdout


@pytest.mark.parametrize("arguments", [["nosuch"], ["explain", "--bta"], ["fit"], ["evaluate"], ["predict", "model"]])
def test_usage(refused, arguments):
    refused(*arguments)


def test_a_bug_is_101_and_asks_to_be_reported(run, monkeypatch):
    @click.command("explain")
    def broken():
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("lastlayer.cli.explain.command", broken)
    result = run("explain")
    assert result.exit_code == 101
    assert result.stderr == (
        "error: this is a bug in lastlayer, please report it with its traceback (--debug shows it): "
        "ZeroDivisionError: division by zero\n"
    )
    assert "Traceback" in run("explain", "--debug").stderr


def test_a_traceback_only_with_debug(run, tmp_path):
    assert "Traceback" not in run("info", tmp_path / "none").stderr
    assert "Traceback" in run("info", tmp_path / "none", "--debug").stderr


class _Panic(BaseException):
    """As Polars' panics are no Exception."""


@pytest.mark.parametrize(
    "failure",
    [
        RecursionError("too deep"),
        _Panic("index out of\nbounds"),
        SystemExit("no"),
        SystemExit(1),
        EOFError(),
        OSError(2, "no"),
    ],
)
def test_every_bug_is_101_in_one_sentence(run, monkeypatch, failure):
    @click.command("explain")
    def broken():
        raise failure

    monkeypatch.setattr("lastlayer.cli.explain.command", broken)
    result = run("explain")
    assert (result.exit_code, result.stdout) == (101, "")
    assert result.stderr.startswith("error: this is a bug in lastlayer")
    assert type(failure).__name__ in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.EIO])
def test_a_machine_that_is_full_is_no_bug(run, monkeypatch, number):
    @click.command("explain")
    def full():
        raise OSError(number, os.strerror(number), "somewhere")

    monkeypatch.setattr("lastlayer.cli.explain.command", full)
    result = run("explain")
    assert (result.exit_code, result.stderr) == (2, f"error: [Errno {number}] {os.strerror(number)}: 'somewhere'.\n")


def _interrupt():
    raise KeyboardInterrupt


def _panic_of_an_interrupt():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise _Panic from None


@pytest.mark.parametrize("end", [_interrupt, _panic_of_an_interrupt])
def test_an_interruption_is_130(run, monkeypatch, end):
    @click.command("explain")
    def interrupted():
        end()

    monkeypatch.setattr("lastlayer.cli.explain.command", interrupted)
    result = run("explain")
    assert (result.exit_code, result.stderr) == (130, "error: interrupted.\n")


def test_an_error_that_comes_of_itself_ends_too(run, monkeypatch):
    @click.command("explain")
    def broken():
        first, second = ValueError("first"), ValueError("second")
        first.__context__, second.__context__ = second, first
        raise first

    monkeypatch.setattr("lastlayer.cli.explain.command", broken)
    assert run("explain").exit_code == 101


@pytest.mark.parametrize("arguments", [["explain", "\x1b[31mone"], ["\x1b[31mnone"], ["info", "\x1b[31m/none"]])
def test_errors_show_control_characters_escaped(refused, arguments):
    message = refused(*arguments)
    assert message.isprintable()
    assert "x1b[31m" in message


def test_the_process_of_a_command():
    ok = lastlayer_command("explain", "-1", "2", "--json")
    assert ok.returncode == 0
    assert json.loads(ok.stdout)["score"] == [-1, 2]


def test_a_table_on_a_terminal_and_plain_text_in_a_pipe(run):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "40"}
    arguments = [sys.executable, "-m", "lastlayer", "explain", "2", "1", "--beta", "500"]
    with subprocess.Popen(arguments, stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        # Linux ends a terminal whose writer has left with an input/output error.
        with suppress(OSError):
            while chunk := os.read(ours, 1 << 16):
                shown += chunk
    os.close(ours)
    assert process.returncode == 0
    assert "────" in shown.decode()
    assert "10^434.294" in shown.decode()  # a figure is never cut, however narrow the terminal
    piped = run("explain", "2", "1", "--beta", "500").stdout
    assert "-----" in piped
    assert "\x1b" not in piped
    assert piped.isascii()


def test_text_that_standard_output_cannot_encode():
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    ran = lastlayer_command("explain", "2", "1", "--classes", "é,日本", env=environment)
    assert ran.returncode == 0
    assert rb"\u65e5" in ran.stdout


def test_the_program_is_the_entry_point():
    assert program.name == "program"
    assert importlib.metadata.entry_points(group="console_scripts")["lastlayer"].value == "lastlayer.cli:main"

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


def test_version(run):
    assert run("--version").stdout == f"lastlayer, version {lastlayer.__version__}\n"


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


def test_an_interruption_is_130(run, monkeypatch):
    @click.command("explain")
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("lastlayer.cli.explain.command", interrupted)
    assert run("explain").exit_code == 130


def test_exit_codes_of_the_process():
    ok = lastlayer_command("explain", "-1", "2", "--json")
    assert ok.returncode == 0
    assert json.loads(ok.stdout)["score"] == [-1, 2]
    refused = lastlayer_command("explain", "one")
    assert (refused.returncode, refused.stdout) == (2, b"")


def test_a_reader_that_leaves_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        ran = subprocess.run(
            [sys.executable, "-m", "lastlayer", "explain", *map(str, range(5000))],
            stdout=nobody,
            stderr=subprocess.PIPE,
        )
    assert (ran.returncode, ran.stderr) == (141, b"")


def test_a_table_on_a_terminal_and_plain_text_in_a_pipe():
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
    piped = lastlayer_command("explain", "2", "1", "--beta", "500").stdout
    assert b"-----" in piped
    assert b"\x1b" not in piped
    assert piped.isascii()


def test_text_that_standard_output_cannot_encode():
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    ran = lastlayer_command("explain", "2", "1", "--classes", "é,日本", env=environment)
    assert ran.returncode == 0
    assert rb"\u65e5" in ran.stdout


def test_the_program_is_the_entry_point():
    assert program.name == "program"
    assert importlib.metadata.entry_points(group="console_scripts")["lastlayer"].value == "lastlayer.cli:main"

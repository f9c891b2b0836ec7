import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

COMMAND = [sys.executable, "-m", "lastlayer"]
FULL = Path("/dev/full")
needs_a_full_device = pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")


def shell(line, *arguments, **options):
    """What a shell makes of `line`, in which "$@" is the command and its arguments."""
    return subprocess.run(
        ["sh", "-c", line, "sh", *COMMAND, *map(str, arguments)], capture_output=True, text=True, **options
    )


@needs_a_full_device
@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["--help"], ["-V"]),
        pytest.param(["explain", "1", "2"], marks=pytest.mark.thorough),
        pytest.param(["explain", "--help"], marks=pytest.mark.thorough),
        pytest.param(["explain", "1", "2", "--json"], marks=pytest.mark.thorough),
    ],
)
def test_a_full_standard_output_is_2(arguments):
    ran = shell('"$@" > /dev/full', *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: standard output: cannot be written (No space left on device), expected")
    assert len(ran.stderr.splitlines()) == 1


@needs_a_full_device
@pytest.mark.thorough
def test_a_full_standard_output_of_every_command(table, model):
    for arguments in (["predict", model, table], ["evaluate", model, table, "--max-ece", "0"]):
        ran = shell('"$@" > /dev/full', *arguments)
        assert ran.returncode == 2
        assert len(ran.stderr.splitlines()) == 1, ran.stderr


def test_a_closed_standard_output_is_2(table, model, tmp_path):
    # The next file that is opened does not take the place of standard output.
    ran = shell('"$@" >&-', "predict", model, table)
    assert ran.returncode == 2
    assert "standard output: cannot be written (it is closed)" in ran.stderr
    # What is not asked for may be closed.
    assert shell('"$@" >&- 2>&- <&-', "predict", model, table, "-o", tmp_path / "out.csv").returncode == 0
    assert pl.read_csv(tmp_path / "out.csv").height == 600


def test_a_closed_standard_input_matters_to_who_reads_it(model):
    ran = shell('"$@" <&-', "predict", model, "-")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: standard input: cannot be read (it is closed)")


cannot_be_told = pytest.mark.parametrize("errors", ["2>&-", pytest.param("2>/dev/full", marks=needs_a_full_device)])


@cannot_be_told
def test_an_error_that_cannot_be_told_changes_no_exit_code(errors):
    assert shell(f'"$@" {errors}', "--no-such-option").returncode == 2


@pytest.mark.thorough
@cannot_be_told
def test_progress_that_cannot_be_told_changes_no_exit_code(table, tmp_path, errors):
    ran = shell(f'"$@" {errors}', *("fit", table, "--label", "kind", "--features", "width", "-o", tmp_path / "m"))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("rows")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], pytest.param(["explain", *map(str, range(5000))], marks=pytest.mark.thorough)],
    ids=["few", "many"],
)
def test_a_reader_that_leaves_is_no_error(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        ran = subprocess.run([*COMMAND, *arguments], stdout=nobody, stderr=subprocess.PIPE)
    assert (ran.returncode, ran.stderr) == (141, b"")


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_disk_that_fills_up_is_2_and_leaves_the_old_file(run, model, tmp_path, suffix):
    rng = np.random.default_rng(0)
    columns = {name: rng.random(50_000) for name in ("width", "height")}
    pl.DataFrame(columns).write_parquet(tmp_path / "many.parquet")
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / f"out.{suffix}"
    out.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # In bytes; Python ignores the signal, and the write fails as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        result = run("predict", model, tmp_path / "many.parquet", "--keep", "width,height", "-o", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.exit_code == 2, result.stderr
    assert f"{out}: cannot be written (File too large" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert [(entry.name, entry.read_text()) for entry in folder.iterdir()] == [(out.name, "old")]


def interrupted(begun, *arguments, send=signal.SIGINT, **options):
    """The ended process of a command that gets a signal as soon as `begun(process)` is true."""
    with subprocess.Popen([*COMMAND, *map(str, arguments)], stderr=subprocess.PIPE, text=True, **options) as process:
        while not begun(process):
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(send)
        _, errors = process.communicate()
    return process.returncode, errors


@pytest.fixture
def pipe(tmp_path):
    """A named pipe for a standard input that never ends."""
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def test_ctrl_c_while_it_reads_is_130_and_says_what_was_not_written(model, tmp_path, pipe):
    os.write(pipe, b"width,height\n1,2\n")
    out = tmp_path / "out.csv"

    def begun(process):
        return not select_readable(pipe)

    code, errors = interrupted(begun, "predict", model, "-", "-o", out, stdin=pipe)
    assert (code, errors) == (130, f"error: interrupted; {out} was not written.\n")
    assert not out.exists()


def select_readable(descriptor):
    import select

    return bool(select.select([descriptor], [], [], 0)[0])


def test_sigterm_leaves_no_file_under_the_final_name(model, tmp_path, pipe):
    os.write(pipe, b"width,height\n1,2\n")
    out = tmp_path / "out.csv"
    out.write_text("old")
    code, errors = interrupted(
        lambda process: not select_readable(pipe), "predict", model, "-", "-o", out, stdin=pipe, send=signal.SIGTERM
    )
    assert (code, errors) == (-signal.SIGTERM, "")
    assert out.read_text() == "old"


CALLED_BACK = """
import _thread, sys, types
from lastlayer.cli import process
from lastlayer.cli.program import program

compiler = types.ModuleType("llvmlite.binding")
exec("def call_back(function): return function()", vars(compiler))
state = []

class Dying:
    def __del__(self):
        {at_death}

def work(*arguments, **options):
    {work}
    Dying()
    for _ in range(10**9):
        pass

program.main = work
process.main()
"""


@pytest.mark.parametrize(
    ("at_death", "work"),
    [
        # The compiler calls Python back through C, where an exception is swallowed or ends the process.
        ("pass", "compiler.call_back(lambda: (_thread.interrupt_main(), state.append('survived')))"),
        # No exception leaves __del__.
        ("_thread.interrupt_main()", "state.append('survived')"),
    ],
)
def test_ctrl_c_where_it_cannot_be_raised_is_raised_soon_after(at_death, work):
    script = CALLED_BACK.format(at_death=at_death, work=work)
    script = script.replace("process.main()", "import atexit; atexit.register(lambda: print(*state))\nprocess.main()")
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "survived\n", "error: interrupted.\n")


def test_a_broken_installation_is_101_without_a_traceback(tmp_path):
    (tmp_path / "click.py").write_text("raise ImportError('no click here')")
    ran = subprocess.run(COMMAND, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert ran.returncode == 101
    assert ran.stderr == "error: lastlayer does not start: ImportError: no click here\n"

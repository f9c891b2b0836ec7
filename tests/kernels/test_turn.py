import os
import signal
import subprocess
import sys
import time

import pytest

from lastlayer.kernels import _turn
from lastlayer.kernels._turn import Turn

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nobody waits")

HOLDER = """
import sys
from pathlib import Path
from lastlayer.kernels._turn import Turn
turn = Turn()
print(turn.take(Path(sys.argv[1])), flush=True)
sys.stdin.readline()
turn.end()
sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the turn."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "cache" / "kernel.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "False\n"
        yield process
        process.kill()


def test_nobody_waits_for_a_turn_that_is_free(tmp_path):
    turn, other = Turn(), Turn()
    assert not turn.take(tmp_path / "one")
    assert not other.take(tmp_path / "two")
    assert not turn.take(tmp_path / "one")
    turn.end()
    turn.end()
    assert not other.take(tmp_path / "one")
    other.end()


@pytest.mark.parametrize("how", ["it ends", "it is killed"])
def test_a_turn_comes_when_the_other_process_has_had_it(tmp_path, holder, monkeypatch, how):
    def look(seconds):
        if how == "it ends":
            print(file=holder.stdin, flush=True)
        else:
            holder.kill()
        sleep(seconds)

    sleep = time.sleep
    monkeypatch.setattr(_turn.time, "sleep", look)
    turn = Turn()
    assert turn.take(tmp_path / "cache" / "kernel.lock")
    turn.end()


def test_no_process_waits_for_ever(tmp_path, holder, monkeypatch):
    os.kill(holder.pid, signal.SIGSTOP)
    monkeypatch.setattr(_turn, "_PATIENCE", 0.05)
    turn = Turn()
    assert turn.take(tmp_path / "cache" / "kernel.lock")
    turn.end()


def test_what_is_raised_while_waiting_leaves_nothing_open(tmp_path, holder, monkeypatch):
    def look(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(_turn.time, "sleep", look)
    turn, before = Turn(), len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    with pytest.raises(KeyboardInterrupt):
        turn.take(tmp_path / "cache" / "kernel.lock")
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_where_nothing_can_be_written_nobody_waits(tmp_path):
    (tmp_path / "file").touch()
    assert not Turn().take(tmp_path / "file" / "kernel.lock")

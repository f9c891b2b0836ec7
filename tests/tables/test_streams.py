import io
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from lastlayer.tables import InputError, open_table, streams

TABLE = b"a,label\n1,x\n2,y\n"


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_named_pipe_is_read_to_its_end(pipe):
    def write():
        with open(pipe, "wb", buffering=0) as stream:  # which waits for a reader
            for start in range(0, len(TABLE), 3):
                time.sleep(0.01)
                stream.write(TABLE[start : start + 3])

    writer = threading.Thread(target=write)
    writer.start()
    table = open_table([str(pipe)])
    writer.join()
    assert table.collect(["a", "label"]).rows() == [(1, "x"), (2, "y")]
    assert table.count() == 2  # read once, held in memory
    assert table.place(1) == f"{pipe}: row 1 (the first is 0)"


def test_a_pipe_that_nobody_writes_to_is_refused(pipe, monkeypatch):
    monkeypatch.setattr(streams, "_SECONDS_TO_OPEN", 0.05)
    with pytest.raises(InputError, match="a named pipe that no process writes to"):
        open_table([str(pipe)])


def test_a_writer_that_leaves_without_a_word(pipe):
    writer = threading.Thread(target=lambda: open(pipe, "wb").close())
    writer.start()
    with pytest.raises(InputError, match="pipe: empty"):
        open_table([str(pipe)])
    writer.join()


@pytest.mark.skipif(not os.path.exists("/dev/stdin"), reason="a system without /dev/stdin")
@pytest.mark.parametrize("name", [pytest.param("/dev/stdin", marks=pytest.mark.thorough), "-"])
def test_standard_input_under_either_name_piped_and_redirected(tmp_path, name):
    code = (
        "import sys, lastlayer.tables as t; "
        "print(t.open_table([sys.argv[1]], stdin=sys.stdin.buffer).collect(['a'])['a'].to_list())"
    )
    command = [sys.executable, "-c", code, name]
    piped = subprocess.run(command, input=TABLE, capture_output=True, check=True)
    (tmp_path / "data").write_bytes(TABLE)
    with open(tmp_path / "data", "rb") as file:
        redirected = subprocess.run(command, stdin=file, capture_output=True, check=True)
    assert piped.stdout == redirected.stdout == b"[1, 2]\n"


def test_devices_and_sockets_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="/dev/null: a device or a socket, expected a file or a pipe"):
        open_table(["/dev/null"])
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        with pytest.raises(InputError, match="socket: a device or a socket"):
            open_table(["socket"])


def test_trap_39_a_stream_that_memory_does_not_hold(monkeypatch):
    monkeypatch.setattr(streams, "available_memory", lambda: 3e6)
    with pytest.raises(InputError, match=r"standard input: more than 1\.5 MB, which is as much as memory holds"):
        open_table(["-"], stdin=io.BytesIO(b"a\n" + b"1\n" * 1_000_000))
    assert open_table(["-"], stdin=io.BytesIO(b"a\n1\n")).count() == 1


def test_no_standard_input():
    with pytest.raises(InputError, match="there is no standard input here"):
        open_table(["-"])

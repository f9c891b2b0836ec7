"""Standard input and named pipes, read to their end and held in memory."""

import io
import os
import select
import stat
import time
from typing import Protocol

from lastlayer._available_memory import available_memory, readable
from lastlayer.tables.input_error import InputError

_PIECE = 1 << 20
# How long a named pipe may wait for somebody to open its other end.
_SECONDS_TO_OPEN = 5.0


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, all there are for -1, none at the end."""
        ...


def read_stream(name: str, stream: Readable) -> bytes:
    """All bytes of the binary `stream`.

    Raises: InputError, before memory runs out, if they are more than half of what is left: the table needs the rest.
    """
    most = available_memory() / 2
    content = io.BytesIO()
    while piece := stream.read(_PIECE):
        if content.tell() + len(piece) > most:
            raise InputError(
                f"{name}: more than {readable(most)}, which is as much as memory holds, expected less; write it to a "
                "file and name that."
            )
        content.write(piece)
    return content.getvalue()


def read_pipe(path: str) -> bytes:
    """All bytes that are written to the named pipe `path`; a process substitution is one too.

    Raises: InputError if nobody opens its other end, or as `read_stream`.
    """
    # Opened without waiting: an ordinary open would wait for a writer for ever.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as pipe:
        start = _first_bytes(path, pipe)
        os.set_blocking(pipe.fileno(), True)
        return start + read_stream(path, pipe)


def require_file_or_pipe(path: str, mode: int) -> None:
    """Raise InputError if the `mode` of `path` says that it is a folder, a device or a socket."""
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: a folder, expected a file; name its files, such as {path}/*.parquet.")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise InputError(f"{path}: a device or a socket, expected a file or a pipe; write the table to a file.")


def _first_bytes(path, pipe):
    """What a pipe that does not block holds as soon as it has, or has had, a writer."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    patience = time.monotonic() + _SECONDS_TO_OPEN
    while not (start := pipe.read(_PIECE)):
        if start is None or poll.poll(0):  # a writer that has written nothing yet, or that has left
            return b""
        if time.monotonic() > patience:
            raise InputError(
                f"{path}: a named pipe that no process writes to, expected one that does; start the writer first."
            )
        time.sleep(0.01)
    return start

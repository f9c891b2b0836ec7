"""One process compiles a kernel and the others wait for it: many that start at once would each compile them all."""

import os
import sys
import time
from pathlib import Path

if sys.platform != "win32":
    import fcntl

# Seconds that a process waits for another at most, and between two looks. One that was stopped, or whose compilation
# has failed, keeps its turn.
_PATIENCE, _LOOK = 60.0, 0.02


class Turn:
    """The turn of this process to compile a kernel; on Windows it is everybody's.

    The system ends it with the process.
    """

    def __init__(self) -> None:
        self._lock: int | None = None

    def take(self, path: Path) -> bool:
        """End the last turn and wait for that of the kernel whose lock is the file `path`, which is made.

        Returns: whether another process has had it meanwhile.
        """
        self.end()
        if sys.platform == "win32":
            return False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False  # where nothing can be written, no other process can leave what it has compiled
        end, waited = time.monotonic() + _PATIENCE, False
        try:
            while not _locked(lock) and time.monotonic() < end:
                waited = True
                time.sleep(_LOOK)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        return waited

    def end(self) -> None:
        """Let others have it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            if sys.platform != "win32":
                fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)


def _locked(lock):
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a disk that knows no locks
    return True

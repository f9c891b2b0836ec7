"""What goes on to its end, whatever the handler of a signal raises meanwhile.

CPython runs handlers in the main thread: where a function is entered or a loop jumps back, after a call of C code, and
while Python waits for a lock. C code that does not ask for them is never cut short, so what must not be is made one
call into C: `any` of an iterator whose every step is C, or is caught. decisions/0002-threads.md has the why.
"""

import ctypes
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain, repeat

# Not by way of pythonapi itself, which keeps the interpreter to itself while it waits.
_python = ctypes.CDLL(ctypes.pythonapi._name, handle=ctypes.pythonapi._handle)
_allocate = _python.PyThread_allocate_lock
_allocate.argtypes, _allocate.restype = [], ctypes.c_void_p
_acquire = _python.PyThread_acquire_lock
_acquire.argtypes, _acquire.restype = [ctypes.c_void_p, ctypes.c_int], None
release = _python.PyThread_release_lock
release.argtypes, release.restype = [ctypes.c_void_p], None
# Held by nobody in particular, for the next who needs some: they are never freed.
_unused: deque[int] = deque()


def held_locks(count: int) -> list[int]:
    """So many locks, all of them held; `release` lets any thread let go of one."""
    locks = []
    for _ in range(count):
        try:
            locks.append(_unused.pop())
        except IndexError:
            lock = _allocate()
            if lock is None:
                raise MemoryError("a lock") from None
            _acquire(lock, 1)
            locks.append(lock)
    return locks


def wait_for_all(seats: Iterator[int], locks: list[int]) -> Iterator[None]:
    """What `any` waits by, as one call into C: for the release of all `locks`, which it takes back.

    Args:
      seats: an iterator over the same locks that those who come to work take theirs from; who comes late finds none.
      locks: as held_locks gave them.
    """
    return chain(map(release, seats), map(_acquire, locks, repeat(1)), map(_unused.append, locks))


def primed(function: Callable[[], object], failures: list[BaseException]) -> Iterator[bool]:
    """An iterator whose first `next`, made from C, calls function() and never raises; it gives True if nothing failed.

    What is raised is added to `failures`, even by the handler of a signal that arrives on the way in: a generator is
    resumed inside its own `try`.
    """
    entrance = _entrance(function, failures)
    next(entrance)
    return entrance


def _entrance(function, failures):
    try:
        yield False
        function()
        yield True
    except GeneratorExit:  # dropped where it stood
        return
    except BaseException as failure:
        failures += [failure]  # no call, after which a handler could run

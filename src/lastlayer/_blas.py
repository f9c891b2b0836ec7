"""Keeping the BLAS to the calling thread, while blocks of rows are spread over cores by `_threads`."""

import os
import signal
from collections.abc import Callable
from functools import cache, partial
from itertools import repeat
from threading import RLock
from typing import Any

from lastlayer._signals import primed

# A signal's handler may call us while we hold it.
_lock = RLock()
_users = set()
_former = None


def on_one_blas_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call function(*arguments), with matrix products on the thread that asks for them; several such share the cores.

    The BLAS's own threads wait for each other by spinning: beside another pool, or any busy process, a product can
    take ten times as long. The limit holds for the whole process; of several users at once the last to leave lifts it,
    whatever is raised, by signals' handlers too.

    Returns: what the call returned.
    """
    user, failures = object(), []
    # A try is cut short at most once by each signal that waits, and what it did until then does no harm twice.
    tries = [primed(partial(_leave, user), failures) for _ in range(signal.NSIG)]
    leaving = map(next, tries, repeat(None))
    try:
        _enter(user)
        return function(*arguments)
    finally:
        any(leaving)  # one call into C, up to the first try that nothing was raised in
        if failures:
            try:
                raise failures[0]
            finally:
                failures.clear()  # the traceback refers to this frame


def _enter(user):
    global _former
    with _lock:
        _users.add(user)
        if _former is None:
            _former = [(library, library.num_threads) for library in _libraries()]
            for library, _ in _former:
                library.set_num_threads(1)


def _leave(user):
    global _former
    with _lock:
        _users.discard(user)
        if not _users and _former is not None:
            for library, num_threads in _former:
                # What one thread limits, threadpoolctl 3.8 lets no other lift; and the last to leave may be another.
                free = getattr(library, "clear_controlling_thread", lambda force: None)
                free(force=True)
                library.set_num_threads(num_threads)
                free(force=True)
            _former = None


@cache
def _libraries():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers


def _forget_users():
    """A forked child has none of its parent's threads, and so none of their fits."""
    global _lock
    _lock = RLock()
    _users.clear()
    _leave(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_users)

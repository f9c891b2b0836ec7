"""Keeping the BLAS to the calling thread, while blocks of rows are spread over cores by `_threads`."""

import os
from contextlib import contextmanager
from functools import cache
from threading import Lock

_lock = Lock()
_users = 0
_limit = None


@contextmanager
def one_blas_thread():
    """Matrix products inside run on the thread that asks for them; several such threads share the cores.

    The BLAS's own threads wait for each other by spinning: beside another pool, or any busy process, a product can
    take ten times as long. The limit holds for the whole process; of several users at once the last to leave lifts it.
    """
    global _users, _limit
    with _lock:
        if _users == 0:
            _limit = _libraries().limit(limits=1, user_api="blas")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _lift()


def _lift():
    global _limit
    limit, _limit = _limit, None
    if limit is not None:
        limit.restore_original_limits()


@cache
def _libraries():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _forget_users():
    """A forked child has none of its parent's threads, and so none of their fits."""
    global _users, _lock
    _users, _lock = 0, Lock()
    _lift()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_users)

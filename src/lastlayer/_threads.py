"""How blocks of rows are spread over cores: one pool of Python threads that run compiled code without the GIL.

A second pool (Numba's) would fight with the one of the BLAS; decisions/0002-threads.md has what was measured.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock, current_thread

_NAME = "lastlayer"
_lock = Lock()
_pool = None


def num_threads():
    """The number of threads in use: LASTLAYER_NUM_THREADS, else the cores this process may run on."""
    asked = os.environ.get("LASTLAYER_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_blocks(work, num_items, *, items_per_block):
    """Call `work(start, stop)` on consecutive ranges that cover 0..num_items, on every core, and wait.

    The caller takes part, so a call from many threads at once cannot deadlock; a call from inside a worker, or one
    that fits a single block, runs where it is. `work` must release the GIL to gain anything.

    Args:
      work: function of (start, stop).
      num_items: how many items there are, rows as a rule.
      items_per_block: the fewest items worth a dispatch (50 to 100 microseconds).
    Returns: what the calls returned, in the order of the ranges.
    Raises: what `work` raises, once every block has stopped.
    """
    blocks = min(num_threads(), num_items // max(1, items_per_block))
    if blocks <= 1 or current_thread().name.startswith(_NAME):
        return [work(0, num_items)]
    edges = [num_items * i // blocks for i in range(blocks + 1)]
    pending = [_executor().submit(work, a, b) for a, b in pairwise(edges[1:])]
    try:
        first = work(edges[0], edges[1])
    finally:
        failures = [future.exception() for future in pending]
    for failure in failures:
        if failure is not None:
            raise failure
    return [first, *(future.result() for future in pending)]


def _executor():
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max_workers=max(1, num_threads() - 1), thread_name_prefix=_NAME)
        return _pool


def _forget_pool():
    """A forked child has none of its parent's threads."""
    global _pool, _lock
    _pool, _lock = None, Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)

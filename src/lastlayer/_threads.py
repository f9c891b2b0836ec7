"""How blocks of rows are spread over cores: one pool of Python threads that run compiled code without the GIL.

A second pool (Numba's) would fight with the one of the BLAS; decisions/0002-threads.md has what was measured.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, current_thread
from typing import Any

_NAME = "lastlayer"
_lock = Lock()
_pool = None


def num_threads():
    """The number of threads in use: LASTLAYER_NUM_THREADS, else the cores this process may run on."""
    asked = os.environ.get("LASTLAYER_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_blocks(work, num_items, *, items_per_block, blocks_per_thread=1):
    """Call `work(start, stop)` on consecutive ranges that cover 0..num_items, on every core, and wait.

    The caller takes part, so a call from many threads at once cannot deadlock; a call from inside a worker, or one
    that fits a single block, runs where it is. `work` must release the GIL to gain anything.

    Args:
      work: called with the first item of a range and the one after its last.
      num_items: how many there are.
      items_per_block: the fewest items worth a dispatch (50 to 100 microseconds).
      blocks_per_thread: with more than one, a thread that gets its core late, because another library's threads are
        still spinning there or another process has it, leaves its blocks to the others.
    Returns: what the calls returned, in the order of the ranges.

    Raises: what `work` raises, once every block has stopped.
    """
    most = num_items // max(1, items_per_block)
    threads = min(num_threads(), most)
    if threads <= 1 or current_thread().name.startswith(_NAME):
        return [work(0, num_items)]
    blocks = min(threads * blocks_per_thread, most)
    edges = [num_items * i // blocks for i in range(blocks + 1)]
    waiting = deque(range(blocks))
    results: list[Any] = [None] * blocks

    def drain():
        while True:
            try:
                i = waiting.popleft()
            except IndexError:
                return
            try:
                results[i] = work(edges[i], edges[i + 1])
            except BaseException:
                waiting.clear()
                raise

    pending = []
    try:
        for _ in range(threads - 1):
            pending.append(_executor().submit(drain))
        drain()
    finally:
        waiting.clear()  # where an interrupt has ended drain() before its time
        failures = [_outcome(future) for future in pending]
    for failure in failures:
        if failure is not None:
            raise failure
    return results


def _outcome(future):
    """What a future raised, or None, once it has ended: an interrupt waits, since work may write to its arrays."""
    interrupt = None
    if future.cancel():
        return None
    while True:
        try:
            return future.exception() or interrupt
        except KeyboardInterrupt as failure:
            interrupt = failure


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

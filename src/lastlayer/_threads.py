"""How blocks of rows are spread over cores: one pool of Python threads that run compiled code without the GIL.

A second pool (Numba's) would fight with the one of the BLAS, and PyTorch's threads with ours, so those are borrowed
where PyTorch is in use; decisions/0002-threads.md has what was measured.
"""

import ctypes
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import RLock, Thread, local
from typing import Any, NamedTuple, TypeVar

from lastlayer._signals import held_locks, release, wait_for_all

Result = TypeVar("Result")
# A signal's handler may call us while we start a thread.
_lock = RLock()
_crew: list[Thread] = []
_tasks: SimpleQueue[Any] = SimpleQueue()
_forked = False
_here = local()


class Team(NamedTuple):
    """Threads to work on: `size()` of them, and `run(function, threads)` to call it on that many, the caller's too.

    `run` may call it on more threads, and returns or raises once every call has ended, whatever is raised meanwhile.
    """

    size: Callable[[], int]
    run: Callable[[Callable[[], None], int], None]


def borrow(team: Team | None) -> None:
    """From now on use the threads of another library in place of our own; None changes nothing.

    A forked child keeps its own, for as many as the team has: a team started anew waits for threads of the parent.
    """
    global _team
    if team is not None:
        _team = Team(team.size, _run_on_pool) if _forked else team


def num_threads() -> int:
    """The number of threads in use: LASTLAYER_NUM_THREADS, else the team's; our own is one for each core we may use."""
    asked = os.environ.get("LASTLAYER_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else _team.size()


def run_blocks(
    work: Callable[[int, int], Result], num_items: int, *, items_per_block: int, blocks_per_thread: int = 1
) -> list[Result]:
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

    Raises: what `work` or the handler of a signal raises, the first of it, once every block has stopped.
    """
    most = num_items // max(1, items_per_block)
    threads = min(num_threads(), most)
    if threads <= 1 or getattr(_here, "at_work", False):
        return [work(0, num_items)]
    blocks = _Blocks(work, num_items, min(threads * blocks_per_thread, most))
    seats, failures = deque(range(threads)), []

    def member():
        try:
            seats.pop()
        except IndexError:
            return
        try:
            blocks.drain()
        except BaseException as failure:
            failures.append(failure)

    try:
        _team.run(member, threads)
    finally:
        if failures:
            try:
                raise failures[0]
            finally:
                failures.clear()  # the traceback refers to this frame, and the frame to the caller's arrays
    blocks.drain()  # what no thread came for: another library's team may have had none to send
    return blocks.results


class _Blocks:
    """Ranges that wait for a thread, and what the calls on them returned."""

    def __init__(self, work, num_items, count):
        self.work = work
        self.edges = [num_items * i // count for i in range(count + 1)]
        self.waiting = deque(range(count))
        self.results: list[Any] = [None] * count

    def drain(self):
        """Work on one block after the other until none waits; where one fails, none waits any more."""
        _here.at_work = True
        try:
            while True:
                try:
                    i = self.waiting.popleft()
                except IndexError:
                    return
                self.results[i] = self.work(self.edges[i], self.edges[i + 1])
        except BaseException:
            self.waiting.clear()
            raise
        finally:
            _here.at_work = False


_sched_getcpu = getattr(ctypes.CDLL(None), "sched_getcpu", None) if hasattr(os, "sched_setaffinity") else None


def _core():
    """The core that this thread runs on, -1 where the system does not say."""
    return -1 if _sched_getcpu is None else _sched_getcpu()


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run_on_pool(function, threads):
    locks = held_locks(threads - 1)
    seats = iter(locks)
    waiting = wait_for_all(seats, locks)
    try:
        _hire(threads - 1)
        cores = {_core()}
        for _ in range(threads - 1):
            _tasks.put((function, seats, cores))
        function()
    finally:
        any(waiting)  # one call into C: those who have a seat may write to the caller's arrays


def _hire(count):
    if len(_crew) < count:
        with _lock:
            while len(_crew) < count:
                # Nothing is left to them at the end of the process: every call waits for its own.
                thread = Thread(target=_serve, args=(_tasks,), name="lastlayer", daemon=True)
                thread.start()
                _crew.append(thread)


def _serve(tasks):
    while True:
        _take_part(*tasks.get())


def _take_part(function, seats, cores):
    seat = next(seats, None)
    if seat is not None:
        try:
            _leave_taken_core(cores)
            function()
        finally:
            release(seat)


def _leave_taken_core(cores):
    """Move this thread of ours off a core that another thread of the call has.

    The system may wake it there although another core is idle, and leave it there for longer than most calls take.
    """
    if _sched_getcpu is not None and _core() in cores:
        with suppress(OSError):  # the cores that we may use have changed meanwhile
            allowed = os.sched_getaffinity(0)
            if allowed - cores:
                os.sched_setaffinity(0, allowed - cores)
                os.sched_setaffinity(0, allowed)
    cores.add(_core())


_team = Team(_cores, _run_on_pool)


def _forget_threads():
    """A forked child has none of its parent's threads; see borrow."""
    global _crew, _tasks, _team, _lock, _forked
    _crew, _tasks, _team, _lock, _forked = [], SimpleQueue(), Team(_team.size, _run_on_pool), RLock(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)

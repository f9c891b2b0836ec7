"""A function applied to every shard by tasks of Ray, whose answers come in the order of the shards."""

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import ray
from ray.exceptions import RayTaskError
from threadpoolctl import threadpool_limits

from lastlayer.ray.losses import own_failure
from lastlayer.ray.places import require_room, room_for
from lastlayer.tables import InputError

# Rows of a shard, and numbers of its answer, at most: what a task holds and hands back at a time.
MOST_ROWS, MOST_NUMBERS = 1 << 20, 1 << 25
# What says how many threads a process computes on.
_SETTINGS = "LASTLAYER_NUM_THREADS", "POLARS_MAX_THREADS"


def shards_for(rows: int, workers: int, width: int = 1) -> int:
    """How many shards so many rows are cut into, so that each of the workers has one at least.

    Args:
      rows: how many.
      workers: how many.
      width: numbers or texts of each row in the answer of a task.
    """
    return max(workers, -(-rows // max(1, min(MOST_ROWS, MOST_NUMBERS // width))))


def number_of_workers(asked: int | None, cpus: int) -> int:
    """How many tasks of `cpus` CPUs run at once: `asked`, or as many as the cluster has room for.

    Raises: InputError if it has room for fewer, or none.
    """
    require_room(asked or 1, cpus)
    return asked or room_for(cpus)


def mapped(
    function: Callable[..., Any], shards: Sequence[Any], workers: int, cpus: int, *shared: Any
) -> Generator[Any]:
    """Yield function(shard, *shared) of every shard, in order; a task whose machine is lost runs again elsewhere.

    Args:
      function: of a shard and what is shared, without effects that would harm if they came twice.
      shards: what it is called with, Shards or what holds them.
      workers: how many tasks run at once; as many answers more may wait for their turn.
      cpus: of each task, and threads that it computes on.
      shared: is sent to each machine once.
    Raises: what `function` raises, of the first shard in their order.
    """
    task = ray.remote(_called).options(num_cpus=cpus, max_retries=5)
    references = [ray.put(value) for value in shared]
    waiting, running, left = deque(), [], deque(shards)
    # Where the caller ends early, what runs is left to end with its shard: cancelling a task that is about to end has
    # Ray abort the whole process (task_manager.cc, "Tried to complete task that was not pending", Ray 2.60).
    while waiting or left:
        running = _unfinished(running, timeout=0)
        while left and len(running) < workers and len(waiting) < 2 * workers:
            running.append(task.remote(function, cpus, left.popleft(), *references))
            waiting.append(running[-1])
        if waiting[0] in running:
            running = _unfinished(running, timeout=None)
            continue
        try:
            answer = ray.get(waiting[0])
        except RayTaskError as failure:
            raise own_failure(failure) from None
        waiting.popleft()
        if isinstance(answer, _Raised):
            raise answer.failure
        yield answer


class _Raised(NamedTuple):
    """What a shard was refused for: an answer, since Ray writes errors that nobody asks for to standard error."""

    failure: InputError


def _called(function, threads, shard, *shared):
    # A process that Ray gives to other tasks later gets its own settings back.
    before = {name: os.environ.get(name) for name in _SETTINGS}
    os.environ.update(dict.fromkeys(_SETTINGS, str(threads)))
    try:
        with threadpool_limits(threads, "blas"):
            return function(shard, *shared)
    except InputError as failure:
        return _Raised(failure)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _unfinished(running, timeout):
    """Those of `running` that have not ended; waits for one that has where there is no time limit."""
    if not running:
        return []
    count = 1 if timeout is None else len(running)
    return ray.wait(running, num_returns=count, timeout=timeout, fetch_local=False)[1]

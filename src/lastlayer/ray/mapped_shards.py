"""A function applied to every shard by tasks of Ray, whose answers come in the order of the shards."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from threadpoolctl import threadpool_limits

from lastlayer.ray.losses import own_failure
from lastlayer.ray.places import require_room, room_for

# Rows of a shard, at most: what a task holds and hands back at a time.
MOST_ROWS = 1 << 20


def shards_for(rows: int, workers: int) -> int:
    """How many shards so many rows are cut into, so that each of the workers has one at least."""
    return max(workers, -(-rows // MOST_ROWS))


def number_of_workers(asked: int | None, cpus: int) -> int:
    """How many tasks of `cpus` CPUs run at once: `asked`, or as many as the cluster has room for.

    Raises: InputError if it has room for fewer, or none.
    """
    require_room(asked or 1, cpus)
    return asked or room_for(cpus)


def mapped(function: Callable[..., Any], shards: Sequence[Any], workers: int, cpus: int, *shared: Any) -> Iterator[Any]:
    """Yield function(shard, *shared) of every shard, in order; a task whose machine is lost runs again elsewhere.

    Args:
      function: of a shard and what is shared, without effects that would harm if they came twice.
      shards: what it is called with, Shards or what holds them.
      workers: how many tasks run at once; one more each waits with its answer ready, so that few answers are held.
      cpus: of each task, and threads that it computes on.
      shared: is sent to each machine once.
    Raises: what `function` raises, of the first shard in their order.
    """
    task = ray.remote(_called).options(num_cpus=cpus, max_retries=5)
    references = [ray.put(value) for value in shared]
    waiting, left = deque(), deque(shards)
    try:
        while waiting or left:
            while left and len(waiting) < 2 * workers:
                waiting.append(task.remote(function, cpus, left.popleft(), *references))
            try:
                answer = ray.get(waiting[0])
            except RayTaskError as failure:
                raise own_failure(failure) from None
            waiting.popleft()
            yield answer
    finally:
        for reference in waiting:
            _cancel(reference)


def _called(function, threads, shard, *shared):
    os.environ["LASTLAYER_NUM_THREADS"] = os.environ["POLARS_MAX_THREADS"] = str(threads)
    with threadpool_limits(threads, "blas"):
        return function(shard, *shared)


def _cancel(reference):
    try:
        ray.cancel(reference, force=True)
    except (RayError, ValueError):  # it has ended
        return

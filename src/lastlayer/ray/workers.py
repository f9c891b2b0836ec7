"""The workers of a fit: one actor a shard, asked all at once; one that dies is replaced and its shard read again."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import RayError

from lastlayer.ray.line_memory import HeadMemory, LabelMemory, LineMemory
from lastlayer.ray.losses import comes_of_a_loss, own_failure
from lastlayer.ray.places import Places, kept_places
from lastlayer.ray.shard_rows import FitSetting
from lastlayer.ray.shard_worker import FitColumns, ShardSummary, ShardWorker
from lastlayer.ray.sums import added, in_pairs
from lastlayer.tables import InputError, Shard

# Deaths of one shard's workers in a row, or losses of answers of workers that live, after which a fit gives up.
_MOST_DEATHS = _MOST_LOSSES = 5
# Bytes from which on an array is put into Ray's memory once, and not sent to each worker.
_LARGE = 1 << 16
# Questions whose answers are as large as the head, and more workers than this: summed by workers, not by the driver.
_LARGE_ANSWERS, _FEW = ("class_sums", "label_sums", "step"), 2

_DEAD = object()


@dataclass
class Traffic:
    """What a kind of question has cost so far.

    Attributes:
      times: how often it was asked.
      seconds: wall time of the driver.
      slowest: of that, what the slowest worker computed.
      mean: what a worker computed, in the mean; had all had as much to do, it would have taken no longer.
      sent, received: bytes of arguments to and of answers from all workers.
    """

    times: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    mean: float = 0.0
    sent: int = 0
    received: int = 0


class Workers:
    """`Parts` of which each is an actor that owns a shard, on `threads`. Use `started_workers`.

    Attributes:
      replaced: how many workers have died and were replaced.
      traffic: what each question has cost.
    """

    def __init__(self, shards: Sequence[Shard], columns: FitColumns, places: Places, threads: int, spool: str | None):
        self._shards, self._columns, self._places = list(shards), columns, places
        self._means = threads, spool
        # The number of each shard's place, which stays when other shards go.
        self._slots = list(range(len(self._shards)))
        self._number = 0
        self._deaths = [0] * len(self._shards)
        self._summaries: list[ShardSummary | None] = []
        self._setting: Any = None
        self._memory: LineMemory = LabelMemory() if columns.many else HeadMemory()
        self._seconds = [0.0] * len(self._shards)
        self._of_step: list[float] = []
        self.replaced: int = 0
        self.traffic: dict[str, Traffic] = {}
        self._actors: list[Any] = [self._started(k) for k in range(len(self._shards))]

    def read(self, report: Callable[[int, int], object] | None = None) -> list[ShardSummary | None]:
        """Have every worker read its shard; what they tell, None for shards of no rows.

        Args:
          report: called with how many rows have been read, and of how many, before any condition.
        Raises: InputError about the first row, in the order of the table, that is wrong.
        """
        asked = [
            actor.read.remote(shard, self._columns) for actor, shard in zip(self._actors, self._shards, strict=True)
        ]
        total, waiting = sum(shard.rows for shard in self._shards), list(asked)
        while waiting:
            if report is not None:
                left = sum(shard.rows for ref, shard in zip(asked, self._shards, strict=True) if ref in waiting)
                report(total - left, total)
            _, waiting = ray.wait(waiting, timeout=1.0)
        ends = self._all_ended(asked)
        self._summaries = [None if end is _DEAD else end for end in ends]
        self._replace([k for k, end in enumerate(ends) if end is _DEAD])
        return self._summaries

    def keep(self, which: Sequence[int]) -> None:
        """Let the workers of all other shards go."""
        for k in set(range(len(self._actors))).difference(which):
            ray.kill(self._actors[k])
        kept = list(which)
        self._slots = [self._slots[k] for k in kept]
        self._shards, self._actors = [self._shards[k] for k in kept], [self._actors[k] for k in kept]
        self._summaries = [self._summaries[k] for k in kept]
        self._deaths, self._seconds = [0] * len(kept), [0.0] * len(kept)

    def moments(self, *arguments: Any) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """What every worker's rows add to the `Moments` of all; see `ShardWorker.moments`, before they `hold` them."""
        told, shared = {}, tuple(map(_shared, arguments))
        while left := [k for k in range(len(self._actors)) if k not in told]:
            asked = {k: self._actors[k].moments.remote(*shared) for k in left}
            ends = {k: self._ended(reference) for k, reference in asked.items()}
            told |= {k: end for k, end in ends.items() if end is not _DEAD}
            self._replace([k for k, end in ends.items() if end is _DEAD])
        self._deaths = [0] * len(self._actors)
        return [told[k] for k in range(len(self._actors))]

    def hold(self, setting: FitSetting) -> None:
        """Have every worker get ready for questions."""
        self._setting = ray.put(setting)
        ready = [actor.hold.remote(self._setting) for actor in self._actors]
        self._replace([k for k, one in enumerate(ready) if self._ended(one) is _DEAD])

    def slowest(self) -> tuple[int, float, float]:
        """The worker that took longest for the last step, its seconds, and the median of all."""
        seconds = self._of_step or self._seconds
        worker = max(range(len(seconds)), key=seconds.__getitem__)
        return worker, seconds[worker], statistics.median(seconds)

    def processes(self) -> list[tuple[str, int]]:
        """The machine and the process of each worker."""
        return ray.get([actor.host.remote() for actor in self._actors])

    def ask(self, question: str, *arguments: Any) -> list[Any]:
        """See `Parts`."""
        shared = tuple(map(_shared, arguments))
        return self._settled(question, arguments, [shared] * len(self._actors), ray.get)

    def ask_each(self, question: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """See `Parts`."""
        return self._settled(question, (), list(arguments), ray.get)

    def sum(self, question: str, *arguments: Any) -> tuple[Any, ...]:
        """See `Parts`. Arrays as large as the head are added by workers."""
        shared = tuple(map(_shared, arguments))
        by_workers = question in _LARGE_ANSWERS and len(self._actors) > _FEW

        def total(answers):
            if by_workers:
                _, reference = in_pairs(list(enumerate(answers)), self._added_by_left)
                found = ray.get(reference)
            else:
                found = in_pairs(ray.get(answers), added)
            return tuple(np.asarray(part, np.float64) for part in found)

        return self._settled(question, arguments, [shared] * len(self._actors), total)

    def close(self) -> None:
        """End every worker."""
        for actor in self._actors:
            ray.kill(actor)

    def _added_by_left(self, left, right):
        (worker, one), (_, other) = left, right
        return worker, self._actors[worker].add.remote(one, other)

    def _settled(self, question, arguments, own, finish):
        """What `finish` makes of the references of all answers, once no worker that was asked is dead.

        Workers that live are asked again under the same number, and give the answers that they have kept.
        """
        self._number += 1
        begin, losses = time.perf_counter(), 0
        while True:
            asked = [
                actor.answer.remote(self._number, question, *given)
                for actor, given in zip(self._actors, own, strict=True)
            ]
            dead = [k for k, (_, seconds) in enumerate(asked) if not self._timed(k, seconds)]
            if not dead:
                try:
                    result = finish([answer for answer, _ in asked])
                    break
                except RayError as failure:
                    if not comes_of_a_loss(failure):
                        raise
                    # A worker died after it had answered, or its answer did not arrive: each is asked again.
                    dead = [k for k in range(len(self._actors)) if not self._lives(k)]
                    losses += not dead
                    if losses == _MOST_LOSSES:
                        raise _no_answer(question, failure) from failure
            self._replace(dead)
        self._deaths = [0] * len(self._actors)
        self._note(question, begin, own if not arguments else [arguments] * len(own), result)
        self._memory.follow(question, arguments)
        if question == "step":
            self._of_step = list(self._seconds)
        return result

    def _timed(self, k, seconds):
        """Wait for worker k; False if it is dead."""
        end = self._ended(seconds)
        if end is not _DEAD:
            self._seconds[k] = end
        return end is not _DEAD

    def _ended(self, reference: Any) -> Any:
        """What a worker has returned, or _DEAD. What it raises of its own is raised."""
        try:
            return ray.get(reference)
        except RayError as failure:
            if comes_of_a_loss(failure):
                return _DEAD
            raise own_failure(failure) from None

    def _all_ended(self, references):
        """What each has ended with; of what workers raise the first is raised, once all have been heard."""
        ends, failures = [], []
        for one in references:
            try:
                ends.append(self._ended(one))
            except Exception as failure:
                failures.append(failure)
        if failures:
            raise failures[0]
        return ends

    def _lives(self, k):
        return self._ended(self._actors[k].host.remote()) is not _DEAD

    def _started(self, k, *, shared=False):
        actor = ray.remote(ShardWorker).options(**self._places.options(self._slots[k], shared=shared))
        return actor.remote(*self._means)

    def _replace(self, dead):
        """New workers for the shards whose numbers are `dead`, brought to where the others are, all at once."""
        while dead:
            for k in dead:
                self._count_death(k)
                self.replaced += 1
                ray.kill(self._actors[k])
            shared = not self._places.are_there()
            for k in dead:
                self._actors[k] = self._started(k, shared=shared)
            readings = {k: self._actors[k].read.remote(self._shards[k], self._columns) for k in dead}
            dead = [k for k, reading in readings.items() if not self._restored(k, reading)]

    def _restored(self, k, reading):
        """Whether the new worker for shard k has come to where the others are; False if it is dead too."""
        actor, before = self._actors[k], self._summaries[k]
        try:
            found = ray.get(reading)
            if before is not None and (found is None or not _alike(found, before)):
                raise InputError(
                    f"{self._shards[k].name}: its rows are no longer those that the fit began with, expected files "
                    "that do not change; start the fit anew."
                )
            if self._setting is not None:
                ray.get(actor.hold.remote(self._setting))
            self._summaries[k] = found
            for question, arguments in self._memory.questions():
                ray.get(actor.answer.remote(None, question, *arguments))
        except RayError as failure:
            if comes_of_a_loss(failure):
                return False
            raise own_failure(failure) from None
        return True

    def _count_death(self, k):
        self._deaths[k] += 1
        if self._deaths[k] == _MOST_DEATHS:
            raise InputError(
                f"{self._shards[k].name}: {_MOST_DEATHS} workers died in a row over its rows "
                f"{self._shards[k].pieces[0].begin} and on, expected that they live; see the logs of Ray, often they "
                "lack memory: pass more workers, or machines with more of it."
            )

    def _note(self, question, begin, own, result):
        traffic = self.traffic.setdefault(question, Traffic())
        traffic.times += 1
        traffic.seconds += time.perf_counter() - begin
        traffic.slowest += max(self._seconds)
        traffic.mean += statistics.fmean(self._seconds)
        traffic.sent += sum(map(_bytes, own))
        traffic.received += _bytes(result) * (1 if isinstance(result, list) else len(self._actors))


@contextmanager
def started_workers(
    shards: Sequence[Shard], columns: FitColumns, cpus: int, spool: str | None = None
) -> Iterator[Workers]:
    """Within: Workers, one a shard, of `cpus` CPUs each. None of them is left behind.

    `spool` is the folder, on each machine, for features that its memory has no room for; None is the usual one.

    Raises: InputError if the cluster has no room for them.
    """
    with kept_places(len(shards), cpus) as places:
        workers = Workers(shards, columns, places, cpus, spool)
        try:
            yield workers
        finally:
            workers.close()


def _no_answer(question, failure):
    return InputError(
        f"{question}: answers of workers were lost {_MOST_LOSSES} times ({type(failure).__name__}), though all of them "
        "live, expected that they arrive; see the logs of Ray, often its object store lacks memory."
    )


def _shared(argument):
    large = isinstance(argument, np.ndarray) and argument.nbytes >= _LARGE
    return ray.put(argument) if large else argument


def _bytes(values):
    """Bytes of the arrays and numbers in what was sent or received."""
    if isinstance(values, tuple | list):
        return sum(map(_bytes, values))
    return values.nbytes if isinstance(values, np.ndarray | np.generic) else 8


def _alike(one, other):
    same = one.rows == other.rows and one.width == other.width and one.dtype == other.dtype
    return same and all(map(np.array_equal, one[3:7], other[3:7]))

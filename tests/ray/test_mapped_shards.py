"""Tasks that run at once, and in which order their answers come, on a stand-in for Ray."""

import os
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("ray")

from ray.exceptions import RayTaskError

from lastlayer.ray import mapped_shards as module
from lastlayer.ray.mapped_shards import mapped, shards_for
from lastlayer.tables import InputError


class Tasks:
    """A stand-in for Ray: of the tasks that run, one at random ends whenever the driver waits."""

    def __init__(self, seed):
        self.rng, self.running, self.most, self.options, self.begun = np.random.default_rng(seed), [], 0, {}, []

    def remote(self, called):
        def options(**options):
            self.options = options
            return SimpleNamespace(remote=start)

        def start(function, threads, shard, *shared):
            self.running.append(shard)
            self.begun.append(shard)
            self.most = max(self.most, len(self.running))
            return shard, lambda: called(function, threads, shard, *shared)

        return SimpleNamespace(options=options)

    def put(self, value):
        return value

    def wait(self, references, *, num_returns, timeout, fetch_local):
        if timeout is None:
            self.running.pop(self.rng.integers(len(self.running)))
        return [], [reference for reference in references if reference[0] in self.running]

    def get(self, reference):
        assert reference[0] not in self.running
        return reference[1]()


@pytest.fixture
def tasks(monkeypatch):
    found = Tasks(0)
    monkeypatch.setattr(module, "ray", found)
    return found


@pytest.mark.parametrize("workers", [1, 2, 5, 30])
def test_answers_come_in_order_and_no_more_tasks_run_than_workers(tasks, workers):
    answers = list(mapped(lambda shard, offset: shard + offset, range(20), workers, 3, 100))
    assert answers == list(range(100, 120))
    assert tasks.most == min(workers, 20)


def test_threads_are_set_for_the_tasks_alone(monkeypatch):
    names = "LASTLAYER_NUM_THREADS", "POLARS_MAX_THREADS"
    monkeypatch.delenv(names[0], raising=False)
    monkeypatch.setenv(names[1], "7")
    seen = module._called(lambda shard: [os.environ[name] for name in names], 3, None)
    assert seen == ["3", "3"]
    assert [os.environ.get(name) for name in names] == [None, "7"]


def test_what_is_asked_for_beforehand_is_bounded(tasks):
    assert next(mapped(lambda shard: shard, range(20), 2, 1)) == 0
    assert tasks.begun == list(range(len(tasks.begun)))
    assert 2 <= len(tasks.begun) <= 2 * 2


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_failure_is_that_of_the_first_shard(tasks, wrapped):
    def fails(shard):
        if shard in (3, 4):
            failure = InputError(f"shard {shard}")
            raise RayTaskError("f", "", failure) if wrapped else failure
        return shard

    found = []
    with pytest.raises(ValueError, match="shard 3"):
        found.extend(mapped(fails, range(9), 4, 1))


def test_what_a_shard_is_refused_for_is_no_error_of_the_task():
    def fails(shard):
        raise shard

    assert module._called(fails, 1, InputError("f2 is nan")).failure.args == ("f2 is nan",)
    with pytest.raises(RuntimeError):  # a bug
        module._called(fails, 1, RuntimeError())


@pytest.mark.parametrize(
    ("rows", "workers", "width", "expected"),
    [(10, 4, 2, 4), (1 << 20, 1, 3, 1), ((1 << 20) + 1, 1, 3, 2), (1 << 20, 1, 1024, 32), (7, 1, 1 << 26, 7)],
)
def test_shards_follow_the_numbers_of_their_answers(rows, workers, width, expected):
    assert shards_for(rows, workers, width) == expected

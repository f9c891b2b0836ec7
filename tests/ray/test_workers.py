"""Workers that die between any two questions are replaced where they stood; Ray and its actors are played here."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

pytest.importorskip("ray")

from ray.exceptions import (
    ActorDiedError,
    ActorUnschedulableError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayTaskError,
)

import lastlayer as ll
import lastlayer.ray as lr
from lastlayer.linear import DenseFeatures
from lastlayer.ray import workers as workers_module
from lastlayer.ray.feature_scale import scale_of_features
from lastlayer.ray.shard_rows import FitSetting
from lastlayer.ray.shard_worker import FitColumns, ShardSummary
from lastlayer.ray.workers import Workers
from lastlayer.solvers import (
    LocalLabels,
    LocalRows,
    MomentsOfRows,
    SigmoidRegression,
    SoftmaxRegression,
    local_labels,
    logit_line,
    minimise,
    minimise_labels,
)
from lastlayer.solvers.parted_labels import PartedLabels, PartOfLabels
from lastlayer.solvers.parted_rows import PartedRows, PartOfRows
from lastlayer.tables import FeatureColumns, InputError, Shard
from lastlayer.tables.shards import Piece
from tests.ray.ray_here import RayHere

COLUMNS = FitColumns(FeatureColumns(("x",), is_list=True), "kind", None)


class HeldRows:
    """What Ray makes of a ShardWorker, but its rows are `rows`: (features, labels) of each shard, in their order."""

    def __init__(self, rows, many):
        self.rows, self._many, self.shard, self.part, self.kept = rows, many, None, None, None

    def host(self):
        return "here", 1

    def read(self, shard, columns):
        self.shard = int(shard.name)
        X, labels = self.rows[self.shard]
        counts = np.bincount(labels, minlength=3)
        of_classes = np.arange(3), counts, counts.astype(float)
        return ShardSummary(len(X), X.shape[1], str(X.dtype), *of_classes, float(len(X)), "row 0")

    def moments(self, total, *about):
        X, _ = self.rows[self.shard]
        moments = MomentsOfRows(X, np.full(len(X), 1 / total))
        return moments.second(*about) if about else moments.first()

    def hold(self, setting):
        classes, total = setting.classes, setting.total
        X, labels = self.rows[self.shard]
        features, weight = DenseFeatures(X), np.ones(len(X))
        if self._many:
            answers = sp.csc_array(labels[:, None] == classes)
            self.part = PartOfLabels(LocalLabels(features, answers, weight, total=total))
        else:
            self.part = PartOfRows(LocalRows(features, labels, weight, len(classes), total=total))

    def answer(self, number, question, *arguments):
        if number is None or self.kept is None or self.kept[0] != number:
            self.kept = number, getattr(self.part, question)(*arguments)
        return self.kept[1], 0.0


class FakePlaces:
    """Room for all, after a wait each time."""

    def __init__(self):
        self.waits = 0

    def are_there(self):
        self.waits += 1
        return True

    def options(self, worker, *, shared=False):
        return {}


class Dies:
    """Lets the actor of shard 1 die, with `failure`, at the times that are numbered, counted over all its questions."""

    def __init__(self, *times, failure=ActorDiedError):
        self.times, self.failure, self.asked, self.dead = times, failure, [], set()

    def __call__(self, actor, name, arguments):
        if name == "answer" and actor.shard == 1 and arguments[0] is not None and id(actor) not in self.dead:
            self.asked.append(arguments[1])
            if len(self.asked) in self.times:
                self.dead.add(id(actor))
        if id(actor) in self.dead:
            raise self.failure() if isinstance(self.failure, type) else self.failure


def started(monkeypatch, fails=lambda *_: None, num_rows=60, places=None, many=False):
    """Workers over two shards of one softmax model's rows, that hold them."""
    workers = that_have_read(monkeypatch, fails, num_rows, places, many)
    workers.hold(FitSetting(np.arange(3), None, float(num_rows), "float64"))
    return workers


def that_have_read(monkeypatch, fails=lambda *_: None, num_rows=60, places=None, many=False):
    """Workers over two shards of one softmax model's rows, that hold nothing yet."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((num_rows, 4))
    labels = (X @ rng.standard_normal((4, 3)) + rng.gumbel(size=(num_rows, 3))).argmax(axis=1)
    cut = num_rows // 3
    rows = [(X[:cut], labels[:cut]), (X[cut:], labels[cut:])]
    monkeypatch.setattr(workers_module, "ray", RayHere(lambda *_: HeldRows(rows, many), fails))
    shards = [Shard((Piece(str(k), (), 0, len(X)),), {}) for k, (X, _) in enumerate(rows)]
    workers = Workers(shards, COLUMNS._replace(many=many), places or FakePlaces(), 1, None)
    workers.read()
    return workers


@pytest.mark.parametrize("time", [1, 2, 3, 4])
def test_moments_are_those_of_all_rows_whenever_a_worker_dies(monkeypatch, time):
    asked, dead = [], []

    def fails(actor, name, arguments):
        if name == "moments":
            asked.append(actor)
            if len(asked) == time:
                dead.append(actor)
        if actor in dead:
            raise ActorDiedError

    workers = that_have_read(monkeypatch, fails)
    rows = SimpleNamespace(weight=60.0, dtype="float64")
    expected = np.std(np.random.default_rng(0).standard_normal((60, 4)), axis=0)
    np.testing.assert_allclose(scale_of_features(workers, rows), expected, rtol=1e-14)
    assert workers.replaced == 1


def test_a_worker_that_dies_in_a_step_comes_back_with_its_direction(monkeypatch):
    monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)
    answers = []
    for times in ((), (3,), (4,)):
        workers = started(monkeypatch, Dies(*times))
        workers.ask("set_direction", np.eye(3, 4), np.arange(3.0))
        workers.ask("set_head", np.ones((3, 4)), np.zeros(3))
        answers.append((workers.sum("step", 0.5), workers.sum("step", 0.25)))
        assert workers.replaced == len(times)
    for other in answers[1:]:
        for one, two in zip(answers[0], other, strict=True):
            for left, right in zip(one, two, strict=True):
                np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("kept", [True, False])
def test_a_fit_is_the_same_whenever_a_worker_dies(monkeypatch, kept):
    if not kept:
        monkeypatch.setattr(logit_line, "_MOST_BYTES_KEPT", 0)

    def fit(fails):
        workers = started(monkeypatch, fails)
        problem = SoftmaxRegression(PartedRows(workers), 1e-2, fit_intercept=True, generator=np.random.RandomState(0))
        return *minimise(problem, tol=1e-6, max_iter=100), workers.replaced

    whole = Dies()
    weight, intercept, optimum, _ = fit(whole)
    assert {"set_direction", "set_head", "step"} <= set(whole.asked)
    for time in range(1, len(whole.asked) + 1):
        again, intercept_again, other, replaced = fit(Dies(time))
        assert (replaced, other.stopped) == (1, optimum.stopped)
        np.testing.assert_allclose(again, weight, rtol=0, atol=1e-10)
        np.testing.assert_allclose(intercept_again, intercept, rtol=0, atol=1e-10)
        assert other.objective == pytest.approx(optimum.objective, rel=1e-12)


def test_a_fit_of_many_labels_is_the_same_whenever_a_worker_dies(monkeypatch):
    monkeypatch.setattr(local_labels, "_MOST_LABELS", 2)

    def fit(fails):
        workers = started(monkeypatch, fails, many=True)
        problem = SigmoidRegression(
            PartedLabels(workers), np.ones((3, 2)), 1.0, fit_intercept=True, generator=np.random.RandomState(0)
        )
        return minimise_labels(problem, tol=1e-6, max_iter=100), workers.replaced

    whole = Dies()
    head, _ = fit(whole)
    assert {"start_line", "set_offsets", "set_directions", "evaluate", "step", "keep"} <= set(whole.asked)
    for time in range(1, len(whole.asked) + 1):
        again, replaced = fit(Dies(time))
        assert replaced == 1
        np.testing.assert_allclose(again.weight, head.weight, rtol=0, atol=1e-10)
        np.testing.assert_allclose(again.intercept, head.intercept, rtol=0, atol=1e-10)
        assert [optimum.stopped for optimum in again.optima] == [optimum.stopped for optimum in head.optima]


@pytest.mark.parametrize(
    "failure",
    [
        OutOfMemoryError("the machine ran out of memory"),
        NodeDiedError("the machine is gone"),
        ActorUnschedulableError("no machine takes it"),
        ObjectLostError("00", None, ""),
    ],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.parametrize("as_cause", [False, True])
def test_every_loss_is_a_death(monkeypatch, failure, as_cause):
    raised = RayTaskError("answer", "", failure) if as_cause else failure
    dies = Dies(2, failure=raised)
    read, lost = [], []

    def fails(actor, name, arguments):
        dies(actor, name, arguments)
        if name == "read":
            read.append(actor)
            # The first that takes the place of the dead one is lost as well, while it reads.
            if len(read) == 3:
                lost.append(actor)
        if actor in lost:
            raise raised

    workers = started(monkeypatch, fails)
    workers.ask("set_head", np.ones((3, 4)), np.zeros(3))
    assert len(workers.sum("step", 0.0)) == 4
    assert workers.replaced == 2


@pytest.mark.parametrize("holds", [False, True])
def test_rows_that_have_changed_where_a_worker_is_replaced_are_told(monkeypatch, holds):
    dead, read = [], []

    def fails(actor, name, arguments):
        if name == "read":
            read.append(actor)
            if len(read) == 3:
                actor.rows = [(X[1:], labels[1:]) for X, labels in actor.rows]
        if name == ("answer" if holds else "moments") and actor.shard == 1 and not dead:
            dead.append(actor)
        if actor in dead:
            raise ActorDiedError

    workers = (started if holds else that_have_read)(monkeypatch, fails)
    with pytest.raises(InputError, match=r"^1: its rows are no longer those that the fit began with, expected files"):
        workers.sum("step", 0.0) if holds else workers.moments(60.0)


def test_what_a_worker_raises_is_no_death(monkeypatch):
    cause = ValueError("row 3 is wrong")
    workers = started(monkeypatch, Dies(1, failure=RayTaskError("answer", "", cause)))
    with pytest.raises(ValueError, match="row 3 is wrong"):
        workers.ask("evaluate", 0.0)
    assert workers.replaced == 0


def test_room_for_all_that_died_at_once_is_waited_for_once(monkeypatch):
    dead, places = [], FakePlaces()

    def fails(actor, name, arguments):
        if name == "answer" and len(dead) < 2 and actor not in dead:
            dead.append(actor)
        if actor in dead:
            raise ActorDiedError

    workers = started(monkeypatch, fails, places=places)
    workers.ask("set_head", np.ones((3, 4)), np.zeros(3))
    assert (workers.replaced, places.waits) == (2, 1)


def test_workers_that_die_without_end_are_counted(monkeypatch):
    def fails(actor, name, arguments):
        if name == "answer" and actor.shard == 1:
            raise ActorDiedError

    workers = started(monkeypatch, fails)
    with pytest.raises(InputError, match=r"^1: 5 workers died in a row over its rows 0 and on, expected"):
        workers.ask("evaluate", 0.0)
    assert sum(actor.shard == 1 for actor in workers_module.ray.actors) == 5


def test_an_answer_that_is_lost_blames_no_shard(monkeypatch):
    workers = started(monkeypatch)
    lost = []

    def finish(answers):
        lost.append(answers)
        if len(lost) < 9:
            raise ObjectLostError("ab", None, "")
        return answers

    with pytest.raises(
        InputError, match=r"^evaluate: answers of workers were lost 5 times .*, though all of them live"
    ):
        workers._settled("evaluate", (0.0,), [(0.0,)] * 2, finish)
    assert (len(lost), workers.replaced) == (5, 0)
    workers._settled("evaluate", (0.0,), [(0.0,)] * 2, finish)
    assert len(lost) == 9


def test_ctrl_c_while_a_worker_is_replaced_keeps_the_head(monkeypatch, tmp_path):
    dies = Dies(25)

    def fails(actor, name, arguments):
        dies(actor, name, arguments)
        if name == "read" and dies.dead:
            raise KeyboardInterrupt

    workers, path = started(monkeypatch, fails), tmp_path / "rows.parquet"
    pl.DataFrame({**{f"f{j}": [0.5, 1.5] for j in range(4)}, "kind": [0, 1]}).write_parquet(path)
    for name, value in {
        "connected": lambda _: nullcontext(),
        "require_room": lambda *_: None,
        "started_workers": lambda *_: nullcontext(workers),
    }.items():
        monkeypatch.setattr(f"lastlayer.ray.fit_workers.{name}", value)
    with pytest.warns(ll.FitInterrupted, match="at the best head so far"):
        model = lr.fit(path, label="kind", num_workers=2, cpus_per_worker=1)
    assert model.optimum_.stopped == "interrupted"
    assert 0 < model.optimum_.objective < np.log(3)

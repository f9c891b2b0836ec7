"""One Ray on this machine for the tests of a file, and files of rows that a softmax fits."""

import importlib
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="module")
def cluster():
    """Ray, with room for four workers of one CPU; what they leave behind is an error."""
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


def drawn_rows(num_rows, seed, *, dtype=np.float64, num_features=4):
    """Features (N, D) and labels (N,) of a softmax model of three classes."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((num_rows, num_features)).astype(dtype)
    head = np.random.default_rng(99).standard_normal((3, num_features))
    labels = (features @ head.T + rng.gumbel(size=(num_rows, 3))).argmax(axis=1)
    return features, np.array(["ant", "bee", "cow"], object)[labels]


def write_rows(path, features, labels, **columns):
    """A parquet file of columns f0, f1, ... and kind, in groups of 50 rows; returns its path."""
    named = {f"f{j}": column for j, column in enumerate(features.T)}
    pl.DataFrame({**named, "kind": labels.tolist(), **columns}).write_parquet(path, row_group_size=50)
    return path


@pytest.fixture
def workers_here(monkeypatch):
    """Fits whose workers are in this process, without Ray: nothing starts. It is the RayHere that they run on."""
    pytest.importorskip("ray")
    from lastlayer.ray import fit_workers, shard_worker, workers
    from tests.ray.ray_here import RayHere

    monkeypatch.setattr(fit_workers, "connected", lambda address: nullcontext())
    monkeypatch.setattr(fit_workers, "require_room", lambda count, cpus: None)
    monkeypatch.setattr(fit_workers, "cpus_for", lambda count: 1)
    monkeypatch.setattr(
        workers, "kept_places", lambda count, cpus: nullcontext(SimpleNamespace(options=lambda *_, **__: {}))
    )
    ray_here = RayHere()
    monkeypatch.setattr(workers, "ray", ray_here)
    # This process keeps the threads that it has.
    monkeypatch.setattr(shard_worker, "threadpool_limits", lambda *_: None)
    for name in ("LASTLAYER_NUM_THREADS", "POLARS_MAX_THREADS"):
        monkeypatch.setenv(name, "1")
    return ray_here


@pytest.fixture
def inline(monkeypatch):
    """A function that lets a module of lastlayer.ray, by its name, do what it maps in this process, without Ray.

    It returns a list to which the count of shards is added.
    """
    pytest.importorskip("ray")

    def mapped(function, shards, workers, cpus, *shared):
        seen.append(len(shards))
        yield from (function(shard, *shared) for shard in shards)

    def of_module(name):
        module = importlib.import_module(f"lastlayer.ray.{name}")
        monkeypatch.setattr(module, "mapped", mapped)
        monkeypatch.setattr(module, "connected", lambda address: nullcontext())
        monkeypatch.setattr(module, "number_of_workers", lambda asked, cpus: 2)
        return seen

    seen = []
    return of_module

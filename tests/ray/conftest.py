"""One Ray on this machine for the tests of a file, and files of rows that a softmax fits."""

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

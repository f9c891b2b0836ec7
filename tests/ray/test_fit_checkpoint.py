"""The checkpoint of a fit on Ray: its state comes back, and that of another fit is refused."""

import json

import numpy as np
import polars as pl
import pytest

pytest.importorskip("ray")

from lastlayer.ray.fit_checkpoint import CheckpointWarning, FitCheckpoint, SearchForm, fingerprint_of
from lastlayer.ray.merged_shards import merged
from lastlayer.ray.shard_worker import FitColumns, ShardSummary
from lastlayer.solvers import SearchState
from lastlayer.tables import FeatureColumns, cut_shards, open_table


@pytest.mark.parametrize("pairs", [0, 3])
def test_a_state_comes_back(tmp_path, pairs):
    rng, path = np.random.default_rng(0), tmp_path / "fit"
    steps = tuple(tuple(rng.standard_normal((2, 8)).astype(np.float32)) for _ in range(pairs))
    state = SearchState(rng.standard_normal((2, 3)).astype(np.float32), rng.standard_normal(2), steps, 7)
    assert FitCheckpoint(path, {"rows": [5]}, SearchForm()).read() is None
    FitCheckpoint(path, {"rows": [5]}, SearchForm()).keep(state)
    found = FitCheckpoint(path, {"rows": [5]}, SearchForm()).read()
    assert found is not None
    assert found.iterations == 7
    np.testing.assert_array_equal(found.weight, state.weight)
    np.testing.assert_array_equal(found.intercept, state.intercept)
    assert len(found.steps) == pairs
    for one, other in zip(found.steps, state.steps, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"checkpoint: .* is that of a fit with other rows, expected one of this fit"):
        FitCheckpoint(path, {"rows": [6]}, SearchForm()).read()


def test_a_disk_that_does_not_take_it_ends_no_fit(tmp_path):
    folder, state = tmp_path / "folder", SearchState(np.zeros((2, 3)), np.zeros(2))
    folder.mkdir()
    checkpoint = FitCheckpoint(folder / "fit", {}, SearchForm())
    folder.rmdir()
    with pytest.warns(CheckpointWarning, match=r"fit: cannot be written .* The fit goes on\.$"):
        checkpoint.keep(state)
    checkpoint._written = 0.0
    checkpoint.keep(state)  # which is told once
    folder.mkdir()
    checkpoint._written = 0.0
    checkpoint.keep(state._replace(iterations=5))
    assert FitCheckpoint(folder / "fit", {}, SearchForm()).read().iterations == 5


def test_what_is_no_checkpoint_is_refused_and_kept(tmp_path):
    path = tmp_path / "fit"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"checkpoint: .* is no checkpoint that can be read"):
        FitCheckpoint(path, {}, SearchForm()).read()
    assert path.read_bytes() == b"something else"


def fingerprint(path, labels, weights, count, where=None):
    """That of a fit of these rows on so many workers."""
    pl.DataFrame({"f": [0.5] * len(labels), "kind": labels, "times": weights}).write_parquet(path)
    table, columns = open_table([path]), FitColumns(FeatureColumns(("f",)), "kind", "times")
    shards, begin, summaries = cut_shards(table, columns.names(), count, format=None), 0, []
    for shard in shards:
        own = slice(begin, begin + shard.rows)
        classes, indices = np.unique(labels[own], return_inverse=True)
        counts, sums = np.bincount(indices), np.bincount(indices, weights[own])
        of_classes = classes.astype(object), counts, sums
        summaries.append(ShardSummary(shard.rows, 1, "float64", *of_classes, sums.sum(), "row 0"))
        begin += shard.rows
    rows = merged(summaries, table, columns)
    return fingerprint_of(shards, columns, rows, where, rows.weights, C=1.0)


def test_weights_that_are_added_in_another_order_are_the_same(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "fit"
    labels, weights = np.sort(rng.choice(["ant", "bee", "cow"], 1000)), rng.choice([0.1, 0.7, 1.3], 1000)
    written = [fingerprint(tmp_path / "rows.parquet", labels, weights, count) for count in (1, 2, 3, 7)]
    assert len({json.dumps(one) for one in written}) > 1  # or the sums would not have shown the order
    FitCheckpoint(path, written[0], SearchForm()).keep(SearchState(np.zeros((3, 1)), np.zeros(3)))
    for one in written:
        assert FitCheckpoint(path, one, SearchForm()).read() is not None
    # The last has the same sum of all weights.
    for other in (2 * weights, np.where(labels == "ant", weights * 1.001, weights), weights[::-1]):
        found = fingerprint(tmp_path / "rows.parquet", labels, other, 2)
        with pytest.raises(ValueError, match="is that of a fit with other weights"):
            FitCheckpoint(path, {**found, "files": written[0]["files"]}, SearchForm()).read()


def test_a_fingerprint_of_many_classes_is_short(tmp_path):
    labels = np.array([f"class {k:05d}" for k in range(5000)])
    assert len(json.dumps(fingerprint(tmp_path / "rows.parquet", labels, np.full(5000, 0.1), 2))) < 1000

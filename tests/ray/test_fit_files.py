"""A fit on workers is the fit of one process, whatever dies meanwhile."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

pytest.importorskip("ray")

from sklearn.exceptions import ConvergenceWarning

import lastlayer as ll
import lastlayer.ray as lr
from lastlayer.ray.merged_shards import merged
from lastlayer.ray.shard_rows import FitSetting
from lastlayer.ray.shard_worker import FitColumns
from lastlayer.ray.workers import started_workers
from lastlayer.solvers import SoftmaxRegression, minimise
from lastlayer.solvers.parted_rows import PartedRows
from lastlayer.storage import read_header
from lastlayer.tables import FeatureColumns, InputError, cut_shards, open_table
from tests.ray.conftest import drawn_rows, write_rows


def nothing_runs(ray):
    """Whether no worker is left: every CPU is free again."""
    end = time.monotonic() + 20
    while ray.available_resources().get("CPU", 0) < 4:
        assert time.monotonic() < end
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def two_files(tmp_path_factory):
    """Paths of two files with weights, a class that only the second has, and all of their rows."""
    folder = tmp_path_factory.mktemp("rows")
    paths, parts = [], []
    for seed, count in enumerate((130, 200)):
        features, labels = drawn_rows(count, seed)
        weights = np.random.default_rng(seed).integers(0, 4, count).astype(float)
        if seed == 0:
            features, labels, weights = (array[labels != "ant"] for array in (features, labels, weights))
        paths.append(write_rows(folder / f"part-{seed}.parquet", features, labels, times=weights))
        parts.append((features, labels, weights))
    return paths, [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def test_two_workers_find_the_head_of_one_process(cluster, two_files, capfd):
    paths, (X, y, weights) = two_files
    weighs = weights > 0
    options = {"C": 3.0, "tol": 1e-8, "class_weight": {"bee": 2.0, "cow": 1.0, "ant": 1.0}}
    alone = ll.SoftmaxClassifier(**options).fit(X[weighs], y[weighs], weights[weighs])
    model = lr.fit(paths, label="kind", features="f*", weight="times", num_workers=2, verbose=1, **options)
    assert type(model) is ll.SoftmaxClassifier
    assert model.classes_.tolist() == ["ant", "bee", "cow"]
    np.testing.assert_allclose(model.coef_, alone.coef_, rtol=0, atol=1e-9 * np.abs(alone.coef_).max())
    np.testing.assert_allclose(model.intercept_, alone.intercept_, rtol=0, atol=1e-9 * np.abs(alone.coef_).max())
    assert model.optimum_.stopped == "converged"
    assert model.optimum_.objective == pytest.approx(alone.optimum_.objective, rel=1e-12)
    assert 0 <= model.optimum_.gap <= 10 * alone.optimum_.gap
    assert model.feature_names_in_.tolist() == ["f0", "f1", "f2", "f3"]
    assert (model.training_.rows, model.training_.label, model.n_features_in_) == (int(weighs.sum()), "kind", 4)
    assert model.get_params()["C"] == 3.0
    shown = capfd.readouterr().err
    assert "slowest worker" in shown
    assert nothing_runs(cluster)


def test_workers_find_the_head_of_one_process_in_float32_too(workers_here, tmp_path):
    X, y = drawn_rows(600, 0)
    X = X.astype(np.float32)
    path = write_rows(tmp_path / "rows.parquet", X, y)
    alone = ll.SoftmaxClassifier(C=1000.0, tol=1e-8).fit(X, y)
    model = lr.fit(path, label="kind", features="f*", C=1000.0, tol=1e-8, num_workers=2)
    assert model.coef_.dtype == alone.coef_.dtype == np.float32
    np.testing.assert_allclose(model.coef_, alone.coef_, rtol=0, atol=1e-6 * np.abs(alone.coef_).max())


@pytest.mark.parametrize(("dtype", "within"), [(np.float64, 1e-9), (np.float32, 1e-6)])
def test_features_in_units_far_apart_are_standardized_as_in_one_process(workers_here, tmp_path, dtype, within):
    X, y = drawn_rows(400, 0)
    units = np.array([1e-6, 1.0, 1e5, 3.0, 1.0])
    X = (np.column_stack([X, np.full(400, 7.0)]) * units).astype(dtype)
    weights = np.random.default_rng(0).integers(0, 3, 400).astype(float)
    path, options = write_rows(tmp_path / "rows.parquet", X, y, times=weights), {"tol": 1e-8, "standardize": True}
    alone = ll.SoftmaxClassifier(**options).fit(X, y, weights)
    model = lr.fit(path, label="kind", features="f*", weight="times", num_workers=3, **options)
    assert model.coef_.dtype == alone.coef_.dtype == dtype
    found, expected = model.coef_ * units, alone.coef_ * units
    np.testing.assert_allclose(found, expected, rtol=0, atol=within * np.abs(expected).max())
    np.testing.assert_allclose(model.predict_proba(X), alone.predict_proba(X), rtol=0, atol=within)
    assert model.optimum_.objective == pytest.approx(alone.optimum_.objective, rel=1e-12)
    assert model.get_params()["standardize"] is True
    assert len(workers_here.actors) == 3


def test_a_fit_of_standardized_features_goes_on_from_its_checkpoint(workers_here, two_files, tmp_path, monkeypatch):
    monkeypatch.setattr("lastlayer.ray.fit_checkpoint._PAUSE", 0.0)
    options = {"label": "kind", "features": "f*", "standardize": True, "tol": 1e-8}
    whole = lr.fit(two_files[0], num_workers=2, **options)
    with pytest.warns(ConvergenceWarning):
        lr.fit(two_files[0], num_workers=2, checkpoint=tmp_path / "fit", max_iter=3, **options)
    model = lr.fit(two_files[0], num_workers=3, checkpoint=tmp_path / "fit", **options)
    assert 3 < model.optimum_.iterations <= whole.optimum_.iterations + 3
    np.testing.assert_allclose(model.coef_, whole.coef_, rtol=0, atol=1e-6 * np.abs(whole.coef_).max())


def test_a_checkpoint_of_features_as_they_are_is_not_one_of_standardized_ones(workers_here, two_files, tmp_path):
    options = {"label": "kind", "features": "f*", "num_workers": 2, "checkpoint": tmp_path / "fit"}
    lr.fit(two_files[0], **options)
    with pytest.raises(ValueError, match="is that of a fit with other standardize, expected one of this fit"):
        lr.fit(two_files[0], standardize=True, **options)


def test_three_workers_of_which_two_are_killed(cluster, two_files):
    paths, (X, y, _) = two_files
    alone = ll.SoftmaxClassifier(C=3.0, tol=1e-8).fit(X, y)
    columns = FitColumns(FeatureColumns(("f0", "f1", "f2", "f3")), "kind", None)
    table = open_table(paths)
    shards = cut_shards(table, columns.names(), 3, format=None)
    with started_workers(shards, columns, 1) as workers:
        processes = [process for _, process in workers.processes()]
        rows = merged(workers.read(), table, columns)
        workers.hold(FitSetting(rows.classes, None, float(rows.rows), rows.dtype))
        parted = PartedRows(workers)
        problem = SoftmaxRegression(
            parted, 1 / (3.0 * rows.rows), fit_intercept=True, generator=np.random.RandomState(0)
        )

        def kill(state):
            if state.iterations in (2, 4):
                os.kill(processes[state.iterations // 2], signal.SIGKILL)

        weight, _, optimum = minimise(problem, tol=1e-8, max_iter=100, keep=kill)
        assert workers.replaced == 2
        assert optimum.stopped == "converged"
        np.testing.assert_allclose(weight, alone.coef_, rtol=0, atol=1e-9 * np.abs(alone.coef_).max())
        # A question that has been answered is not answered anew: a step is not taken twice.
        again = workers._actors[0].answer.remote(workers._number, "evaluate", 5.0)
        assert cluster.get(again[1]) == workers._seconds[0]
    assert nothing_runs(cluster)


def test_a_wrong_row_is_named_and_no_worker_left(cluster, tmp_path):
    paths = []
    for k in range(2):
        features, labels = drawn_rows(60, k)
        if k:
            features[17, 2] = np.nan
        paths.append(write_rows(tmp_path / f"part-{k}.parquet", features, labels))
    with pytest.raises(InputError, match=r"part-1\.parquet: row 17 \(the first is 0\): column f2 is nan"):
        lr.fit(paths, label="kind", num_workers=2)
    assert nothing_runs(cluster)


def test_too_few_cpus_are_one_sentence(cluster, two_files):
    with pytest.raises(InputError, match="num_workers: received 5 of 1 CPU each, but the Ray cluster has room for 4"):
        lr.fit(two_files[0], label="kind", num_workers=5)
    with pytest.raises(InputError, match="cluster has room for 1"):
        lr.fit(two_files[0], label="kind", num_workers=2, cpus_per_worker=3)


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ({"kind": [1, 2]}, "part-1.parquet: column kind holds numbers, but that of .*part-0.parquet holds text"),
        ({"f0": ["a", "b"]}, "part-1.parquet: column f0 holds text, but that of .* holds numbers"),
        ({"f1": None}, "part-1.parquet: no column 'f1', expected one of"),
    ],
)
def test_files_that_differ_are_refused_before_anything_starts(workers_here, tmp_path, second, sentence):
    first = {"f0": [0.5, 1.5], "f1": [1.0, 2.0], "kind": ["a", "b"]}
    paths = [tmp_path / f"part-{k}.parquet" for k in range(2)]
    pl.DataFrame(first).write_parquet(paths[0])
    other = {name: column for name, column in {**first, **second}.items() if column is not None}
    pl.DataFrame(other).write_parquet(paths[1])
    with pytest.raises(InputError, match=sentence):
        lr.fit(paths, label="kind", features="f0,f1", num_workers=2)
    assert workers_here.actors == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"C": 0}, "C: received 0, expected"),
        ({"num_workers": 0}, "num_workers: received 0, expected a whole number of at least 1"),
        ({"cpus_per_worker": 1.5}, "cpus_per_worker: received 1.5"),
        ({"address": 6379}, "address: received 6379, expected HOST:PORT"),
        ({"checkpoint": 7}, "checkpoint: received 7, expected the path of a file, or None"),
        ({"checkpoint": __file__}, r"checkpoint: .*test_fit_files\.py is no checkpoint that can be read"),
        ({"checkpoint": "/no/folder/fit"}, r"/no/folder/fit: cannot be written \(No such file or directory\)"),
        ({"data": "-"}, "standard input is for one process"),
    ],
)
def test_bad_arguments_are_one_sentence(two_files, monkeypatch, options, sentence):
    def connected(address):
        raise AssertionError("Ray was asked before the arguments")

    if "address" not in options:
        monkeypatch.setattr("lastlayer.ray.fit_workers.connected", connected)
    with pytest.raises((ValueError, TypeError), match=sentence):
        lr.fit(**{"data": two_files[0], "label": "kind", **options})


_DRIVER = """
import sys
import lastlayer.ray as lr
if __name__ == "__main__":
    lr.fit(sys.argv[1], label="kind", where="split > 0", C=3.0, num_workers=1, checkpoint=sys.argv[2], address="local")
"""


@pytest.mark.thorough
def test_a_driver_that_is_killed_goes_on_from_its_checkpoint(cluster, tmp_path):
    features, labels = drawn_rows(4000, 5, dtype=np.float32)
    path, split = tmp_path / "rows.parquet", np.arange(4000) % 10
    lists = pl.Series("x", features)
    pl.DataFrame({"x": lists, "kind": labels.tolist(), "split": split}).write_parquet(path, row_group_size=300)
    checkpoint = tmp_path / "fit.checkpoint"
    arguments = [sys.executable, "-c", _DRIVER, str(path), str(checkpoint)]
    driver = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not checkpoint.exists():
        assert driver.poll() is None
        time.sleep(0.002)
    driver.kill()
    driver.wait()
    iterations = read_header(checkpoint)["progress"]["iterations"]
    alone = ll.SoftmaxClassifier(C=3.0).fit(features[split > 0], labels[split > 0])
    model = lr.fit(path, label="kind", where="split > 0", C=3.0, num_workers=2, checkpoint=checkpoint)
    assert 1 <= iterations <= model.optimum_.iterations
    assert (model.coef_.dtype, model.training_.features, model.training_.rows) == (np.float32, "x", 3600)
    assert model.optimum_.objective == pytest.approx(alone.optimum_.objective, rel=1e-4)
    np.testing.assert_allclose(model.coef_, alone.coef_, rtol=0, atol=1e-2 * np.abs(alone.coef_).max())
    assert checkpoint.exists()


@pytest.mark.thorough
def test_predictions_and_figures_are_those_of_one_process(cluster, two_files, tmp_path):
    paths, (X, y, weights) = two_files
    model = ll.SoftmaxClassifier(C=3.0).fit(pl.DataFrame(dict(zip(["f0", "f1", "f2", "f3"], X.T, strict=True))), y)
    out = tmp_path / "out.parquet"
    assert lr.predict(model, paths, out, keep=["times"], num_workers=2) == len(y)
    written = pl.read_parquet(out)
    assert written.columns == ["times", "prediction", "probability"]
    assert written["prediction"].to_list() == model.predict(X).tolist()
    assert written["times"].to_list() == weights.tolist()
    np.testing.assert_allclose(written["probability"], model.predict_proba(X).max(axis=1), rtol=1e-14)
    assert lr.predict(model, paths, tmp_path / "parts", top=2, where="times > 0", num_workers=2) == (weights > 0).sum()
    parts = sorted((tmp_path / "parts").iterdir())
    assert [part.name for part in parts] == ["part-00000.parquet", "part-00001.parquet"]
    first = pl.concat(map(pl.read_parquet, parts))["prediction_1"]
    assert first.to_list() == model.predict(X[weights > 0]).tolist()
    with pytest.raises(InputError, match=r"parts: is there already, expected a new or empty folder"):
        lr.predict(model, paths, tmp_path / "parts")
    with pytest.raises(InputError, match="no row satisfies 'times > 9'"):
        lr.predict(model, paths, tmp_path / "none.csv", where="times > 9", num_workers=2)
    assert not (tmp_path / "none.csv").exists()
    evaluation = lr.evaluate(model, paths, label="kind", weight="times", intervals=0.9, num_workers=2)
    alone = ll.evaluate(model.predict_proba(X), y, classes=model.classes_, sample_weight=weights, intervals=0.9)
    assert evaluation.rows == alone.rows
    assert evaluation.log_loss == pytest.approx(alone.log_loss, rel=1e-12)
    assert evaluation.ece == pytest.approx(alone.ece, rel=1e-9)
    assert evaluation.accuracy_interval == pytest.approx(alone.accuracy_interval, rel=1e-9)
    other = write_rows(tmp_path / "other.parquet", X[:3], np.array(["bee", "eel", "cow"], object))
    with pytest.raises(InputError, match=r"other.parquet: row 1 .*: column kind is 'eel', which the model never saw"):
        lr.evaluate(model, other, label="kind", num_workers=1)
    assert nothing_runs(cluster)

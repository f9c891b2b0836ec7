"""A fit of many labels on workers is the fit of one process, whatever dies meanwhile."""

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
from lastlayer.ray import fit_label_files, workers
from lastlayer.storage import read_header
from lastlayer.tables import InputError

NAMES = ("ant", "bee", "cow", "dog")


def write_lists(path, num_rows, seed, *, labels=NAMES, **columns):
    """A parquet file of features x, lists of labels tags, and weights times; returns path and what it holds."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((num_rows, 5)) + 1
    head = np.random.default_rng(99).standard_normal((5, 4))
    Y = X @ head + rng.logistic(size=(num_rows, 4)) - 1 > 0
    lists = [[name for name, answer in zip(NAMES, row, strict=True) if answer and name in labels] for row in Y]
    weights = rng.integers(0, 4, num_rows).astype(float)
    named = {"x": pl.Series(X, dtype=pl.Array(pl.Float64, 5)), "tags": lists, "times": weights}
    pl.DataFrame(named | columns).write_parquet(path, row_group_size=50)
    return X, lists, weights


@pytest.fixture(scope="module")
def two_files(tmp_path_factory):
    """Paths of two files, of which the first lacks a label, and all of their rows."""
    folder = tmp_path_factory.mktemp("lists")
    paths = [folder / "part-0.parquet", folder / "part-1.parquet"]
    (X, one, weights), (Z, two, others) = (
        write_lists(path, count, seed, labels=NAMES[seed == 0 :])
        for seed, (path, count) in enumerate(zip(paths, (130, 200), strict=True))
    )
    return paths, (np.concatenate([X, Z]), one + two, np.concatenate([weights, others]))


def same_heads(model, alone, within):
    assert model.classes_.tolist() == alone.classes_.tolist()
    atol = within * np.abs(alone.coef_).max()
    np.testing.assert_allclose(model.coef_, alone.coef_, rtol=0, atol=atol)
    np.testing.assert_allclose(model.intercept_, alone.intercept_, rtol=0, atol=atol)


@pytest.mark.thorough
def test_two_workers_find_the_heads_of_one_process(cluster, two_files, capfd):
    paths, (X, lists, weights) = two_files
    options = {"C": 3.0, "tol": 1e-8, "class_weight": "balanced", "standardize": True}
    alone = ll.SigmoidClassifier(**options).fit(X, lists, weights)
    model = lr.fit_labels(paths, labels="tags", weight="times", num_workers=2, verbose=1, **options)
    assert type(model) is ll.SigmoidClassifier
    same_heads(model, alone, 1e-9)
    for one, other in zip(model.optima_, alone.optima_, strict=True):
        assert one.stopped == other.stopped == "converged"
        assert one.objective == pytest.approx(other.objective, rel=1e-12)
        assert one.gap == pytest.approx(other.gap, rel=1e-3)
    assert (model.training_.rows, model.training_.label, model.training_.features) == (
        np.count_nonzero(weights),
        "tags",
        "x",
    )
    assert "4 of 4 labels  slowest worker" in capfd.readouterr().err
    np.testing.assert_allclose(model.predict_proba(X[:5]), alone.predict_proba(X[:5]), rtol=1e-6)


@pytest.mark.thorough
def test_a_worker_that_is_killed_in_a_step_is_replaced(cluster, two_files, monkeypatch):
    paths, (X, lists, _) = two_files
    alone = ll.SigmoidClassifier(C=3.0, tol=1e-8).fit(X, lists)
    settled, asked, replaced = workers.Workers._settled, [], []

    def kill(self, question, *rest):
        asked.append(question)
        if asked.count("step") in (2, 5) and question == "step":
            os.kill(self.processes()[asked.count("step") % 2][1], signal.SIGKILL)
        replaced.append(self.replaced)
        return settled(self, question, *rest)

    monkeypatch.setattr(workers.Workers, "_settled", kill)
    model = lr.fit_labels(paths, labels="tags", C=3.0, tol=1e-8, num_workers=2)
    same_heads(model, alone, 1e-9)
    assert replaced[-1] == 2


def test_features_in_units_far_apart_are_standardized_as_in_one_process(workers_here, tmp_path):
    X, lists, weights = write_lists(tmp_path / "rows.parquet", 300, 0)
    X = X * [1e-4, 1.0, 1e4, 3.0, 1.0]
    pl.read_parquet(tmp_path / "rows.parquet").with_columns(
        x=pl.Series(X, dtype=pl.Array(pl.Float64, 5))
    ).write_parquet(tmp_path / "scaled.parquet", row_group_size=50)
    options = {"tol": 1e-8, "standardize": True}
    alone = ll.SigmoidClassifier(**options).fit(X, lists, weights)
    model = lr.fit_labels(tmp_path / "scaled.parquet", labels="tags", weight="times", num_workers=3, **options)
    assert (np.abs(model.coef_ - alone.coef_) <= 1e-9 * np.abs(alone.coef_).max(axis=0)).all()
    np.testing.assert_allclose(model.intercept_, alone.intercept_, rtol=1e-9)
    assert model.get_params()["standardize"] is True


def test_labels_that_have_ended_are_kept_by_a_checkpoint(workers_here, two_files, tmp_path, monkeypatch):
    paths, (X, lists, _) = two_files
    checkpoint, options = tmp_path / "fit", {"C": 3.0, "num_workers": 2, "labels": "tags"}
    monkeypatch.setattr("lastlayer.ray.fit_checkpoint._PAUSE", 0.0)
    whole = lr.fit_labels(paths, checkpoint=checkpoint, **options)
    stopped = np.array(read_header(checkpoint)["progress"]["optima"]["stopped"])
    ended = np.flatnonzero(stopped == "converged").tolist()
    assert ended == [0, 1, 2, 3]
    minimise, given = fit_label_files.minimise_labels, []

    def told(problem, **arguments):
        given.append(sorted(arguments["ended"]))
        return minimise(problem, **arguments)

    monkeypatch.setattr(fit_label_files, "minimise_labels", told)
    again = lr.fit_labels(paths, checkpoint=checkpoint, **options)
    same_heads(again, whole, 1e-3)
    for k in ended:
        assert again.optima_[k] == whole.optima_[k]
        np.testing.assert_array_equal(again.coef_[k], whole.coef_[k])
    closer = lr.fit_labels(paths, checkpoint=checkpoint, tol=1e-8, **options)
    same_heads(closer, ll.SigmoidClassifier(C=3.0, tol=1e-8).fit(X, lists), 1e-6)
    assert given == [ended, []]
    with pytest.raises(ValueError, match="is that of a fit with other C, expected one of this fit"):
        lr.fit_labels(paths, checkpoint=checkpoint, **options | {"C": 4.0})


def test_a_checkpoint_of_other_weights_of_rows_without_a_label_is_refused(workers_here, two_files, tmp_path):
    paths, (_, lists, _) = two_files
    counts = {name: sum(name in row for row in lists) for name in NAMES}
    options = {"labels": "tags", "num_workers": 1, "checkpoint": tmp_path / "fit"}
    lr.fit_labels(paths, class_weight="balanced", **options)
    # Rows with each label weigh the same as before, those without it do not.
    weights = {name: len(lists) / 2 / count for name, count in counts.items()}
    with pytest.raises(ValueError, match="is that of a fit with other weights"):
        lr.fit_labels(paths, class_weight=weights, **options)


def test_warnings_are_of_whoever_calls(workers_here, two_files):
    with pytest.warns(ConvergenceWarning, match="max_iter=1 was reached") as caught:
        lr.fit_labels(two_files[0], labels="tags", max_iter=1, num_workers=1)
    assert {warning.filename for warning in caught} == {__file__}


_DRIVER = """
import sys
import lastlayer.ray as lr
if __name__ == "__main__":
    lr.fit_labels(sys.argv[1], labels="tags", C=3.0, num_workers=1, checkpoint=sys.argv[2], address="local")
"""


@pytest.mark.thorough
def test_a_driver_that_is_killed_goes_on_from_its_checkpoint(cluster, tmp_path):
    X, lists, _ = write_lists(tmp_path / "rows.parquet", 4000, 5)
    checkpoint = tmp_path / "fit.checkpoint"
    arguments = [sys.executable, "-c", _DRIVER, str(tmp_path / "rows.parquet"), str(checkpoint)]
    driver = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not checkpoint.exists():
        assert driver.poll() is None
        time.sleep(0.002)
    driver.kill()
    driver.wait()
    assert read_header(checkpoint)["progress"]["limits"] == [1e-4, 1000]
    model = lr.fit_labels(tmp_path / "rows.parquet", labels="tags", C=3.0, num_workers=2, checkpoint=checkpoint)
    alone = ll.SigmoidClassifier(C=3.0).fit(X, lists)
    same_heads(model, alone, 1e-2)
    assert model.optimum_.objective == pytest.approx(alone.optimum_.objective, rel=1e-4)


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        (["ant"] * 60, r"column tags: labels are String, expected lists of labels"),
        ([[]] * 60, "column tags is empty in every row, expected at least one label to learn"),
        ([["ant"]] * 59 + [["bee", "bee"]], r"row 59 \(the first is 0\): column tags has a label twice"),
        ([["ant"]] * 59 + [None], r"row 59 \(the first is 0\): column tags is null, expected a list of labels"),
    ],
)
def test_wrong_labels_are_one_sentence(workers_here, tmp_path, tags, sentence):
    rng = np.random.default_rng(0)
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"f0": rng.random(60), "f1": rng.random(60), "tags": tags}).write_parquet(path, row_group_size=20)
    with pytest.raises(InputError, match=sentence):
        lr.fit_labels(path, labels="tags", num_workers=2)


def test_labels_of_other_types_among_files_are_refused(workers_here, tmp_path):
    write_lists(tmp_path / "a.parquet", 50, 0)
    write_lists(tmp_path / "b.parquet", 50, 1, tags=[[1, 2]] * 50)
    with pytest.raises(InputError, match=r"b\.parquet: column tags holds .*, but that of .*a\.parquet holds"):
        lr.fit_labels([tmp_path / "a.parquet", tmp_path / "b.parquet"], labels="tags", num_workers=2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"C": 0}, "C: received 0, expected"),
        ({"num_workers": 0}, "num_workers: received 0, expected a whole number of at least 1"),
        ({"checkpoint": "/no/folder/fit"}, r"/no/folder/fit: cannot be written \(No such file or directory\)"),
        ({"labels": "kinds"}, "no column 'kinds', expected one of"),
        ({"labels": ["tags"]}, r"labels: received \['tags'\], expected text, or None"),
        ({"features": 3}, "features: received 3, expected the name of a column, a pattern, or a list of them"),
        ({"data": None}, "data: received None, expected the path of a file, a pattern, or a list of them"),
        ({"format": "xls"}, "format: received 'xls', expected one of parquet, arrow"),
    ],
)
def test_bad_arguments_are_one_sentence(two_files, monkeypatch, options, sentence):
    def connected(address):
        raise AssertionError("Ray was asked before the arguments")

    monkeypatch.setattr("lastlayer.ray.fit_workers.connected", connected)
    with pytest.raises((ValueError, TypeError), match=sentence):
        lr.fit_labels(**{"data": two_files[0], "labels": "tags"} | options)

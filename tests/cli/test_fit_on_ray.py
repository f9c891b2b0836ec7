"""--ray: what is wrong with rows to calibrate on is said before workers fit; a stand-in for the fit starts no Ray."""

import json

import numpy as np
import polars as pl
import pytest

pytest.importorskip("ray")

import lastlayer as ll
import lastlayer.ray
from lastlayer._memory import allowed_bytes
from lastlayer.tables import InputError, open_table

FIT = ("--label", "kind", "--features", "width,height", "--ray", "local", "-q")
TRAIN = (*FIT, "--where", "split = 'train'")


@pytest.fixture
def fits(monkeypatch):
    """What was allowed in each call of `lastlayer.ray.fit`, which here is a fit in this process."""
    allowed = []

    def fit(data, *, label, features, where, max_iter, **others):
        allowed.append(allowed_bytes())
        frame = open_table(data, where=where).collect([*features, label])
        X = frame.select(features).to_numpy()
        model = ll.SoftmaxClassifier(max_iter=max_iter).fit(X, frame[label].to_numpy())
        if max_iter == 7:
            model.optimum_ = type(model.optimum_)(**{**vars(model.optimum_), "stopped": "interrupted"})
        return model

    monkeypatch.setattr(lastlayer.ray, "fit", fit)
    return allowed


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--validation", "missing.parquet"), "missing.parquet: no such file"),
        (("--validation", "narrow.parquet"), "narrow.parquet: no column 'height'"),
        (("--validation", "other.parquet"), "other.parquet: row 2 (the first is 0): column kind is 'eel'"),
        (("--validation-where", "split <> 'val'"), "300 of its rows are rows of the fit too"),
        (("--validation-where", "split = 'none'"), "no row satisfies"),
    ],
)
def test_validation_rows_are_read_before_the_fit(refused, fits, table, tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    frame = pl.read_parquet(table).head(3)
    frame.drop("height").write_parquet("narrow.parquet")
    frame.with_columns(kind=pl.Series(["cat", "cow", "eel"])).write_parquet("other.parquet")
    assert sentence in refused("fit", table, *TRAIN, *options, "-o", tmp_path / "m")
    assert fits == []
    assert not (tmp_path / "m").exists()


def test_a_class_whose_rows_weigh_nothing_is_none(refused, fits, table, tmp_path):
    frame = pl.read_parquet(table).with_columns(w=(pl.col("kind") != "cow").cast(pl.Int32))
    frame.with_columns(w=pl.when(split="val").then(1).otherwise("w")).write_parquet(tmp_path / "w.parquet")
    options = (*TRAIN, "--weight", "w", "--validation-where", "split = 'val'", "-o", tmp_path / "m")
    assert "column kind is 'cow', which no row of the fit has" in refused("fit", tmp_path / "w.parquet", *options)
    assert fits == []


def test_rows_of_a_fit_that_are_wrong_are_left_to_it(run, fits, table, tmp_path):
    options = (*FIT, "--where", "split = 'none'", "--validation-where", "split = 'val'", "-o", tmp_path / "m")
    assert "no row satisfies \"split = 'none'\"" in run("fit", table, *options).stderr


def test_a_fit_is_calibrated_and_the_solver_has_what_memory_leaves(run, fits, table, tmp_path):
    options = (*TRAIN, "--validation-where", "split = 'val'", "-o", tmp_path / "m", "--json")
    summaries = [json.loads(run("fit", table, *options, "--memory", memory).stdout) for memory in ("1MB", "1TB")]
    assert fits[0] == 0
    assert 5e11 < fits[1] < 1e12
    for summary in summaries:
        assert (summary["rows"], summary["held_out_rows"], summary["spooled_bytes"]) == (300, 150, None)
        assert summary["log_loss_after"] <= summary["log_loss_before"]
    assert np.asarray(summaries[0]["beta"]) != 1


def test_what_is_said_of_a_parameter_names_the_option(refused, table, tmp_path, monkeypatch):
    def fit(data, **options):
        raise InputError(f"num_workers: received {options['num_workers']} of 1 CPU each, but there is room for 4.")

    monkeypatch.setattr(lastlayer.ray, "fit", fit)
    sentence = refused("fit", table, *FIT, "--workers", "5", "-o", tmp_path / "m")
    assert "error: --workers: received 5 of 1 CPU each, but there is room for 4." in sentence


def test_what_the_fit_is_told(run, table, tmp_path, monkeypatch):
    told = {}

    def fit(data, **options):
        told.update(options)
        raise InputError("enough.")

    monkeypatch.setattr(lastlayer.ray, "fit", fit)
    options = ("--standardize", "--class-weight", "balanced", "--C", "3", "--tol", "1e-6", "--max-iter", "9")
    assert "enough" in run("fit", table, *FIT, *options, "--workers", "2", "-o", tmp_path / "m").stderr
    expected = {"standardize": True, "class_weight": "balanced", "C": 3.0, "tol": 1e-6, "max_iter": 9}
    expected |= {"num_workers": 2, "address": "local", "label": "kind", "features": ("width", "height")}
    assert {name: told[name] for name in expected} == expected


def test_an_interrupted_fit_writes_nothing(run, fits, table, tmp_path):
    options = (*TRAIN, "--validation-where", "split = 'val'", "--max-iter", "7", "-o", tmp_path / "m")
    result = run("fit", table, *options)
    assert len(fits) == 1
    assert "interrupted" in str(result.exception) + result.stderr
    assert not (tmp_path / "m").exists()


@pytest.fixture
def posts(tmp_path, monkeypatch):
    """A file of lists of labels, of which a stand-in for `lastlayer.ray.fit_labels` fits those of the split train."""

    def fit_labels(data, *, labels, features, where, checkpoint, **others):
        assert checkpoint == "state"
        frame = open_table(data, where=where).collect([*features, labels])
        return ll.SigmoidClassifier().fit(frame.select(features).to_numpy(), frame[labels].to_list())

    monkeypatch.setattr(lastlayer.ray, "fit_labels", fit_labels)
    rng, path = np.random.default_rng(0), tmp_path / "posts.parquet"
    X = rng.standard_normal((90, 2))
    feelings = [["glad"] * bool(row[0] > 0) + ["sad"] * bool(row[1] > 0.5) for row in X]
    split = ["train", "val", "train"] * 30
    pl.DataFrame({"f0": X[:, 0], "f1": X[:, 1], "feelings": feelings, "split": split}).write_parquet(path)
    return path


def test_many_labels_are_fitted_and_calibrated(run, posts, tmp_path):
    options = ("--labels", "feelings", "--where", "split = 'train'", "--validation-where", "split = 'val'", "--json")
    options += ("--features", "f*", "--ray", "local", "--checkpoint", "state", "-q", "-o", tmp_path / "m")
    summary = json.loads(run("fit", posts, *options).stdout)
    assert (summary["rows"], summary["held_out_rows"], summary["labels_per_row"]) == (60, 30, None)
    assert (summary["many_labels"], summary["classes"]) == (True, ["glad", "sad"])
    assert len(ll.load(tmp_path / "m").beta_) == 2


def test_a_label_of_validation_rows_that_the_fit_lacks_is_told_before_it(refused, posts, tmp_path):
    frame = pl.read_parquet(posts).with_columns(feelings=pl.lit(["bored"]))
    frame.write_parquet(tmp_path / "other.parquet")
    options = ("--labels", "feelings", "--features", "f*", "--ray", "local", "-q", "-o", tmp_path / "m")
    sentence = refused("fit", posts, *options, "--validation", tmp_path / "other.parquet")
    assert "other.parquet: row 0 (the first is 0): column feelings has 'bored', which no row of the fit" in sentence

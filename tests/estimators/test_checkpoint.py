"""A fit that was killed goes on from its checkpoint and ends bit for bit as the unbroken one; other files are safe."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.storage import UnwritableFile, read_header

PROGRAM = """
import sys
import numpy as np
import lastlayer as ll

rng = np.random.default_rng(0)
labels = rng.integers(0, 300, 6000)
X = (rng.standard_normal((300, 8))[labels] + rng.standard_normal((6000, 8))).astype(np.float32)
model = ll.SoftmaxClassifier(candidates=20, tol=5e-3, checkpoint=sys.argv[1], random_state=5).fit(X, labels)
print(model.optimum_.stopped, flush=True)
model.save(sys.argv[2])
"""


def labelled(seed=0, rows=2000):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 40, rows)
    return (rng.standard_normal((40, 6))[labels] + rng.standard_normal((rows, 6))).astype(np.float32), labels


def model_with(path, **parameters):
    return ll.SoftmaxClassifier(**{"candidates": 8, "tol": 1e-2, "checkpoint": path, **parameters})


@pytest.mark.thorough
def test_a_killed_fit_ends_as_the_unbroken_one(tmp_path, monkeypatch):
    def run_here(paths):
        monkeypatch.setattr(sys, "argv", ["program", *map(str, paths)])
        exec(PROGRAM, {})

    unbroken = [tmp_path / "whole.checkpoint", tmp_path / "whole"]
    run_here(unbroken)
    broken = [tmp_path / "broken.checkpoint", tmp_path / "broken"]
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *broken], stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None and (not broken[0].exists() or steps_in(broken[0]) < 1):
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    run_here(broken)
    one, other = ll.load(unbroken[1]), ll.load(broken[1])
    np.testing.assert_array_equal(one.coef_, other.coef_)
    np.testing.assert_array_equal(one.intercept_, other.intercept_)
    assert one.training_ == other.training_
    assert one.n_iter_ == other.n_iter_


def steps_in(path):
    """Passes that a checkpoint has seen; the steps of a pass are 128 or so."""
    return read_header(path)["progress"]["steps"] // 120


def test_after_every_interval_it_goes_on_as_if_nothing_had_been(tmp_path, monkeypatch):
    from lastlayer.estimators.checkpoint import Checkpoint

    X, y = labelled()
    whole = model_with(tmp_path / "whole").fit(X, y)
    write = Checkpoint.write

    def killed(self, state):
        write(self, state)
        raise MemoryError

    monkeypatch.setattr(Checkpoint, "write", killed)
    intervals = 0
    while True:
        model = model_with(tmp_path / "broken")
        try:
            model.fit(X, y)
        except MemoryError:
            intervals += 1
            continue
        break
    assert intervals == whole.n_iter_[0]
    np.testing.assert_array_equal(model.coef_, whole.coef_)
    np.testing.assert_array_equal(model.intercept_, whole.intercept_)
    assert model.training_ == whole.training_


def test_a_fit_with_a_checkpoint_is_one_without_and_a_refit_is_at_its_end_at_once(tmp_path):
    X, y = labelled()
    path = tmp_path / "c"
    with_one = model_with(path).fit(X, y)
    np.testing.assert_array_equal(with_one.coef_, model_with(None).fit(X, y).coef_)
    before = path.read_bytes()
    again = model_with(str(path), warm_start=True).fit(X, y)
    np.testing.assert_array_equal(again.coef_, with_one.coef_)
    assert again.optimum_.stopped == "held_out"
    assert path.read_bytes() == before


def test_a_larger_max_iter_goes_on(tmp_path):
    X, y = labelled()
    with pytest.warns(UserWarning, match="max_iter=2 passes"):
        model_with(tmp_path / "c", max_iter=2).fit(X, y)
    model = model_with(tmp_path / "c").fit(X, y)
    np.testing.assert_array_equal(model.coef_, model_with(None).fit(X, y).coef_)


@pytest.mark.parametrize(
    ("parameters", "what"),
    [
        ({"C": 2.0}, r"penalty \(C\)"),
        ({"candidates": 9}, "candidates"),
        ({"random_state": 1}, "random_state"),
        ({"fit_intercept": False}, "fit_intercept"),
        ({"standardize": True}, "(features|standardize)"),
        ({"sampler": ll.samplers.Uniform(40)}, "sampler"),
        ({"class_weight": {0: 2.0}}, "weights of rows or classes"),
    ],
)
def test_a_checkpoint_of_other_parameters_is_refused_and_stays(tmp_path, parameters, what):
    X, y = labelled()
    path = tmp_path / "c"
    with pytest.warns(UserWarning, match="max_iter=1 passes"):
        model_with(path, max_iter=1).fit(X, y)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"checkpoint: .*c is that of a fit with other {what}, expected one of"):
        model_with(path, **parameters).fit(X, y)
    assert path.read_bytes() == before


def test_a_checkpoint_of_other_data_is_refused_and_stays(tmp_path):
    X, y = labelled()
    path = tmp_path / "c"
    with pytest.warns(UserWarning, match="max_iter=1 passes"):
        model_with(path, max_iter=1).fit(X, y)
    before = path.read_bytes()
    changed = X.copy()
    changed[0, 0] += 1
    for features, labels, what in (
        (changed, y, "features"),
        (X.astype(np.float64), y, "features"),
        (X[:-1], y[:-1], "features"),
        (X[:, :5], y, "features"),
        (X, y + 1, "classes"),
        (X, y[::-1], "labels"),
    ):
        with pytest.raises(ValueError, match=f"is that of a fit with other {what}, expected"):
            model_with(path).fit(features, labels)
    assert path.read_bytes() == before


def test_files_of_other_kinds_are_refused_and_stay(tmp_path):
    X, y = labelled()
    path = tmp_path / "file"
    model_with(None).fit(X, y).save(path)
    head = path.read_bytes()
    model_with(tmp_path / "c").fit(X, y)
    whole = (tmp_path / "c").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (head, b"", b"notes", whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"checkpoint: .*file .*expected one of this fit, or no file") as raised:
            model_with(path).fit(X, y)
        assert str(raised.value).count(". ") == 0
        assert path.read_bytes() == content
    with pytest.raises(ll.UnreadableHead):
        ll.load(tmp_path / "c")


def test_a_full_disk_raises_one_sentence_and_keeps_the_old_file_and_the_best_head(tmp_path, monkeypatch):
    X, y = labelled()
    path, replace, calls = tmp_path / "c", os.replace, []

    def full(source, target):
        calls.append(target)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    model = model_with(path)
    with pytest.raises(UnwritableFile, match=r"c: cannot be written \(No space left on device\)"):
        model.fit(X, y)
    monkeypatch.undo()
    assert model.optimum_.stopped == "unwritable"
    assert model.score(X, y) > 0.3
    assert os.listdir(tmp_path) == ["c"]
    # The old one is whole: the fit goes on from it.
    np.testing.assert_array_equal(model_with(path).fit(X, y).coef_, model_with(None).fit(X, y).coef_)


def test_a_place_that_takes_no_file_is_refused_before_the_fit(tmp_path):
    X, y = labelled()
    with pytest.raises(UnwritableFile, match="cannot be written"):
        model_with(tmp_path / "none" / "c").fit(X, y)

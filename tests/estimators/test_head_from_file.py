"""What was saved comes back, from files of every schema, and what is damaged does not."""

import random
from pathlib import Path

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.decision import Argmax, Thresholds
from lastlayer.estimators import Training

OLD = Path(__file__).parent / "heads_of_schema_1"


@pytest.fixture
def head():
    X = np.random.default_rng(0).standard_normal((60, 3))
    return ll.SoftmaxClassifier().fit(X, np.array(["ant", "bee", "cow"])[X.argmax(axis=1)])


def test_a_head_of_schema_1_from_python():
    head = ll.load(OLD / "python.safetensors")
    assert head.get_params()["class_weight"] == {"cat": 2.0}
    assert head.header_["mine"][0] == 1
    assert head.training_ == Training()
    assert not hasattr(head, "feature_names_in_")
    np.testing.assert_allclose(head.beta_, 1.0025646, rtol=1e-6)


@pytest.mark.parametrize("name", ["columns", "list"])
def test_a_head_of_schema_1_from_the_command(name):
    head = ll.load(OLD / f"{name}.safetensors")
    assert (head.training_.rows, head.training_.held_out_rows, head.training_.label) == (54, 6, "kind")
    assert head.training_.log_loss_after == pytest.approx(0.1293982, rel=1e-6)
    assert head.training_.features == ("e" if name == "list" else None)
    names = getattr(head, "feature_names_in_", None)
    assert (None if names is None else names.tolist()) == (None if name == "list" else ["a", "b", "c"])
    assert head.verbose == 0
    assert head.header_ == {}
    assert head.predict(np.diag([9.0, 9.0, 9.0])).tolist() == ["cat", "dog", "cow"]


def test_a_head_of_schema_1_is_saved_in_the_newest(tmp_path):
    head = ll.load(OLD / "columns.safetensors")
    head.save(tmp_path / "head")
    again = ll.load(tmp_path / "head")
    assert again.feature_names_in_.tolist() == ["a", "b", "c"]
    assert again.training_ == head.training_


def test_heads_of_schema_2_have_the_rule_that_answers_as_they_did():
    softmax, sigmoid = (
        ll.load(OLD.with_name("heads_of_schema_2") / f"{name}.safetensors") for name in ("softmax", "sigmoid")
    )
    assert softmax.decision_ == Argmax()
    assert sigmoid.decision_ == Thresholds(0.5)
    X = np.array([[5.1, 3.5, 1.4, 0.2], [7.0, 3.2, 4.7, 1.4], [6.3, 3.3, 6.0, 2.5]], np.float32)
    assert softmax.predict(X).tolist() == ["a", "b", "c"]
    assert sigmoid.predict(X)[0].tolist() == [1, 0, 0]


def test_any_bit_flipped_is_refused(head, tmp_path):
    path = tmp_path / "head"
    head.save(path)
    whole = path.read_bytes()
    drawn = random.Random(0)
    for _ in range(2000):
        mutant = bytearray(whole)
        mutant[drawn.randrange(len(whole))] ^= 1 << drawn.randrange(8)
        path.write_bytes(mutant)
        with pytest.raises(ll.UnreadableHead):
            ll.load(path)


def test_names_of_very_different_length(tmp_path):
    names = np.array(["x" * 5000, *(f"class {k}" for k in range(500))], dtype=object)
    X = np.eye(501)
    head = ll.SoftmaxClassifier().fit(X, names)
    head.save(tmp_path / "head")
    loaded = ll.load(tmp_path / "head")
    assert loaded.classes_.dtype == object
    assert loaded.classes_.tolist() == sorted(names)
    assert loaded.predict(X).tolist() == head.predict(X).tolist()
    assert ll.evaluate(loaded.predict_proba(X), names, classes=loaded.classes_).rows == 501
    names[:2] = names[1], names[0]
    assert loaded.calibrate(X, names).beta_ == head.calibrate(X, names).beta_


def test_what_calibration_saw_is_remembered(head, tmp_path):
    X = np.random.default_rng(1).standard_normal((40, 3))
    y, weight = head.classes_[X.argmax(axis=1)], np.arange(1.0, 41.0)
    before = -np.log(head.predict_proba(X)[np.arange(40), X.argmax(axis=1)])
    head.calibrate(X, y, sample_weight=weight)
    after = -np.log(head.predict_proba(X)[np.arange(40), X.argmax(axis=1)])
    assert head.training_.held_out_rows == 40
    assert head.training_.log_loss_before == pytest.approx(np.average(before, weights=weight))
    assert head.training_.log_loss_after == pytest.approx(np.average(after, weights=weight))
    head.save(tmp_path / "head")
    assert ll.load(tmp_path / "head").training_ == head.training_

import tracemalloc

import numpy as np
import pytest

import lastlayer as ll
from lastlayer._memory import memory_allowance
from lastlayer.estimators.stored_features import is_stored


def problem(rows=400, columns=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, columns))
    return X, (X[:, :3] + rng.gumbel(size=(rows, 3))).argmax(axis=1)


def mapped(tmp_path, X, order="C", name="X"):
    array = np.memmap(tmp_path / name, X.dtype, "w+", shape=X.shape, order=order)
    array[:] = X
    return array


def test_which_arrays_are_kept_as_they_are_stored(tmp_path):
    for dtype in (np.float16, np.int8, np.uint64, np.bool_):
        X = np.memmap(tmp_path / "a", dtype, "w+", shape=(4, 2))
        assert is_stored(X)
        assert is_stored(X[1:])
        assert not is_stored(np.array(X))
        assert not is_stored(X[:, 0])
    for dtype in (np.float32, np.float64, ">f2", np.complex64):
        assert not is_stored(np.memmap(tmp_path / "a", dtype, "w+", shape=(4, 2)))


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    ("stored", "as_floats"), [(np.float16, np.float32), (np.int8, np.float64), (np.uint16, np.float64)]
)
def test_a_fit_of_stored_features_is_that_of_their_floats(stored, as_floats, order, standardize, tmp_path):
    X, y = problem()
    X = (X * 20 + 100 * (stored != np.float16)).clip(-100, 200).astype(stored)
    head = ll.SoftmaxClassifier(standardize=standardize, tol=1e-6)
    expected = ll.SoftmaxClassifier(**head.get_params()).fit(X.astype(as_floats), y)
    found = head.fit(mapped(tmp_path, X, order), y)
    assert found.coef_.dtype == as_floats
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=2e-5)
    assert found.optimum_.objective == pytest.approx(expected.optimum_.objective, rel=1e-5)


@pytest.mark.filterwarnings("ignore::lastlayer.estimators.PathEndWarning")
def test_a_fit_of_sampled_classes_and_of_many_labels(tmp_path):
    X, y = problem()
    X = X.astype(np.float16)
    for head, labels in (
        (ll.SoftmaxClassifier(candidates=1, tol=0.9), y),
        (ll.SigmoidClassifier(), np.eye(3, dtype=int)[y]),
        (ll.SoftmaxClassifierCV(Cs=[0.1, 1.0, 10.0], cv=2), y),
        (ll.SigmoidClassifierCV(Cs=[0.1, 1.0, 10.0], cv=2), np.eye(3, dtype=int)[y]),
    ):
        expected = type(head)(**head.get_params()).fit(X.astype(np.float32), labels)
        found = head.fit(mapped(tmp_path, X), labels)
        np.testing.assert_allclose(found.coef_, expected.coef_, atol=2e-4)


@pytest.mark.filterwarnings("ignore::lastlayer.estimators.PathEndWarning")
def test_validation_rows_that_are_stored(tmp_path):
    X, y = problem()
    X = X.astype(np.float16)
    stored, floats = mapped(tmp_path, X), X.astype(np.float32)
    for head, labels in (
        (ll.SoftmaxClassifierCV(Cs=[0.1, 10.0]), y),
        (ll.SigmoidClassifierCV(Cs=[0.1, 10.0]), np.eye(3, dtype=int)[y]),
    ):
        found = head.fit(stored[:300], labels[:300], validation=(stored[300:], labels[300:]))
        expected = type(head)(**head.get_params()).fit(
            floats[:300], labels[:300], validation=(floats[300:], labels[300:])
        )
        np.testing.assert_allclose(found.log_losses_, expected.log_losses_, rtol=1e-4)
        # In-memory rows beside stored ones, and the other way round.
        mixed = type(head)(**head.get_params()).fit(stored[:300], labels[:300], validation=(floats[300:], labels[300:]))
        np.testing.assert_allclose(mixed.log_losses_, expected.log_losses_, rtol=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_calibration_of_stored_features_and_within_little_memory(classes, tmp_path):
    X, y = problem(rows=600)
    X, answers, y = X.astype(np.float16), np.eye(3, dtype=int)[y], y % classes
    floats = X.astype(np.float32)
    head = ll.SoftmaxClassifier(C=1e3).fit(floats[:100], y[:100])
    weight = np.random.default_rng(0).integers(0, 3, 500)
    expected = head.calibrate(floats[100:], y[100:], weight).beta_
    training = head.training_
    head.calibrate(mapped(tmp_path, X[100:]), y[100:], weight)
    assert head.beta_ == pytest.approx(expected, rel=1e-5)
    assert head.training_.log_loss_after == pytest.approx(training.log_loss_after, rel=1e-5)
    with memory_allowance(1000):
        head.calibrate(floats[100:], y[100:], weight)
    assert head.beta_ == pytest.approx(expected, rel=1e-5)
    assert head.training_.log_loss_before == pytest.approx(training.log_loss_before, rel=1e-5)
    labels = ll.SigmoidClassifier().fit(floats[:100], answers[:100])
    of_floats = labels.calibrate(floats[100:], answers[100:]).beta_
    of_stored = labels.calibrate(mapped(tmp_path, X[100:]), answers[100:]).beta_
    np.testing.assert_allclose(of_stored, of_floats, rtol=1e-4)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_named(wrong, tmp_path, monkeypatch):
    monkeypatch.setattr("lastlayer.estimators.stored_features._CHECKED", 7)
    X, y = problem(rows=30)
    X[17, 4] = wrong
    with pytest.raises(ValueError, match=f"X: row 17 is {wrong} in column 4, expected finite numbers"):
        ll.SoftmaxClassifier().fit(mapped(tmp_path, X.astype(np.float16)), y)


def test_features_of_another_width_are_refused(tmp_path):
    X, y = problem(rows=60)
    head = ll.SoftmaxClassifier().fit(X, y)
    with pytest.raises(ValueError, match="X has 5 features, but SoftmaxClassifier is expecting 6"):
        head.calibrate(mapped(tmp_path, X[:, :5].astype(np.float16)), y)


def test_a_batch_of_partial_fit(tmp_path):
    X, y = problem()
    X = X.astype(np.float16)
    found = ll.SoftmaxClassifier().partial_fit(mapped(tmp_path, X), y, classes=[0, 1, 2])
    expected = ll.SoftmaxClassifier().partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(found.coef_, expected.coef_)


@pytest.mark.parametrize("stored", [np.float16, np.float32, np.uint8])
@pytest.mark.parametrize("standardize", [False, True])
def test_no_step_of_a_fit_copies_a_memmap(stored, standardize, tmp_path):
    rng = np.random.default_rng(0)
    rows, columns = 20_000, 400
    X = np.memmap(tmp_path / "X", stored, "w+", shape=(rows, columns))
    y = np.arange(rows) % 3
    for start in range(0, rows, 1000):
        block = rng.integers(0, 50, (1000, columns))
        block[:, 0] += 4 * y[start : start + 1000]
        X[start : start + 1000] = block
    head = ll.SoftmaxClassifier(C=1e-4, tol=1e-2, standardize=standardize)
    head.fit(X[:2000], y[:2000]).calibrate(X[:1000], y[:1000])  # whose kernels are compiled by now
    tracemalloc.start()
    try:
        head.fit(X, y)
        head.calibrate(X[:5000], y[:5000])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    as_floats = rows * columns * (8 if stored == np.uint8 else 4)
    assert peak < 0.6 * as_floats

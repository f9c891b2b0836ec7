"""partial_fit: full and sampled steps come near the fit on all rows; a sentence for bad input."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp

import lastlayer as ll
from lastlayer.samplers import AllClassesWarning, Uniform
from tests.estimators.test_sampled_fit import labelled, log_loss


@pytest.fixture(scope="module")
def data():
    X, y = labelled(10_000, classes=20)
    return X[:8000], y[:8000], X[8000:], y[8000:]


def learnt(X, y, size=1000, passes=3, **parameters):
    model = ll.SoftmaxClassifier(**parameters)
    for _ in range(passes):
        for start in range(0, len(y), size):
            model.partial_fit(X[start : start + size], y[start : start + size], classes=np.arange(20))
    return model


@pytest.mark.parametrize("candidates", [None, 8])
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_it_comes_near_the_fit_on_all_rows(data, candidates, shift):
    X, y, held_X, held_y = data
    X, held_X = X + np.float32(shift), held_X + np.float32(shift)
    exact = ll.SoftmaxClassifier().fit(X, y)
    model = learnt(X, y, candidates=candidates)
    assert log_loss(model, held_X, held_y) < (1.2 if candidates is None else 1.3) * log_loss(exact, held_X, held_y)
    assert model.coef_.dtype == np.float32
    assert model.optimum_.stopped == "partial_fit"
    assert model.optimum_.iterations == 3 * 8 * 8
    assert model.training_.rows == 3 * 8000


def test_the_objective_of_a_call_is_the_loss_of_its_rows_before_they_were_learnt(data):
    X, y, *_ = data
    model = ll.SoftmaxClassifier().partial_fit(X[:500], y[:500], classes=np.arange(20))
    before = log_loss(model, X[500:516], y[500:516])
    model.partial_fit(X[500:516], y[500:516])  # one step
    assert model.optimum_.objective == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("options", [{"fit_intercept": False}, {"standardize": True}, {"C": 1e-3}, {"C": np.inf}])
def test_options(data, options):
    X, y, held_X, held_y = data
    model, exact = learnt(X, y, **options), None
    assert log_loss(model, held_X, held_y) < 1.5
    assert bool(model.intercept_.any()) == options.get("fit_intercept", True)
    if options.get("C") == 1e-3:
        exact = ll.SoftmaxClassifier(C=1e-3).fit(X, y)
        free = learnt(X, y)
        assert np.linalg.norm(model.coef_) < 0.8 * np.linalg.norm(free.coef_)
        assert log_loss(model, held_X, held_y) == pytest.approx(log_loss(exact, held_X, held_y), rel=0.3)


def test_it_goes_on_from_a_fit_and_from_a_file(data, tmp_path):
    X, y, held_X, held_y = data
    model = ll.SoftmaxClassifier().fit(X[:4000], y[:4000])
    model.save(tmp_path / "head")
    before = log_loss(model, held_X, held_y)
    for head in (model, ll.load(tmp_path / "head")):
        head.partial_fit(X[4000:], y[4000:])
        assert log_loss(head, held_X, held_y) < 1.1 * before


def test_copies_learn_on_their_own(data):
    X, y, *_ = data
    model = ll.SoftmaxClassifier(candidates=5).partial_fit(X[:1000], y[:1000], classes=np.arange(20))
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        one = copied.partial_fit(X[1000:2000], y[1000:2000]).coef_.copy()
        assert (model.coef_ != one).any()
    np.testing.assert_array_equal(model.partial_fit(X[1000:2000], y[1000:2000]).coef_, one)


def test_two_classes_and_sparse_rows_and_names(data):
    X, y, *_ = data
    kept = y < 2
    names = np.array(["ant", "bee"])[y[kept]]
    dense = ll.SoftmaxClassifier().partial_fit(X[kept], names, classes=["bee", "ant"])
    sparse = ll.SoftmaxClassifier().partial_fit(sp.csr_array(X[kept]), names, classes=["ant", "bee"])
    assert dense.coef_.shape == (1, 8)
    assert dense.score(X[kept], names) > 0.9
    np.testing.assert_allclose(dense.coef_, sparse.coef_, rtol=1e-5)
    dense.partial_fit(X[kept], names)
    assert dense.score(X[kept], names) > 0.9


def test_trap_31_a_class_that_was_in_no_batch_is_kept(data):
    X, y, *_ = data
    kept = y != 7
    model = ll.SoftmaxClassifier().partial_fit(X[kept], y[kept], classes=np.arange(20))
    assert model.predict_proba(X).shape == (len(y), 20)
    assert model.predict_proba(X)[:, 7].mean() < 0.05


def test_trap_30_rows_of_weight_0_teach_nothing(data):
    X, y, *_ = data
    weight = np.where(np.arange(1000) < 600, 1.0, 0.0)
    one = ll.SoftmaxClassifier().partial_fit(X[:1000], y[:1000], np.arange(20), weight)
    other = ll.SoftmaxClassifier().partial_fit(X[:600], y[:600], np.arange(20))
    np.testing.assert_array_equal(one.coef_, other.coef_)
    before = one.coef_.copy()
    one.partial_fit(X[:1000], y[:1000], sample_weight=np.zeros(1000))
    np.testing.assert_array_equal(one.coef_, before)


def test_as_many_candidates_as_classes_are_the_full_softmax(data):
    X, y, *_ = data
    with pytest.warns(AllClassesWarning, match="candidates: received 20 for 20 classes"):
        model = ll.SoftmaxClassifier(candidates=20).partial_fit(X, y, classes=np.arange(20))
    full = ll.SoftmaxClassifier().partial_fit(X, y, classes=np.arange(20))
    np.testing.assert_array_equal(model.coef_, full.coef_)


def test_the_same_on_any_number_of_threads(data, monkeypatch):
    X, y, *_ = data
    heads = []
    for threads in ("1", "2"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        heads.append(learnt(X, y, passes=1, candidates=5, sampler=Uniform(20)).coef_)
    np.testing.assert_array_equal(*heads)


def test_bad_input(data):
    X, y, *_ = data
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        ll.SoftmaxClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="classes: received 1, expected at least two"):
        ll.SoftmaxClassifier().partial_fit(X, y, classes=[1])
    with pytest.raises(ValueError, match=r"y: row \d+ is \d+, expected one of the 3 classes"):
        ll.SoftmaxClassifier().partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="class_weight: received 'balanced', which needs all rows"):
        ll.SoftmaxClassifier(class_weight="balanced").partial_fit(X, y, classes=np.arange(20))
    model = ll.SoftmaxClassifier().partial_fit(X, y, classes=np.arange(20))
    with pytest.raises(ValueError, match="classes: received 3, but the head has 20"):
        model.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="X has 5 features"):
        model.partial_fit(X[:, :5], y)
    with pytest.raises(ValueError, match="candidates: received -1"):
        ll.SoftmaxClassifier(candidates=-1).partial_fit(X, y, classes=np.arange(20))

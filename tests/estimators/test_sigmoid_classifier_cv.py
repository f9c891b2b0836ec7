"""SigmoidClassifierCV: C by the log-loss of held-out rows, against fits one at a time."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import lastlayer as ll

CS = np.logspace(-4, 2, 7)
NAMES = np.array(["apple", "banana", "cherry", "date"])


@pytest.mark.filterwarnings("ignore::lastlayer.ConstantLabelWarning", "ignore::lastlayer.PathEndWarning")
@parametrize_with_checks([ll.SigmoidClassifierCV(Cs=[0.1, 1.0], cv=2)])
def test_keeps_every_convention(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fruit():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 20)) + 1
    scores = 0.6 * (X - 1) @ rng.standard_normal((20, 4)) - np.array([0, 1, 2, 3])
    return X, (scores + rng.logistic(size=scores.shape) > 0).astype(int)


def log_loss(model, X, Y, weight=None):
    p = model.predict_proba(X)
    return np.average(-np.where(Y, np.log(p), np.log1p(-p)).mean(axis=1), weights=weight)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, pytest.param(np.float32, marks=pytest.mark.thorough)])
@pytest.mark.parametrize(
    "settings", [{}, {"standardize": True}, {"class_weight": "balanced"}, {"fit_intercept": False}]
)
def test_the_log_losses_are_those_of_fits_to_the_optimum(fruit, form, settings):
    X, Y = fruit
    splits = [(np.arange(0, 250), np.arange(250, 400)), (np.arange(200, 500), np.arange(0, 200))]
    tol = 1e-5 if form is np.float32 else 1e-6
    model = ll.SigmoidClassifierCV(Cs=CS, cv=splits, tol=tol, **settings).fit(form(X), Y)
    expected = np.array(
        [
            [log_loss(ll.SigmoidClassifier(C=C, tol=1e-7, **settings).fit(X[a], Y[a]), X[b], Y[b]) for a, b in splits]
            for C in CS
        ]
    )
    near = model.path_.followed
    assert near[:, 0].sum() >= 3
    np.testing.assert_allclose(model.log_losses_[near], expected[near], rtol=4e-3)
    weights = [150, 200]
    assert CS[np.average(expected, axis=1, weights=weights).argmin()] == model.C_
    alone = ll.SigmoidClassifier(C=model.C_, tol=tol, **settings).fit(form(X), Y)
    np.testing.assert_allclose(model.coef_, alone.coef_, atol=2e-3)
    assert model.optimum_.stopped == "converged"


def test_weights_count_rows_where_they_are_held_out(fruit):
    X, Y = fruit
    weight = np.random.default_rng(1).integers(0, 3, 500).astype(float)
    splits = [(np.arange(0, 300), np.arange(300, 500))]
    model = ll.SigmoidClassifierCV(Cs=[0.01, 0.1, 1.0, 10.0], cv=splits, tol=1e-6).fit(X, Y, sample_weight=weight)
    head = ll.SigmoidClassifier(C=1.0, tol=1e-6).fit(X[:300], Y[:300], weight[:300])
    assert model.log_losses_[2, 0] == pytest.approx(log_loss(head, X[300:], Y[300:], weight[300:]), rel=1e-3)


@pytest.mark.parametrize("lists", [False, True])
def test_validation_rows_in_place_of_folds(fruit, lists):
    X, Y = fruit
    y = [NAMES[row.nonzero()].tolist() for row in Y] if lists else Y
    weight = np.r_[np.ones(150), np.zeros(50)]
    model = ll.SigmoidClassifierCV(Cs=CS, tol=1e-6).fit(X[:300], y[:300], validation=(X[300:], y[300:], weight))
    fits = [ll.SigmoidClassifier(C=C).fit(X[:300], y[:300]) for C in CS]
    expected = np.array([log_loss(fit, X[300:450], Y[300:450]) for fit in fits])
    assert CS[expected.argmin()] == model.C_
    assert model.log_losses_.shape == (7, 1)
    assert model.log_losses_.min() == pytest.approx(expected.min(), rel=1e-3)
    sparse = ll.SigmoidClassifierCV(Cs=CS, tol=1e-6).fit(
        X[:300], y[:300], validation=(sp.csr_array(X[300:]), y[300:], weight)
    )
    np.testing.assert_allclose(sparse.log_losses_, model.log_losses_, rtol=1e-6)


def test_one_of_two_labels_groups_and_the_other_rule(fruit):
    X, Y = fruit
    y, groups = NAMES[Y[:, 0]], np.arange(500) // 5
    model = ll.SigmoidClassifierCV(Cs=CS, cv=3).fit(X, y, groups=groups)
    stronger = ll.SigmoidClassifierCV(Cs=CS, cv=3, rule="one_standard_error").fit(X, y, groups=groups)
    assert stronger.C_ <= model.C_
    assert model.predict(X).tolist() == ll.SigmoidClassifier(C=model.C_).fit(X, y).predict(X).tolist()


def test_a_label_that_a_fold_does_not_learn_is_judged_all_the_same(fruit):
    X, Y = fruit
    Y = np.column_stack([Y, np.arange(500) == 7])
    model = ll.SigmoidClassifierCV(Cs=CS, cv=3).fit(X, Y)
    assert np.isfinite(model.log_losses_).all()
    assert not model.constant_.any()


def test_saved_it_is_a_classifier_with_the_chosen_c(fruit, tmp_path):
    X, Y = fruit
    model = ll.SigmoidClassifierCV(Cs=CS, cv=3, random_state=2).fit(X, Y).calibrate(X, Y)
    model.save(tmp_path / "head")
    loaded = ll.load(tmp_path / "head")
    assert type(loaded) is ll.SigmoidClassifier
    assert loaded.C == model.C_
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert pickle.loads(pickle.dumps(model)).C_ == model.C_
    assert clone(model).get_params()["random_state"] == 2
    assert "*" in model.path_chart()


def test_the_end_of_the_path_is_said(fruit):
    X, Y = fruit
    with pytest.warns(ll.PathEndWarning, match="the largest of the path"):
        ll.SigmoidClassifierCV(Cs=[1e-4, 1e-3, 1e-2], cv=3).fit(X, Y)


def test_the_same_bits_on_any_number_of_threads(fruit, monkeypatch):
    X, Y = fruit
    Y = np.tile(Y, (1, 10))
    losses = []
    for threads in ("1", "3"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        losses.append(ll.SigmoidClassifierCV(Cs=CS, cv=2).fit(X, Y).log_losses_)
    np.testing.assert_array_equal(*losses)


def test_what_does_not_fit(fruit):
    X, Y = fruit
    with pytest.raises(ValueError, match="Y: has 3 columns, expected 4"):
        ll.SigmoidClassifierCV(Cs=CS).fit(X, Y, validation=(X, Y[:, :3]))
    with pytest.raises(ValueError, match="groups: stand beside validation rows"):
        ll.SigmoidClassifierCV(Cs=CS).fit(X, Y, groups=np.arange(500), validation=(X, Y))
    with pytest.raises(TypeError, match="validation: has 4 parts"):
        ll.SigmoidClassifierCV(Cs=CS).fit(X, Y, validation=(X, Y, None, None))

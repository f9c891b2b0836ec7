"""SoftmaxClassifierCV: a SoftmaxClassifier with the C of the least held-out log-loss, and bad input in one sentence."""

import inspect
import os
import signal
import warnings

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GroupKFold, StratifiedKFold
from threadpoolctl import threadpool_limits

import lastlayer as ll
from lastlayer.estimators import CPath, SoftmaxClassifier
from lastlayer.solvers import Curvature
from tests.oracles import softmax_regression as oracle


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


@pytest.fixture(scope="module")
def fitted(digits):
    X, y = digits
    return ll.SoftmaxClassifierCV(cv=3).fit(X, np.array(list("abcdefghij"))[y])


def test_what_a_fit_sets(digits, fitted):
    X, y = digits
    assert isinstance(fitted, ll.SoftmaxClassifier)
    np.testing.assert_allclose(fitted.Cs_, np.logspace(-4, 4, 19))
    assert fitted.log_losses_.shape == (19, 3)
    assert isinstance(fitted.path_, CPath)
    assert fitted.Cs_[fitted.path_.mean_log_losses.argmin()] == fitted.C_
    assert fitted.training_.rows == 600
    assert fitted.predict(X[:3]).tolist() == ["a", "b", "c"]
    assert fitted.predict_top_k(X[:2], 3).labels.shape == (2, 3)
    alone = ll.SoftmaxClassifier(C=fitted.C_, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), alone.predict_proba(X), atol=0.02)
    assert fitted.optimum_.stopped == "converged"
    assert fitted.optimum_.objective <= alone.optimum_.objective * (1 + 1e-2)


def test_the_head_of_all_rows_is_the_optimum_for_c(digits):
    X, y = digits
    model = ll.SoftmaxClassifierCV(Cs=[0.01, 0.1, 1000.0], cv=3, tol=1e-8).fit(X, y)
    assert model.C_ == 0.1
    alone = ll.SoftmaxClassifier(C=0.1, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(model.coef_, alone.coef_, atol=1e-5)
    ones = np.ones(len(y))
    of_model, of_alone = (oracle.objective(X, y, ones, m.coef_, m.intercept_, 0.1) for m in (model, alone))
    assert of_model == pytest.approx(of_alone, rel=1e-7)


def test_the_same_choice_as_logistic_regression_cv():
    X, y = load_iris(return_X_y=True)
    X = X / X.std(axis=0)
    cv, Cs = list(StratifiedKFold(3).split(X, y)), [0.1, 10.0, 1e3]
    # The threads of a BLAS wait for each other for longer than such small products take.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # of attributes that are to change
        theirs = LogisticRegressionCV(Cs=Cs, cv=cv, scoring="neg_log_loss", max_iter=2000, tol=1e-6).fit(X, y)
    ours = ll.SoftmaxClassifierCV(Cs=Cs, cv=cv, tol=1e-7).fit(X, y)
    scores = theirs.scores_[next(iter(theirs.scores_))] if isinstance(theirs.scores_, dict) else theirs.scores_
    # The last is far above the least, and not followed.
    np.testing.assert_allclose(ours.log_losses_[:2].T, -np.reshape(scores, (3, 3))[:, :2], rtol=2e-3)
    assert ours.path_.followed[:2].all()
    assert np.ravel(theirs.C_)[0] == ours.C_


def test_one_decomposition_serves_the_path_and_the_head(digits, monkeypatch):
    calls, original = [], Curvature.of_sample.__func__
    monkeypatch.setattr(Curvature, "of_sample", classmethod(lambda *a, **k: (calls.append(1), original(*a, **k))[1]))
    ll.SoftmaxClassifierCV(cv=4).fit(*digits)
    assert calls == [1]


def test_validation_rows_take_the_place_of_folds(digits):
    X, y = digits
    model = ll.SoftmaxClassifierCV(Cs=[1e-4, 1e-2, 1e4], tol=1e-9)
    model.fit(X[:400], y[:400], validation=(X[400:], y[400:]))
    assert model.log_losses_.shape == (3, 1)
    assert model.training_.rows == 400
    for loss, C in zip(model.log_losses_[:2, 0], model.Cs_, strict=False):
        alone = ll.SoftmaxClassifier(C=C, tol=1e-9).fit(X[:400], y[:400])
        assert loss == pytest.approx(ll.evaluate(alone.predict_proba(X[400:]), y[400:]).log_loss, rel=1e-4)


def test_weights_of_validation_rows_are_repetitions(digits):
    X, y = digits
    weight = np.arange(200) % 3
    train = X[:400], y[:400]
    weighted = ll.SoftmaxClassifierCV(Cs=4).fit(*train, validation=(X[400:], y[400:], weight))
    repeated = ll.SoftmaxClassifierCV(Cs=4).fit(
        *train, validation=(np.repeat(X[400:], weight, 0), np.repeat(y[400:], weight))
    )
    np.testing.assert_allclose(weighted.log_losses_, repeated.log_losses_, rtol=1e-10)
    np.testing.assert_array_equal(weighted.coef_, repeated.coef_)


def test_validation_rows_may_be_sparse_or_of_another_dtype(digits):
    X, y = digits
    settings = {"Cs": [1e-4, 1e-2, 1e2], "tol": 1e-8}
    expected = ll.SoftmaxClassifierCV(**settings).fit(X[:400], y[:400], validation=(X[400:], y[400:])).log_losses_
    for fit, held in ((np.asarray, sp.csr_array), (sp.csr_array, np.asarray), (np.asarray, np.float32)):
        model = ll.SoftmaxClassifierCV(**settings).fit(fit(X[:400]), y[:400], validation=(held(X[400:]), y[400:]))
        np.testing.assert_allclose(model.log_losses_[:2], expected[:2], rtol=1e-3)


def test_trap_30_rows_of_weight_0_are_as_good_as_absent(digits):
    X, y = digits
    weight = np.ones(600)
    weight[::7] = 0
    kept = weight > 0
    cv = StratifiedKFold(3)
    with_zeros = ll.SoftmaxClassifierCV(cv=[(a, b) for a, b in _within(kept, cv, X, y)]).fit(X, y, weight)
    without = ll.SoftmaxClassifierCV(cv=cv).fit(X[kept], y[kept])
    np.testing.assert_allclose(with_zeros.log_losses_, without.log_losses_, rtol=1e-6)
    assert with_zeros.C_ == without.C_


def _within(kept, cv, X, y):
    rows = np.flatnonzero(kept)
    others = np.flatnonzero(~kept)
    return [(np.concatenate([rows[a], others]), rows[b]) for a, b in cv.split(X[kept], y[kept])]


def test_groups_reach_a_splitter_and_the_folds_of_a_number(digits):
    X, y = digits
    groups = np.arange(600) // 20
    for cv in (GroupKFold(3), 3):
        model = ll.SoftmaxClassifierCV(Cs=3, cv=cv).fit(X, y, groups=groups)
        assert model.log_losses_.shape == (5, 3)


def test_one_standard_error_is_the_stronger_penalty(digits):
    X, y = digits
    least = ll.SoftmaxClassifierCV(Cs=20, cv=3).fit(X, y)
    simple = ll.SoftmaxClassifierCV(Cs=20, cv=3, rule="one_standard_error").fit(X, y)
    np.testing.assert_array_equal(simple.log_losses_, least.log_losses_)
    assert simple.C_ < least.C_
    means, errors = simple.path_.mean_log_losses, simple.path_.standard_errors
    assert means[simple.path_.chosen] <= means.min() + errors[means.argmin()]


def test_the_same_fit_each_time_and_other_folds_by_random_state(digits):
    first, again, other = (ll.SoftmaxClassifierCV(Cs=3, cv=3, random_state=s).fit(*digits) for s in (None, 0, 1))
    np.testing.assert_array_equal(first.log_losses_, again.log_losses_)
    np.testing.assert_array_equal(first.coef_, again.coef_)
    assert (first.log_losses_ != other.log_losses_).any()


def test_a_class_of_one_row_is_in_every_training_part(digits):
    X, y = digits
    y = y.astype(int)
    y[0] = 99
    model = ll.SoftmaxClassifierCV(Cs=3, cv=5).fit(X, y)
    assert model.path_.held_out_weight.sum() == 599
    assert 99 in model.classes_


def test_saved_it_is_a_softmax_classifier_with_its_c(digits, fitted, tmp_path):
    X, y = digits
    model = ll.SoftmaxClassifierCV(Cs=4, cv=3, standardize=True, class_weight="balanced").fit(X, y)
    model.beta_ = 1.25
    model.save(tmp_path / "head", {"mine": 1})
    loaded = ll.load(tmp_path / "head")
    assert type(loaded) is SoftmaxClassifier
    assert (loaded.C, loaded.standardize, loaded.class_weight) == (model.C_, True, "balanced")
    assert (loaded.beta_, loaded.header_, loaded.training_) == (model.beta_, {"mine": 1}, model.training_)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    loaded.set_params(tol=1e-3).fit(X, y)  # it can be fitted anew


def test_a_data_frame_keeps_its_names_and_must_be_the_same_in_validation(digits):
    X, y = digits
    frame = pl.DataFrame(X[:, 20:24], schema=list("abcd"))
    labels = pl.Series("digit", y)
    model = ll.SoftmaxClassifierCV(Cs=3).fit(frame[:400], labels[:400], validation=(frame[400:], labels[400:]))
    assert model.feature_names_in_.tolist() == list("abcd")
    assert model.training_.label == "digit"
    with pytest.raises(ValueError, match="feature names"):
        ll.SoftmaxClassifierCV(Cs=3).fit(frame, y, validation=(frame.select("b", "a", "c", "d"), y))


def test_parameters_that_both_have_mean_the_same_and_have_the_same_defaults():
    ours, theirs = (inspect.signature(c.__init__).parameters for c in (ll.SoftmaxClassifierCV, ll.SoftmaxClassifier))
    shared = ours.keys() & theirs.keys()
    assert set(ours) - shared == {"Cs", "cv", "rule"}
    assert all(ours[name].default == theirs[name].default for name in shared)


def test_the_chart(fitted):
    lines = fitted.path_chart(40).splitlines()
    assert len(lines) == 20
    assert max(map(len, lines)) <= 40
    with pytest.raises(NotFittedError):
        ll.SoftmaxClassifierCV().path_chart()


def test_there_is_no_partial_fit():
    assert not hasattr(ll.SoftmaxClassifierCV(), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit: SoftmaxClassifierCV has none"):
        _ = ll.SoftmaxClassifierCV().partial_fit


def test_the_best_at_an_end_is_told_to_whoever_called_fit(digits):
    with pytest.warns(ll.PathEndWarning, match="C=0.001, the largest of the path") as caught:
        ll.SoftmaxClassifierCV(Cs=[1e-5, 1e-4, 1e-3], cv=3).fit(*digits)
    assert caught[0].filename == __file__


def test_verbose_shows_the_path_and_then_the_fit(digits, capsys, monkeypatch):
    monkeypatch.setattr("lastlayer._progress_line._PAUSE", 0.0)
    ll.SoftmaxClassifierCV(Cs=[0.01, 0.1, 1e4], cv=2, verbose=1).fit(*digits)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("fold 1 of 2  C 0.01  held-out log-loss 0.")
    assert lines[5].startswith("fold 2 of 2  C 1e+04  held-out log-loss")
    assert lines[-1].endswith("converged")


def test_ctrl_c_in_the_path_is_raised(digits, monkeypatch):
    judged = []

    def judge(self, weight, intercept):
        judged.append(1)
        if len(judged) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, weight, intercept)

    from lastlayer.estimators.softmax_path import HeldOut

    original = HeldOut.judge
    monkeypatch.setattr(HeldOut, "judge", judge)
    model = ll.SoftmaxClassifierCV()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*digits)
    with pytest.raises(NotFittedError):
        model.predict(digits[0])


@pytest.mark.parametrize(
    ("validation", "error", "message"),
    [
        (3, TypeError, "validation: is no pair"),
        (([[0.0, 1.0]],), TypeError, "validation: is no pair"),
        (([[0.0, 1.0]], [0], [1.0], [1.0]), TypeError, "validation: has 4 parts"),
        (([[0.0, 1.0]], [0, 1]), ValueError, "validation: y is of shape (2,), expected (1,)"),
        (([[0.0, 1.0], [1.0, 0.0]], [0, 7]), ValueError, "validation: row 1 is 7, expected one of the 2 classes of y"),
        (([[0.0, 1.0]], ["a"]), ValueError, "validation: row 0 is 'a', expected one of the 2 classes of y"),
        (([[0.0]], [0]), ValueError, "X has 1 features"),
        (([[0.0, 1.0]], [0], [0.0]), ValueError, "sample_weight: every weight is zero"),
    ],
)
def test_validation_rows_that_are_refused(validation, error, message):
    X, y = np.arange(12.0).reshape(6, 2), np.array([0, 1] * 3)
    with pytest.raises(error) as refusal:
        ll.SoftmaxClassifierCV().fit(X, y, validation=validation)
    assert str(refusal.value).startswith(message)


def test_groups_and_validation_rows_are_one_too_many(digits):
    X, y = digits
    with pytest.raises(ValueError, match="groups: stand beside validation rows"):
        ll.SoftmaxClassifierCV().fit(X, y, groups=y, validation=(X, y))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"Cs": 0}, "Cs: received 0"), ({"rule": "best"}, "rule: received 'best'"), ({"cv": 1}, "cv: received 1"),
     ({"tol": 0}, "tol: received 0"), ({"max_iter": 0}, "max_iter: received 0"), ({"cv": 500}, "cv: received 500")],
)  # fmt: skip
def test_parameters_that_are_refused(parameters, message):
    X, y = np.arange(12.0).reshape(6, 2), np.array([0, 1] * 3)
    with pytest.raises(ValueError, match=message):
        ll.SoftmaxClassifierCV(**parameters).fit(X, y)

"""SigmoidClassifier: the optimum of OneVsRestClassifier(LogisticRegression()), and what surrounds it."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import lastlayer as ll
from lastlayer.storage import UnreadableHead

NAMES = np.array(["apple", "banana", "cherry", "date"])


@parametrize_with_checks([ll.SigmoidClassifier(), ll.SigmoidClassifier(standardize=True)])
def test_keeps_every_convention(estimator, check):
    with warnings.catch_warnings():
        # Some checks fit rows of one class.
        warnings.simplefilter("ignore", ll.ConstantLabelWarning)
        check(estimator)


@pytest.fixture(scope="module")
def fruit():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 6)) + 1
    scores = (X - 1) @ rng.standard_normal((6, 4)) - np.array([0, 1, 2, 3])
    return X, (scores + rng.logistic(size=scores.shape) > 0).astype(int)


def as_lists(Y):
    return [NAMES[row.nonzero()].tolist() for row in Y]


@pytest.mark.parametrize("settings", [{}, {"C": 0.1}, {"fit_intercept": False}, {"class_weight": "balanced"}])
def test_the_argmin_of_one_versus_the_rest(fruit, settings):
    X, Y = fruit
    ours = ll.SigmoidClassifier(tol=1e-8, **settings).fit(X, Y)
    theirs = OneVsRestClassifier(LogisticRegression(tol=1e-10, max_iter=10_000, **settings)).fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(ours.coef_, np.concatenate([one.coef_ for one in theirs.estimators_]), atol=1e-4)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_standardize_is_a_pipeline_with_a_scaler(fruit):
    X, Y = fruit
    X = X * np.geomspace(0.01, 100, 6)
    ours = ll.SigmoidClassifier(standardize=True, tol=1e-7).fit(X, Y)
    theirs = make_pipeline(StandardScaler(), ll.SigmoidClassifier(tol=1e-7)).fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, as_lists], ids=["indicator", "csr", "lists"])
@pytest.mark.parametrize("features", [np.asarray, np.float32, sp.csr_array, np.asfortranarray])
def test_every_form_of_labels_and_features(fruit, form, features):
    X, Y = fruit
    model = ll.SigmoidClassifier().fit(features(X), form(Y))
    np.testing.assert_allclose(model.coef_, ll.SigmoidClassifier().fit(X, Y).coef_, atol=2e-3)
    assert model.classes_.tolist() == (NAMES.tolist() if form is as_lists else [0, 1, 2, 3])
    answers = model.predict(features(X))
    assert (answers.shape, answers.dtype) == (Y.shape, np.int64)
    assert model.score(features(X), form(Y)) == (answers == Y).all(axis=1).mean()
    np.testing.assert_array_equal(answers, model.predict_proba(features(X)) > 0.5)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(features(X))), model.predict_proba(features(X)), 1e-5)
    np.testing.assert_array_equal(answers, model.decision_function(features(X)) > 0)


def test_the_most_probable_labels(fruit):
    X, Y = fruit
    model = ll.SigmoidClassifier().fit(X, as_lists(Y)).calibrate(X, as_lists(Y))
    found, probabilities = model.predict_top_k(X, 2), model.predict_proba(X)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    np.testing.assert_array_equal(found.labels, model.classes_[order])
    np.testing.assert_allclose(found.probabilities, np.take_along_axis(probabilities, order, 1))


def test_one_of_two_labels_is_logistic_regression(fruit):
    X, Y = fruit
    y = NAMES[Y[:, 0]]
    ours, theirs = ll.SigmoidClassifier(tol=1e-8).fit(X, y), LogisticRegression(tol=1e-10).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.decision_function(X).shape == (len(X),)
    assert ours.predict_top_k(X, 1).labels[:, 0].tolist() == ours.predict(X).tolist()
    weighted = ll.SigmoidClassifier(tol=1e-8, class_weight={"apple": 3.0}).fit(X, y)
    same = LogisticRegression(tol=1e-10, class_weight={"apple": 3.0}).fit(X, y)
    np.testing.assert_allclose(weighted.coef_, same.coef_, atol=1e-4)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
def test_float32_features_reach_a_tol_that_float32_would_hide(fruit, sparse, standardize):
    X, Y = fruit[0].astype(np.float32), fruit[1]
    X = sp.csr_array(X) if sparse else X
    settings = {"C": 100.0, "tol": 1e-10, "standardize": standardize}
    exact = ll.SigmoidClassifier(**settings).fit(X.astype(np.float64), Y)
    model = ll.SigmoidClassifier(**settings).fit(X, Y)
    assert (model.coef_.dtype, model.intercept_.dtype, model.optimum_.stopped) == (np.float32, np.float32, "converged")
    np.testing.assert_allclose(model.coef_, exact.coef_, rtol=1e-6)
    assert model.optimum_.gap < 1e-7 * model.optimum_.objective


def test_class_weight_counts_the_rows_that_have_a_label(fruit):
    X, Y = fruit
    model = ll.SigmoidClassifier(tol=1e-8, class_weight={"banana": 2.0}).fit(X, as_lists(Y))
    alone = LogisticRegression(tol=1e-10).fit(X, Y[:, 1], sample_weight=1 + Y[:, 1])
    np.testing.assert_allclose(model.coef_[1], alone.coef_[0], atol=1e-4)
    with pytest.raises(ValueError, match="class_weight: 'fig' is no class of y"):
        ll.SigmoidClassifier(class_weight={"fig": 2.0}).fit(X, as_lists(Y))


def test_a_constant_label_is_flagged_and_finite(fruit):
    X, Y = fruit
    Y = np.column_stack([Y, np.zeros(len(Y), int), np.ones(len(Y), int)])
    with pytest.warns(ll.ConstantLabelWarning, match="2 of 6 labels, such as 4, cannot be learnt, since no row of"):
        model = ll.SigmoidClassifier().fit(X, Y)
    assert model.constant_.tolist() == [False] * 4 + [True] * 2
    probabilities = model.predict_proba(X)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities[:, 4:], [[0.5 / 501, 500.5 / 501]] * 500, rtol=1e-2)


@pytest.mark.parametrize(
    ("fit_intercept", "what"), [(True, "a probability that is the same for all features"), (False, "weights that mean")]
)
def test_what_is_said_of_one_constant_label_is_true(fruit, fit_intercept, what):
    X, Y = fruit
    with pytest.warns(ll.ConstantLabelWarning, match=f"fit: label 4 cannot be learnt, .* it gets {what}"):
        model = ll.SigmoidClassifier(fit_intercept=fit_intercept).fit(X, np.column_stack([Y, np.zeros(len(Y), int)]))
    assert (np.ptp(model.predict_proba(X)[:, 4]) == 0) == fit_intercept


def test_the_certificate_of_each_label_and_of_all(fruit):
    X, Y = fruit
    model = ll.SigmoidClassifier().fit(X, Y)
    assert len(model.optima_) == 4
    assert model.optimum_.objective == pytest.approx(sum(one.objective for one in model.optima_))
    assert model.optimum_.gap == pytest.approx(sum(one.gap for one in model.optima_))
    assert model.optimum_.gap <= 1e-4 * model.optimum_.objective
    assert model.optimum_.stopped == "converged"
    assert model.n_iter_.tolist() == [max(one.iterations for one in model.optima_)]


def test_limits_are_said(fruit):
    X, Y = fruit
    with pytest.warns(ConvergenceWarning, match="4 of 4 labels, the first 0: max_iter=1 was reached before tol=1e-09"):
        ll.SigmoidClassifier(max_iter=1, tol=1e-9).fit(X, Y)
    Y = np.column_stack([Y, X[:, 0] > 1])
    with pytest.warns(ConvergenceWarning, match="1 of 5 labels, the first 4: C=inf, and a head can separate its rows"):
        ll.SigmoidClassifier(C=np.inf).fit(X, Y)


def test_calibration_lowers_the_log_loss_and_is_saved(fruit, tmp_path):
    X, Y = fruit
    model = ll.SigmoidClassifier(C=1e-3).fit(X[:250], as_lists(Y[:250]))
    assert (model.beta_ == 1).all()
    assert not model.bias_.any()
    model.calibrate(X[250:], as_lists(Y[250:]))
    assert model.training_.log_loss_after < model.training_.log_loss_before
    p = model.predict_proba(X[250:])
    losses = -np.where(Y[250:], np.log(p), np.log1p(-p))
    assert model.training_.log_loss_after == pytest.approx(losses.mean())
    with pytest.raises(ValueError, match="Y: row 0 has 'fig', expected labels among the 4 of the fit"):
        model.calibrate(X[:1], [["fig"]])


@pytest.mark.parametrize("form", [as_lists, np.asarray, lambda Y: NAMES[Y[:, 0]]])
def test_saved_loaded_pickled_and_cloned(fruit, form, tmp_path):
    X, Y = fruit
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = ll.SigmoidClassifier(C=3.0, random_state=1).fit(frame, form(Y)).calibrate(frame, form(Y))
    model.save(tmp_path / "head", header={"note": "fruit"})
    loaded = ll.load(tmp_path / "head")
    assert isinstance(loaded, ll.SigmoidClassifier)
    for other in (loaded, pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(frame), model.predict_proba(frame))
        np.testing.assert_array_equal(other.predict(frame), model.predict(frame))
    assert loaded.get_params() == model.get_params() == clone(model).get_params()
    assert loaded.optima_ == model.optima_
    assert loaded.optimum_ == model.optimum_
    assert loaded.training_ == model.training_
    assert loaded.header_ == {"note": "fruit"}
    assert loaded.classes_.tolist() == model.classes_.tolist()
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").stat().st_size > 0


def test_a_damaged_file_is_refused(fruit, tmp_path):
    X, Y = fruit
    model = ll.SigmoidClassifier().fit(X, Y)
    for name, value in (
        ("beta_", np.ones(3)),
        ("bias_", np.ones((4, 1))),
        ("constant_", np.zeros(4)),
        ("beta_", np.zeros(4)),
        ("optima_", model.optima_[:2]),
        ("classes_", np.arange(7)),
    ):
        broken = clone(model)
        vars(broken).update({**vars(model), name: value})
        broken.save(tmp_path / "head")
        with pytest.raises(UnreadableHead, match="damaged"):
            ll.load(tmp_path / "head")


def test_warm_start_goes_on_from_the_last_head(fruit):
    X, Y = fruit
    model = ll.SigmoidClassifier(warm_start=True, tol=1e-6).fit(X, Y)
    first = model.n_iter_[0]
    assert model.fit(X, Y).n_iter_[0] < first
    assert model.fit(X, Y[:, :3]).coef_.shape == (3, 6)


def test_an_interrupt_warns_and_keeps_a_head(fruit, monkeypatch):
    X, Y = fruit
    from lastlayer.solvers import label_block

    def interrupted(self, direction):
        raise KeyboardInterrupt

    monkeypatch.setattr(label_block.LabelBlock, "advance", interrupted)
    with pytest.warns(ll.FitInterrupted, match="interrupted at the best heads so far, 4 of 4 labels short"):
        model = ll.SigmoidClassifier().fit(X, Y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_the_progress_line(fruit, capsys):
    X, Y = fruit
    ll.SigmoidClassifier(verbose=1).fit(X, Y)
    assert capsys.readouterr().err.endswith("4 of 4 labels\n")


def test_parameters_and_features_are_refused_as_in_other_heads(fruit):
    X, Y = fruit
    with pytest.raises(ValueError, match="C: received 0, expected a number greater than 0, or inf"):
        ll.SigmoidClassifier(C=0).fit(X, Y)
    with pytest.raises(ValueError, match="sample_weight: every weight is zero"):
        ll.SigmoidClassifier().fit(X, Y, sample_weight=np.zeros(len(X)))
    with pytest.raises(ValueError, match="X has 5 features, but SigmoidClassifier is expecting 6"):
        ll.SigmoidClassifier().fit(X, Y).predict(X[:, :5])


def test_a_head_of_constant_labels_alone_is_calibrated_and_saved(fruit, tmp_path):
    X, _ = fruit
    with pytest.warns(ll.ConstantLabelWarning):
        model = ll.SigmoidClassifier().fit(X, [["joy"]] * len(X))
    model.calibrate(X, [["joy"]] * len(X)).save(tmp_path / "head")
    assert np.isfinite(ll.load(tmp_path / "head").predict_proba(X)).all()


def test_a_start_that_is_no_number_is_none(fruit):
    X, Y = fruit
    model = ll.SigmoidClassifier(warm_start=True).fit(X, Y)
    expected = model.coef_.copy()
    model.coef_[:] = np.nan
    np.testing.assert_allclose(model.fit(X, Y).coef_, expected, atol=1e-6)

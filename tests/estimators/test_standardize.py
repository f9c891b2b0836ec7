"""SoftmaxClassifier(standardize=True): the optimum of a pipeline with StandardScaler, in a head for raw features."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lastlayer as ll
from lastlayer.solvers import kept_rows
from tests.oracles import softmax_regression as oracle

KINDS = {"dense": np.asarray, "fortran": np.asfortranarray, "csr": sp.csr_array}


@pytest.fixture(scope="module", params=["wine", "breast_cancer"])
def badly_scaled(request):
    """Three classes or two, a constant column, and units that are up to six orders of magnitude apart."""
    X, y = {"wine": load_wine, "breast_cancer": load_breast_cancer}[request.param](return_X_y=True)
    return np.hstack([X, np.full((len(y), 1), 8.0)]), y


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_argmin_of_a_pipeline_with_logistic_regression(badly_scaled, fit_intercept, weighted):
    X, y = badly_scaled
    weight = np.random.default_rng(0).uniform(0, 2, len(y)) if weighted else None
    settings = {"C": 0.5, "fit_intercept": fit_intercept, "class_weight": "balanced"}
    scaler = StandardScaler(with_mean=fit_intercept).fit(X, sample_weight=weight)
    theirs = LogisticRegression(tol=1e-10, max_iter=10_000, **settings)
    theirs.fit(scaler.transform(X), y, sample_weight=weight)
    expected = ll.SoftmaxClassifier(tol=1e-8, **settings).fit(scaler.transform(X), y, sample_weight=weight).optimum_
    for form in KINDS.values():
        ours = ll.SoftmaxClassifier(standardize=True, tol=1e-11, **settings).fit(form(X), y, sample_weight=weight)
        np.testing.assert_allclose(ours.coef_ * scaler.scale_, theirs.coef_, atol=1e-4)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(scaler.transform(X)), atol=3e-5)
        assert ours.intercept_.any() == fit_intercept
        assert ours.optimum_.objective == pytest.approx(expected.objective, rel=1e-7)
        assert ours.optimum_.gap < 1e-6


def test_the_optimum_of_the_oracle_on_scaled_features():
    X, y = load_wine(return_X_y=True)
    weight = np.random.default_rng(1).random(len(y))
    model = ll.SoftmaxClassifier(C=2.0, standardize=True, tol=1e-9).fit(X, y, sample_weight=weight)
    scaled = StandardScaler().fit(X, sample_weight=weight).transform(X)
    expected, intercept = oracle.optimum(scaled, y, weight, 3, 2.0)
    np.testing.assert_allclose(model.predict_log_proba(X), ll.log_softmax(scaled @ expected.T + intercept), atol=2e-4)
    least = oracle.objective(scaled, y, weight, expected, intercept, 2.0)
    assert least * (1 - 1e-12) <= model.optimum_.objective <= least * (1 + 1e-9)


def test_float32_features_give_a_float32_head_of_the_same_probabilities(badly_scaled):
    raw, y = badly_scaled
    theirs = make_pipeline(StandardScaler(with_mean=False), LogisticRegression(tol=1e-7, max_iter=10_000)).fit(raw, y)
    for form in KINDS.values():
        X = form(raw.astype(np.float32))
        model = ll.SoftmaxClassifier(standardize=True, tol=1e-5).fit(X, y)
        assert model.coef_.dtype == np.float32
        np.testing.assert_allclose(model.predict_proba(X), theirs.predict_proba(raw), atol=2e-3)


@pytest.mark.parametrize("factor", [1e-150, 1e-6, 1e6, 1e155])
def test_no_unit_changes_the_fit(badly_scaled, factor):
    X, y = badly_scaled
    other = X.copy()
    other[:, 3] *= factor
    model = ll.SoftmaxClassifier(standardize=True, tol=1e-8).fit(X, y)
    for features in (other, sp.csr_array(other)):
        found = ll.SoftmaxClassifier(standardize=True, tol=1e-8).fit(features, y)
        np.testing.assert_allclose(found.predict_proba(features), model.predict_proba(X), atol=3e-5)
        assert found.optimum_.objective == pytest.approx(model.optimum_.objective, rel=1e-8)
        assert found.optimum_.gap < 1e-6


def test_a_column_far_from_zero_counts_for_its_spread(badly_scaled):
    X, y = badly_scaled
    far = X.copy()
    far[:, 0] += 1e9
    model, found = (ll.SoftmaxClassifier(standardize=True, tol=1e-6).fit(features, y) for features in (X, far))
    np.testing.assert_allclose(found.predict_proba(far), model.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_neither_copied_nor_changed(kind, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40_000, 200), dtype=np.float32), rng.integers(0, 3, 40_000)
    X[:, ::2] *= 1000
    features, before = KINDS[kind](X), X.copy()
    # The certificate copies some rows, of so many bytes at most, however many there are.
    monkeypatch.setattr(kept_rows, "_MOST_BYTES", 1 << 21)
    monkeypatch.setattr(kept_rows, "_OF_FEATURES", 0)
    if kind != "csr":
        X.flags.writeable = features.flags.writeable = False
    ll.SoftmaxClassifier(standardize=True).fit(features[:500], y[:500])  # compiled before memory is traced
    tracemalloc.start()
    with pytest.warns(ConvergenceWarning, match="raise max_iter, or lower C"):
        ll.SoftmaxClassifier(standardize=True, max_iter=2, tol=1e-6).fit(features, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = features.data.nbytes + features.indices.nbytes if kind == "csr" else X.nbytes
    assert peak < 0.6 * size
    np.testing.assert_array_equal(features.toarray() if kind == "csr" else features, before)


def test_warm_start_goes_on_from_the_raw_head(badly_scaled):
    X, y = badly_scaled
    model = ll.SoftmaxClassifier(standardize=True, warm_start=True).fit(X, y)
    first = model.n_iter_[0]
    assert model.fit(X, y).n_iter_[0] <= 1
    assert model.set_params(C=1.1).fit(X, y).n_iter_[0] < first


def test_a_weight_beyond_the_dtype_is_refused():
    X = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype(np.float32)
    y = X[:, 1] > 0
    X[:, 1] *= np.float32(3e-38)
    with pytest.raises(ValueError, match=r"X: feature 1 has a standard deviation of 1\..e-38, too small .* float32"):
        ll.SoftmaxClassifier(standardize=True, C=1e6).fit(X, y)


def test_saved_and_loaded_it_is_a_head_like_any_other(badly_scaled, tmp_path):
    X, y = badly_scaled
    model = ll.SoftmaxClassifier(standardize=True).fit(X, y)
    model.save(tmp_path / "head.safetensors")
    loaded = ll.load(tmp_path / "head.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.get_params()["standardize"] is True

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

import lastlayer as ll


def warning_of(X, y, **parameters):
    """The sentence of the ScalingWarning that a fit gives, or None."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ll.ScalingWarning)
        ll.SoftmaxClassifier(**parameters).fit(X, y)
    assert all(warning.category is ll.ScalingWarning for warning in caught)
    assert len(caught) <= 1
    assert all(warning.filename == __file__ for warning in caught)
    return str(caught[0].message) if caught else None


def test_a_feature_in_a_much_smaller_unit_is_named_with_the_remedy():
    X, y = load_wine(return_X_y=True, as_frame=True)
    expected = (
        "X: feature 'proline' ranges over 1.4e+03, 369 times the other features' median (3.8), so that the penalty "
        "holds back the others and hardly this one; pass standardize=True (--standardize in a shell), or scale the "
        "features."
    )
    assert warning_of(X, y) == expected
    assert warning_of(X.to_numpy(), y) == expected.replace("'proline'", "12")
    assert warning_of(sp.csr_array(X.to_numpy()), y) == expected.replace("'proline'", "12")


def test_more_than_one_is_counted():
    found = warning_of(*load_breast_cancer(return_X_y=True))
    assert found is not None
    assert "feature 23 ranges over" in found
    assert "and 4 more are like it" in found


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("factor", [1e-3, 1e-8])
def test_a_feature_in_a_much_larger_unit_is_named_if_it_is_missed(kind, factor):
    X, y = load_iris(return_X_y=True)
    X[:, 2] *= factor
    found = warning_of(kind(X), y)
    assert found is not None
    assert f"X: feature 2 ranges over {5.9 * factor:.3g}, 1/{2.4 / 5.9 / factor:,.0f} of the other" in found
    assert "the penalty all but leaves it out; pass standardize=True" in found


def test_two_features():
    X, y = load_iris(return_X_y=True)
    X = X[:, 2:] * [1, 1e-5]
    found = warning_of(X, y)
    assert found is not None
    assert "feature 0 ranges over 5.9, 245,833 times the other features' median (2.4e-05)" in found


def rows_of(kind):
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    if kind == "digits":
        return X, y
    if kind == "rare pixels":
        X[:, :16] *= rng.random((len(X), 16)) < 0.01
        return X, y
    if kind == "principal components":
        return PCA().fit_transform(X), y
    if kind == "dead units":
        return np.maximum(X @ rng.standard_normal((64, 200)) - np.arange(200), 0), y
    if kind == "small noise":
        return np.hstack([X, 1e-6 * rng.standard_normal((len(X), 4))]), y
    if kind == "rounding":
        return np.hstack([X, np.where(np.arange(len(X)) % 2, 0.3, 0.1 + 0.2)[:, None]]), y
    if kind == "one feature":
        return X[:, 20:21] * 1e6, y > 4
    words = sp.random_array((2000, 5000), density=0.004, format="csr", rng=rng)
    return words, rng.integers(0, 3, 2000)


@pytest.mark.parametrize("C", [1, 100])
@pytest.mark.parametrize(
    "kind",
    ["digits", "rare pixels", "principal components", "dead units", "small noise", "rounding", "one feature", "words"],
)
def test_features_in_one_unit_give_no_warning(kind, C):
    assert warning_of(*rows_of(kind), C=C) is None


def test_no_warning_where_features_are_standardized_or_the_penalty_costs_nothing():
    X, y = load_wine(return_X_y=True)
    assert warning_of(X, y, standardize=True) is None
    X, y = load_iris(return_X_y=True)
    X[:, 2] *= 1000
    assert warning_of(X, y, C=1e4) is None


def test_far_apart_is_too_far_in_any_case_and_suspicious_where_a_fit_does_not_converge():
    X, y = load_iris(return_X_y=True)
    X[:, 2] *= 1e5
    assert warning_of(X, y, C=1e4) is not None
    X[:, 2] /= 100
    with pytest.warns(ConvergenceWarning), pytest.warns(ll.ScalingWarning, match="feature 2 ranges over 5.9e.03"):
        ll.SoftmaxClassifier(C=1e4, max_iter=2).fit(X, y)


def test_rows_without_weight_have_no_scale():
    X, y = load_iris(return_X_y=True)
    X[::2, 2] *= 1e9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ll.SoftmaxClassifier().fit(X, y, sample_weight=np.arange(len(y)) % 2)

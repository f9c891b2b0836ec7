"""SoftmaxClassifier keeps scikit-learn's conventions."""

import pickle

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from lastlayer import SoftmaxClassifier, SoftmaxClassifierCV


@parametrize_with_checks([SoftmaxClassifier(), SoftmaxClassifier(standardize=True)])
def test_keeps_every_convention(estimator, check):
    check(estimator)


# On the few rows of some checks the best C is at an end of the path.
@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::lastlayer.estimators.PathEndWarning")
@parametrize_with_checks([SoftmaxClassifierCV()])
def test_a_path_of_c_keeps_every_convention(estimator, check):
    check(estimator)


# A fit on shuffled minibatches takes a row of weight 2 once, not twice.
_OF_EXACT_FITS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "minibatches are drawn by row, not by weight"
    for kind in ("dense", "sparse")
}


@pytest.mark.thorough
@parametrize_with_checks([SoftmaxClassifier(candidates=1)], expected_failed_checks=lambda _: _OF_EXACT_FITS)
def test_a_sampled_fit_keeps_every_convention_of_estimators_that_draw(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


def test_in_a_pipeline_and_a_grid_search(iris):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), SoftmaxClassifier()), {"softmaxclassifier__C": [0.1, 10.0]}, cv=3
    )
    assert search.fit(*iris).score(*iris) > 0.95


def test_cross_val_predict_agrees_with_logistic_regression(iris):
    X, y = iris
    ours = cross_val_predict(SoftmaxClassifier(tol=1e-6), X, y, cv=3, method="predict_proba")
    theirs = cross_val_predict(LogisticRegression(tol=1e-8, max_iter=5000), X, y, cv=3, method="predict_proba")
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_inside_calibrated_classifier(iris):
    model = CalibratedClassifierCV(SoftmaxClassifier(), method="sigmoid", cv=3).fit(*iris)
    assert model.score(*iris) > 0.9


def test_metadata_routing_passes_sample_weight(iris):
    X, y = iris
    weight = np.random.default_rng(0).random(len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, SoftmaxClassifier().set_fit_request(sample_weight=True))
        routed = pipeline.fit(X, y, sample_weight=weight)[-1]
    alone = SoftmaxClassifier().fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
    np.testing.assert_array_equal(routed.coef_, alone.coef_)


def test_metadata_routing_passes_groups_to_a_path_of_c(iris):
    X, y = iris
    groups = np.arange(len(y)) // 5
    with sklearn.config_context(enable_metadata_routing=True):
        head = SoftmaxClassifierCV(cv=GroupKFold(3)).set_fit_request(groups=True)
        pipeline = make_pipeline(StandardScaler(), head).fit(X, y, groups=groups)
    assert pipeline[-1].log_losses_.shape == (19, 3)


def test_pickle_joblib_and_clone(iris, tmp_path):
    X, y = iris
    model = SoftmaxClassifier(C=3.0).fit(X, y).calibrate(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    for copy in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "coef_")

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC

import lastlayer as ll

STEPS = {
    "none": [],
    "standard": [StandardScaler()],
    "standard without mean": [StandardScaler(with_mean=False)],
    "standard without deviation": [StandardScaler(with_std=False)],
    "min and max": [MinMaxScaler(feature_range=(-2, 5))],
    "largest": [MaxAbsScaler()],
    "robust": [RobustScaler()],
    "robust without centre": [RobustScaler(with_centering=False, unit_variance=True)],
    "robust without scale": [RobustScaler(with_scaling=False)],
    "pca": [StandardScaler(), PCA(5, random_state=0)],
    "whitened": [StandardScaler(), PCA(10, whiten=True)],
    "incremental": [StandardScaler(), IncrementalPCA(4, whiten=True)],
    "svd": [MaxAbsScaler(), TruncatedSVD(6, random_state=0)],
    "selected": [VarianceThreshold(), SelectKBest(k=7), RobustScaler()],
    "through": ["passthrough", None, FunctionTransformer(), StandardScaler()],
    "nested": [make_pipeline(StandardScaler(), PCA(8)), make_pipeline("passthrough"), MinMaxScaler()],
    "many": [StandardScaler(), PCA(9, whiten=True), SelectKBest(k=6), MinMaxScaler(), MaxAbsScaler()],
}
HEADS = {
    "ours": ll.SoftmaxClassifier(tol=1e-3),
    "ours standardized": ll.SoftmaxClassifier(tol=1e-3, standardize=True),
    "ours without intercept": ll.SoftmaxClassifier(tol=1e-3, fit_intercept=False),
    "theirs": LogisticRegression(tol=1e-2, max_iter=10_000),
    "theirs without intercept": LogisticRegression(tol=1e-2, max_iter=10_000, fit_intercept=False),
}


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True, as_frame=True)
    X["proline"] /= 100
    X["constant"] = 3.0
    return X, np.array(["red", "rosé", "white"])[y]


@pytest.mark.filterwarnings("ignore:.*Features .* are constant", "ignore:invalid value encountered in divide")
@pytest.mark.parametrize("classes", [pytest.param(2, marks=pytest.mark.thorough), 3])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("steps", STEPS)
def test_the_same_probabilities_from_raw_features(wine, steps, head, classes):
    X, y = wine[0][wine[1] != "red"] if classes == 2 else wine[0], wine[1]
    y = y[y != "red"] if classes == 2 else y
    pipeline = make_pipeline(*STEPS[steps], HEADS[head]).fit(X, y)
    folded = ll.fold(pipeline)
    assert type(folded) is ll.SoftmaxClassifier
    np.testing.assert_allclose(folded.predict_proba(X), pipeline.predict_proba(X), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(folded.predict(X), pipeline.predict(X))
    assert folded.feature_names_in_.tolist() == X.columns.tolist()
    assert folded.n_features_in_ == X.shape[1]
    assert folded.coef_.shape == (1 if classes == 2 else 3, X.shape[1])


def test_it_has_everything_that_the_head_has_and_leaves_the_pipeline_alone(wine, tmp_path):
    X, y = wine
    pipeline = make_pipeline(StandardScaler(), ll.SoftmaxClassifier(C=3.0, class_weight="balanced")).fit(X, y)
    head = pipeline[-1]
    head.beta_ = 0.75
    before = head.coef_.copy()
    folded = ll.fold(pipeline)
    assert (folded.beta_, folded.optimum_, folded.get_params()) == (0.75, head.optimum_, head.get_params())
    assert folded.n_iter_ == head.n_iter_
    np.testing.assert_array_equal(folded.classes_, head.classes_)
    folded.save(tmp_path / "head.safetensors")
    loaded = ll.load(tmp_path / "head.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), folded.predict_proba(X))
    np.testing.assert_allclose(loaded.predict_proba(X), pipeline.predict_proba(X), rtol=1e-9)
    folded.coef_ += 1
    np.testing.assert_array_equal(head.coef_, before)


def test_a_logistic_regression_has_no_known_optimum_and_can_be_saved(wine, tmp_path):
    X, y = wine[0].to_numpy(), wine[1]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=2.0, class_weight={"red": 2.0})).fit(X, y)
    folded = ll.fold(pipeline)
    assert (folded.C, folded.class_weight, folded.beta_, folded.optimum_.gap) == (2.0, {"red": 2.0}, 1.0, np.inf)
    assert np.isnan(folded.optimum_.objective)
    assert not hasattr(folded, "feature_names_in_")
    folded.save(tmp_path / "head.safetensors")
    loaded = ll.load(tmp_path / "head.safetensors")
    np.testing.assert_allclose(loaded.predict_proba(X), pipeline.predict_proba(X), rtol=1e-9)
    assert loaded.optimum_.stopped == "unknown"


@pytest.mark.parametrize("head", [ll.SoftmaxClassifier(), LogisticRegression(max_iter=10_000)])
def test_float32_stays_float32(wine, head):
    X, y = wine[0].to_numpy(np.float32), wine[1]
    pipeline = make_pipeline(MaxAbsScaler(), head).fit(X, y)
    folded = ll.fold(pipeline)
    assert folded.coef_.dtype == folded.intercept_.dtype == pipeline[-1].coef_.dtype == np.float32
    np.testing.assert_allclose(folded.predict_proba(X), pipeline.predict_proba(X), atol=1e-5)


def test_sparse_features(wine):
    X, y = sp.csr_array(wine[0].to_numpy()), wine[1]
    pipeline = make_pipeline(StandardScaler(with_mean=False), TruncatedSVD(5), ll.SoftmaxClassifier()).fit(X, y)
    np.testing.assert_allclose(ll.fold(pipeline).predict_proba(X), pipeline.predict_proba(X), rtol=1e-9)


class Doubled(StandardScaler):
    def transform(self, X, copy=None):
        return 2 * super().transform(X, copy) ** 2


@pytest.mark.parametrize(
    ("steps", "error", "words"),
    [
        (
            [("cubes", PolynomialFeatures())],
            TypeError,
            "step 'cubes' is a PolynomialFeatures, expected one of Function",
        ),
        ([("unit", Normalizer())], TypeError, "step 'unit' is a Normalizer, .* keep the pipeline, or fit it without"),
        ([("mine", Doubled())], TypeError, "step 'mine' is a Doubled, expected one of"),
        ([("in", make_pipeline(StandardScaler(), Normalizer()))], TypeError, "step 'in.normalizer' is a Normalizer"),
        (
            [("clipped", MinMaxScaler(clip=True))],
            TypeError,
            "step 'clipped' is a MinMaxScaler with clip=True, which is n",
        ),
        ([("log", FunctionTransformer(np.log1p))], TypeError, "step 'log' is a FunctionTransformer of <ufunc 'log1p'>"),
    ],
)
def test_a_step_that_is_not_affine_is_named(wine, steps, error, words):
    pipeline = Pipeline([*steps, ("head", ll.SoftmaxClassifier(tol=1e-2))]).fit(wine[0].to_numpy(), wine[1])
    with pytest.raises(error, match=words) as failure:
        ll.fold(pipeline)
    assert str(failure.value).count("\n") == 0


def test_what_is_no_fitted_pipeline_of_a_head(wine):
    X, y = wine[0].to_numpy(), wine[1]
    head = ll.SoftmaxClassifier(standardize=True).fit(X, y)
    with pytest.raises(TypeError, match=r"received a SoftmaxClassifier, expected a fitted sklearn.pipeline.Pipeline"):
        ll.fold(head)
    with pytest.raises(NotFittedError, match="step 'standardscaler' is a StandardScaler that is not fitted"):
        ll.fold(make_pipeline(StandardScaler(), head))
    with pytest.raises(NotFittedError, match="step 'softmaxclassifier' is a SoftmaxClassifier that is not fitted"):
        ll.fold(make_pipeline(StandardScaler().fit(X), ll.SoftmaxClassifier()))
    with pytest.raises(NotFittedError, match="step 'logisticregression' is a LogisticRegression that is not fitted"):
        ll.fold(make_pipeline(StandardScaler().fit(X), LogisticRegression()))
    with pytest.raises(TypeError, match="its last step 'linearsvc' is a LinearSVC, expected a SoftmaxClassifier or"):
        ll.fold(make_pipeline(StandardScaler(), LinearSVC()).fit(X, y))
    with pytest.raises(TypeError, match="its last step 'standardscaler' is a StandardScaler, expected a Softmax"):
        ll.fold(make_pipeline(StandardScaler()).fit(X))
    with pytest.raises(ValueError, match="pipeline: has no steps, expected a head as its last"):
        ll.fold(make_pipeline("passthrough"))
    with pytest.raises(ValueError, match="pipeline: has no steps, expected a head as its last"):
        ll.fold(Pipeline([]))


def test_whitened_rounding_is_refused(wine):
    X, y = wine[0].to_numpy(), wine[1]
    pipeline = make_pipeline(StandardScaler(), PCA(whiten=True), ll.SoftmaxClassifier(tol=1e-2)).fit(X, y)
    with pytest.raises(
        ValueError, match="step 'pca' is a PCA that whitens component 13, which varies by rounding alone"
    ):
        ll.fold(pipeline)


def test_weights_beyond_the_dtype_of_the_head_are_refused():
    X = np.random.default_rng(0).uniform(-1, 1, (100, 2)).astype(np.float32)
    y = X[:, 0] > 0
    scaler = StandardScaler().fit(X)
    head = ll.SoftmaxClassifier().fit(scaler.transform(X), y)
    scaler.scale_ = scaler.scale_ * 1e-38
    with pytest.raises(
        ValueError, match=r"its weights on raw features are beyond float32, .* fit the pipeline on float64"
    ):
        ll.fold(make_pipeline(scaler, head))

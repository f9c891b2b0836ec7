import json
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

import lastlayer as ll
from lastlayer.decision import Abstain, Argmax, PredictionSets, Thresholds
from tests.oracles import float32_head


def served(model, features, check=True):
    """What onnxruntime makes of features (N, D), by the outputs' names."""
    if check:
        onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"features": np.asarray(features, np.float32)}), strict=True))


def softmax_head(num_classes, num_features=24, dtype=np.float64, seed=0, beta=1.0, classes=None):
    """A head of random weights: export looks at nothing but the numbers."""
    rng = np.random.default_rng(seed)
    rows = 1 if num_classes == 2 else num_classes
    linear = rng.standard_normal((rows, num_features)).astype(dtype), rng.standard_normal(rows).astype(dtype)
    head = ll.SoftmaxClassifier()
    head.classes_ = np.arange(num_classes) if classes is None else np.array(classes)
    head.coef_, head.intercept_ = linear
    head.beta_, head.n_features_in_ = beta, num_features
    head.decision_, head.abstain_label_ = Argmax(), None
    return head


def label_head(num_labels, num_features=24, seed=0, classes=None):
    rng = np.random.default_rng(seed)
    head = ll.SigmoidClassifier()
    head.classes_ = np.arange(num_labels) if classes is None else np.array(classes)
    rows = num_labels if classes is None or len(classes) > 2 else 1
    head.coef_, head.intercept_ = rng.standard_normal((rows, num_features)), rng.standard_normal(rows)
    head.beta_, head.bias_ = rng.uniform(0.5, 2, rows), rng.standard_normal(rows)
    head.n_features_in_, head.abstain_label_ = num_features, None
    head.decision_ = Argmax() if rows < num_labels else Thresholds(0.5)
    return head


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("num_classes", "beta"), [(2, 1.7), (10, 1.0), (150, 12.5)])
def test_agrees_with_the_definition_on_ten_thousand_rows_half_of_them_near_ties(num_classes, beta, dtype):
    head = softmax_head(num_classes, dtype=dtype, beta=beta)
    coef, intercept = head.coef_, head.intercept_
    if num_classes == 2:
        coef, intercept = np.vstack([0 * coef, coef]), np.append(0, intercept)
    features = np.random.default_rng(1).standard_normal((10_000, 24)).astype(np.float32)
    features[5_000:] = float32_head.near_ties(features[5_000:], coef, intercept, 2)
    scores, bounds = float32_head.scores_and_bounds(features, coef, intercept)
    found = served(head.to_onnx(top=2), features)
    expected = float32_head.softmax(beta * scores)
    # An entry of a softmax moves by at most half of what the logits do.
    allowed = 0.5 * beta * bounds.max(axis=1) + 1e-6
    assert (np.abs(found["probabilities"] - expected).max(axis=1) <= allowed).all()
    rows = np.arange(len(features))
    best, chosen = scores.argmax(axis=1), found["label"]
    apart = scores[rows, best] - scores[rows, chosen] > bounds[rows, best] + bounds[rows, chosen]
    assert not apart.any()
    ordered = np.sort(scores, axis=1)
    assert (ordered[5_000:, -1] - ordered[5_000:, -2] < 1e-4).mean() > 0.6
    assert (chosen[:5_000] == best[:5_000]).all()
    assert (found["top_labels"][:, 0] == chosen).all()
    np.testing.assert_array_equal(found["top_probabilities"][:, 0], found["probabilities"][rows, chosen])


def test_agrees_with_the_estimator():
    head = softmax_head(7, classes=[*"gfedcba"][::-1], dtype=np.float32, beta=2.5)
    features = np.random.default_rng(1).standard_normal((500, 24)).astype(np.float32)
    found = served(head.to_onnx(top=7), features)
    np.testing.assert_array_equal(found["label"], head.predict(features))
    np.testing.assert_allclose(found["probabilities"], head.predict_proba(features), atol=2e-6)
    top = head.predict_top_k(features, 7)
    np.testing.assert_array_equal(found["top_labels"], top.labels)
    np.testing.assert_allclose(found["top_probabilities"], top.probabilities, atol=2e-6)


def test_three_logits_from_the_book():
    head = softmax_head(3, num_features=3, classes=["cat", "cow", "dog"])
    head.coef_, head.intercept_ = np.eye(3), np.zeros(3)
    found = served(head.to_onnx(), [[2.0, 1.0, 0.1]])
    np.testing.assert_allclose(found["probabilities"], [[0.6590, 0.2424, 0.0986]], atol=5e-5)
    assert found["label"].tolist() == ["cat"]


def test_many_labels():
    head = label_head(40)
    features = np.random.default_rng(1).standard_normal((10_000, 24)).astype(np.float32)
    # Half of the rows lie where one label is as probable as not, but for a few units in the last place.
    label, rows = np.arange(5_000) % 40, np.arange(5_000)
    scores, bounds = float32_head.scores_and_bounds(features, head.coef_, head.intercept_)
    logits = head.beta_ * scores + head.bias_
    step = logits[rows, label] / (head.beta_[label] * (head.coef_[label] ** 2).sum(axis=1))
    features[:5_000] -= (step[:, None] * head.coef_[label]).astype(np.float32)
    scores, bounds = float32_head.scores_and_bounds(features, head.coef_, head.intercept_)
    logits, bounds = head.beta_ * scores + head.bias_, head.beta_ * bounds
    bounds += 3 * float32_head.UNIT * (np.abs(head.beta_ * scores) + np.abs(head.bias_))
    found = served(head.to_onnx(top=3), features)
    assert (np.abs(found["probabilities"] - float32_head.sigmoid(logits)) <= bounds / 4 + 5e-7).all()
    assert found["labels"].dtype == bool
    assert not ((found["labels"] != (logits > 0)) & (np.abs(logits) > bounds)).any()
    assert np.abs(logits[rows, label]).max() < 1e-4
    assert found["top_labels"].shape == found["top_probabilities"].shape == (10_000, 3)
    # In order of the logits: onnxruntime's sigmoid itself does not rise quite evenly.
    assert (np.diff(found["top_probabilities"], axis=1) <= 1e-6).all()


def test_one_of_two_labels():
    head = label_head(2, classes=["no", "yes"])
    features = np.random.default_rng(1).standard_normal((300, 24)).astype(np.float32)
    found = served(head.to_onnx(top=1), features)
    np.testing.assert_array_equal(found["label"], head.predict(features))
    np.testing.assert_allclose(found["probabilities"], head.predict_proba(features), atol=2e-6)
    np.testing.assert_array_equal(found["top_labels"][:, 0], found["label"])


def test_answers_by_the_rule_as_predict_does():
    features = np.random.default_rng(1).standard_normal((500, 24)).astype(np.float32)
    head = softmax_head(5, classes=[*"abcde"], dtype=np.float32)
    head.set_decision(Abstain(0.7), abstain_label="?")
    np.testing.assert_array_equal(served(head.to_onnx(), features)["label"], head.predict(features))
    head.set_decision(Abstain(0.7))
    found = served(head.to_onnx(), features)
    np.testing.assert_array_equal(found["label"] == "", [label is None for label in head.predict(features)])
    head.set_decision(PredictionSets(0.2))
    np.testing.assert_array_equal(served(head.to_onnx(), features)["labels"], head.predict(features))
    many = label_head(5).set_decision(Thresholds(0.3))
    np.testing.assert_array_equal(served(many.to_onnx(), features)["labels"], many.predict(features))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(2, 6),
    st.integers(1, 5),
    st.sampled_from([1e-3, 1.0, 500.0]),
    st.sampled_from([1e-3, 1.0, 1e4]),
    st.integers(0, 2**32 - 1),
)
def test_probabilities_sum_to_one_and_labels_have_the_largest(num_classes, num_features, beta, size, seed):
    head = softmax_head(num_classes, num_features, seed=seed, beta=beta)
    features = size * np.random.default_rng(seed).standard_normal((20, num_features))
    found = served(head.to_onnx(), features, check=False)
    np.testing.assert_allclose(found["probabilities"].sum(axis=1), 1, atol=1e-6)
    largest = found["probabilities"].max(axis=1)
    np.testing.assert_array_equal(found["probabilities"][np.arange(20), found["label"]], largest)


def test_of_equal_scores_the_first_class_comes_first():
    head = softmax_head(4, num_features=1)
    head.coef_, head.intercept_ = np.zeros((4, 1)), np.array([0.0, 1.0, 1.0, 1.0])
    found = served(head.to_onnx(top=3), [[3.0]])
    assert (found["label"].tolist(), found["top_labels"].tolist()) == ([1], [[1, 2, 3]])


def test_large_logits_and_beta_neither_overflow_nor_lose_their_gap():
    head = softmax_head(3, num_features=1, beta=1e30)
    head.coef_, head.intercept_ = np.zeros((3, 1)), np.array([1e30, -1e30, 0.0])
    assert served(head.to_onnx(), [[0.0]])["probabilities"].tolist() == [[1.0, 0.0, 0.0]]
    head.beta_, head.intercept_ = 1000.0, np.array([4096.0, 4096.0 - 2**-11, 0.0])
    expected = float32_head.softmax(np.array([[0.0, -1000 * 2**-11, -np.inf]]))
    np.testing.assert_allclose(served(head.to_onnx(), [[0.0]])["probabilities"], expected, atol=1e-6)


@pytest.mark.parametrize("beta", [1e-30, 1e30])
def test_the_order_of_labels_does_not_depend_on_beta(beta):
    head = softmax_head(4, num_features=1, beta=beta)
    head.coef_, head.intercept_ = (
        np.zeros((4, 1)),
        np.array([1e9, -2e9, 3e9, -1e9]) if beta > 1 else 1e-9 * np.arange(4),
    )
    expected = [[2, 0, 3, 1]] if beta > 1 else [[3, 2, 1, 0]]
    assert served(head.to_onnx(top=4), [[0.0]])["top_labels"].tolist() == expected


def test_a_row_of_nan_is_nan_alone_and_no_rows_are_no_rows():
    head = softmax_head(3, num_features=2, beta=2.0)
    found = served(head.to_onnx(), [[np.nan, 1.0], [0.0, 1.0]])
    assert np.isnan(found["probabilities"]).tolist() == [[True] * 3, [False] * 3]
    assert served(head.to_onnx(top=2), np.empty((0, 2)))["top_labels"].shape == (0, 2)


def test_what_a_fit_a_path_and_a_file_give_is_the_same(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 3)).astype(np.float32)
    y = np.array(["b", "a", "c"])[X.argmax(axis=1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ll.PathEndWarning)
        head = ll.SoftmaxClassifierCV(Cs=[1.0, 10.0], cv=2).fit(X, y).calibrate(X, [*"abcabcabc", *y[9:]])
    head.feature_names_in_ = np.array(["x", "y", "é"], object)
    head.save(tmp_path / "head.safetensors")
    written = head.to_onnx(tmp_path / "head.onnx", top=2)
    again = ll.load(tmp_path / "head.safetensors").to_onnx(top=2)
    assert written == again == onnx.load(tmp_path / "head.onnx")
    properties = {entry.key: entry.value for entry in again.metadata_props}
    assert properties["library_version"] == ll.__version__
    assert json.loads(properties["classes"]) == ["a", "b", "c"]
    assert json.loads(properties["feature_names"]) == ["x", "y", "é"]
    assert len(properties["digest"]) == 64
    head.calibrate(X, [*"abcabcabcabcabc", *y[15:]])
    assert head.to_onnx().metadata_props[1].value != properties["digest"]
    np.testing.assert_array_equal(served(written, X)["label"], ll.load(tmp_path / "head.safetensors").predict(X))


@pytest.mark.parametrize("top", [0, -1, 2.5, True, "2"])
def test_refuses_a_top_that_is_no_number_of_classes(top):
    with pytest.raises(ValueError, match=r"^top: received .*, expected a whole number of at least 1"):
        softmax_head(3).to_onnx(top=top)


def test_refuses_a_top_beyond_the_classes():
    with pytest.raises(ValueError, match=r"^top: received 4, expected 1 to 3, the number of classes"):
        softmax_head(3).to_onnx(top=4)


def test_refuses_a_folder_that_is_not_there_and_a_head_without_a_fit(tmp_path):
    with pytest.raises(ll.UnwritableFile, match=r"cannot be written .No such file or directory"):
        softmax_head(3).to_onnx(tmp_path / "missing" / "head.onnx")
    with pytest.raises(NotFittedError):
        ll.SoftmaxClassifier().to_onnx()

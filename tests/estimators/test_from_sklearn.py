import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier

import lastlayer as ll
from lastlayer.estimators.from_sklearn import parameters_of


def rows(num_classes):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5))
    names = np.array(["cow", "ant", "bee", "dog"])
    return X, names[(X[:, :num_classes] + rng.standard_normal((200, num_classes))).argmax(axis=1)]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("num_classes", [2, 4])
def test_has_the_probabilities_of_logistic_regression(num_classes, fit_intercept):
    X, y = rows(num_classes)
    model = LogisticRegression(C=3, fit_intercept=fit_intercept, class_weight="balanced").fit(X, y)
    head = ll.SoftmaxClassifier.from_sklearn(model)
    np.testing.assert_allclose(head.predict_proba(X), model.predict_proba(X), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(head.predict(X), model.predict(X))
    np.testing.assert_allclose(head.decision_function(X), model.decision_function(X), rtol=1e-12)
    assert (head.C, head.fit_intercept, head.class_weight) == (3, fit_intercept, "balanced")
    assert head.optimum_.stopped == "unknown"
    fitted = ll.SoftmaxClassifier(**head.get_params()).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), head.predict_proba(X), atol=1e-2)


def test_of_a_data_frame_and_a_chosen_penalty():
    pandas = pytest.importorskip("pandas")
    X, y = rows(2)
    frame = pandas.DataFrame(X, columns=[*"abcde"])
    model = LogisticRegressionCV(
        Cs=[0.5], cv=2, l1_ratios=(0,), use_legacy_attributes=False, scoring="neg_log_loss"
    ).fit(frame, y)
    head = ll.SoftmaxClassifier.from_sklearn(model)
    np.testing.assert_array_equal(head.predict(frame), model.predict(frame))
    assert head.feature_names_in_.tolist() == [*"abcde"]
    assert head.C == 0.5


def test_the_strength_of_another_penalty_is_not_taken():
    X, y = rows(2)
    model = LogisticRegression(C=7, l1_ratio=1.0, solver="saga", max_iter=1000).fit(X, y)
    assert "C" not in parameters_of(model)
    assert parameters_of(LogisticRegression(C=np.inf).fit(X, y))["C"] == np.inf


def test_refuses_other_models():
    X, y = rows(4)
    with pytest.raises(TypeError, match=r"^model: received a SGDClassifier, expected a fitted LogisticRegression"):
        ll.SoftmaxClassifier.from_sklearn(SGDClassifier())
    with pytest.raises(NotFittedError):
        ll.SoftmaxClassifier.from_sklearn(LogisticRegression())
    # Versions of scikit-learn that fit one class against the rest call it so.
    model = LogisticRegression().fit(X, y)
    model.multi_class = "ovr"
    with pytest.raises(ValueError, match=r"^model: is a LogisticRegression with solver=.lbfgs. for 4 classes, whose"):
        ll.SoftmaxClassifier.from_sklearn(model)
    model = LogisticRegression().fit(*rows(2))
    model.multi_class = "multinomial"
    with pytest.raises(ValueError, match=r"^model: is a LogisticRegression with solver=.lbfgs. for 2 classes, whose"):
        ll.SoftmaxClassifier.from_sklearn(model)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_many_labels_have_the_probabilities_of_one_vs_rest(fit_intercept, tmp_path):
    X, _ = rows(4)
    answers = (X[:, :3] + np.random.default_rng(1).standard_normal((200, 3)) > 0.5).astype(int)
    model = OneVsRestClassifier(LogisticRegression(C=3, fit_intercept=fit_intercept)).fit(X, answers)
    head = ll.SigmoidClassifier.from_sklearn(model)
    np.testing.assert_allclose(head.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    np.testing.assert_array_equal(head.predict(X), model.predict(X))
    assert (head.C, head.fit_intercept, head.optimum_.stopped) == (3, fit_intercept, "unknown")
    head.calibrate(X, answers).save(tmp_path / "head")
    again = ll.load(tmp_path / "head")
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    assert again.optimum_.stopped == "unknown"


def test_one_of_two_labels():
    X, y = rows(2)
    model = OneVsRestClassifier(LogisticRegression()).fit(X, y)
    head = ll.SigmoidClassifier.from_sklearn(model)
    np.testing.assert_allclose(head.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    np.testing.assert_array_equal(head.predict(X), model.predict(X))


def test_refuses_other_models_of_many_labels():
    X, y = rows(4)
    with pytest.raises(TypeError, match=r"^model: received a LogisticRegression, expected a fitted OneVsRest"):
        ll.SigmoidClassifier.from_sklearn(LogisticRegression())
    with pytest.raises(TypeError, match=r"^model: received a OneVsRestClassifier, expected a fitted OneVsRest"):
        ll.SigmoidClassifier.from_sklearn(OneVsRestClassifier(SGDClassifier()))
    with pytest.raises(ValueError, match=r"^model: chooses one of 4 classes, whose probabilities it makes sum to 1"):
        ll.SigmoidClassifier.from_sklearn(OneVsRestClassifier(LogisticRegression()).fit(X, y))
    answers = np.column_stack([np.arange(200) % 2, np.zeros(200, int)])
    with pytest.warns(UserWarning, match="Label .* is present in all"):
        model = OneVsRestClassifier(LogisticRegression()).fit(X, answers)
    with pytest.raises(ValueError, match=r"^model: label .* has a _ConstantPredictor, since no row of the fit"):
        ll.SigmoidClassifier.from_sklearn(model)

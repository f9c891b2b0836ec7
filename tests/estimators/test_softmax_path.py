"""Heads are judged by the definition, and each fold's C means what it means in scikit-learn."""

import numpy as np
import pytest
import scipy.sparse as sp

import lastlayer as ll
from lastlayer.estimators import c_path
from lastlayer.estimators.softmax_path import HeldOut
from lastlayer.linear import DenseFeatures, SparseFeatures
from tests.oracles import softmax_regression as oracle


def loss_of(row, label, weight, intercept):
    scores = np.asarray(weight, np.longdouble) @ np.asarray(row, np.longdouble) + intercept
    top = scores.max()
    return float(np.log(np.exp(scores - top).sum()) + top - scores[label])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [DenseFeatures, SparseFeatures])
def test_judges_by_the_definition(kind, dtype):
    rng = np.random.default_rng(0)
    X, labels, row_weight = rng.standard_normal((700, 4)).astype(dtype), rng.integers(0, 3, 700), rng.random(700) + 0.1
    weight, intercept = rng.standard_normal((3, 4)).astype(dtype), rng.standard_normal(3)
    features = kind(X if kind is DenseFeatures else sp.csr_array(X))
    judged = HeldOut(features, labels, row_weight).judge(weight, intercept)
    losses = np.array([loss_of(row, label, weight, intercept) for row, label in zip(X, labels, strict=True)])
    mean = np.average(losses, weights=row_weight)
    tolerance = 1e-6 if dtype is np.float32 else 1e-12
    assert judged.log_loss == pytest.approx(mean, rel=tolerance)
    error = (
        np.sqrt(sum((s * (loss - mean)) ** 2 for s, loss in zip(row_weight, losses, strict=True))) / row_weight.sum()
    )
    assert judged.error == pytest.approx(error, rel=1e-5 if dtype is np.float32 else 1e-10)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_weights_may_be_on_any_scale(scale):
    rng = np.random.default_rng(1)
    X, labels, row_weight = rng.standard_normal((50, 2)), rng.integers(0, 2, 50), rng.random(50) + 0.1
    head = rng.standard_normal((2, 2)), rng.standard_normal(2)
    expected = HeldOut(DenseFeatures(X), labels, row_weight).judge(*head)
    judged = HeldOut(DenseFeatures(X), labels, row_weight * scale).judge(*head)
    np.testing.assert_allclose(judged, expected, rtol=1e-12)


# Values of C here are few, and the best of them may be at an end.
any_end = pytest.mark.filterwarnings("ignore::lastlayer.estimators.PathEndWarning")


@pytest.fixture
def far_values_are_followed(monkeypatch):
    monkeypatch.setattr(c_path, "_FAR", np.inf)


@pytest.fixture
def weighted():
    rng = np.random.default_rng(3)
    points = rng.standard_normal((90, 3))
    y = (points + 0.5 * rng.gumbel(size=(90, 3))).argmax(axis=1)
    return points * [1, 3, 0.3] + [0, 1, 2], y, rng.integers(0, 4, 90).astype(float)


def splits(rows):
    fold = np.arange(rows) % 3
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]


def expected_log_loss(X, y, weight, training, held_out, C, factors):
    share = weight[training] * factors(y[training], weight[training])[y[training]]
    head = oracle.optimum(X[training], y[training], share, 3, C)
    losses = [loss_of(X[row], y[row], *head) for row in held_out]
    return np.average(losses, weights=weight[held_out])


@any_end
@pytest.mark.usefixtures("far_values_are_followed")
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_log_losses_are_those_of_each_folds_optimum(weighted, class_weight):
    X, y, weight = weighted
    Cs = np.array([0.01, 0.5, 4.0])

    def factors(labels, sample_weight):
        totals = np.bincount(labels, sample_weight, 3)
        return np.ones(3) if class_weight is None else totals.sum() / (3 * totals)

    model = ll.SoftmaxClassifierCV(Cs=Cs, cv=splits(90), tol=1e-12, class_weight=class_weight)
    model.fit(X, y, sample_weight=weight)
    for column, (training, held_out) in enumerate(splits(90)):
        for row, C in enumerate(Cs):
            expected = expected_log_loss(X, y, weight, training, held_out, C, factors)
            assert model.log_losses_[row, column] == pytest.approx(expected, rel=1e-5)
    assert model.path_.held_out_weight.tolist() == [weight[held_out].sum() for _, held_out in splits(90)]


@any_end
@pytest.mark.usefixtures("far_values_are_followed")
def test_two_classes_have_the_penalty_of_one_weight_vector(weighted):
    X, y, weight = weighted
    y = np.minimum(y, 1)
    training, held_out = splits(90)[0]
    model = ll.SoftmaxClassifierCV(Cs=[0.1, 1.0, 100.0], cv=[(training, held_out)], tol=1e-12)
    model.fit(X, y, sample_weight=weight)
    for row, C in enumerate(model.Cs_):
        alone = ll.SoftmaxClassifier(C=C, tol=1e-12).fit(X[training], y[training], sample_weight=weight[training])
        probabilities = alone.predict_proba(X[held_out])[np.arange(len(held_out)), y[held_out]]
        expected = np.average(-np.log(probabilities), weights=weight[held_out])
        assert model.log_losses_[row, 0] == pytest.approx(expected, rel=1e-5)


@any_end
@pytest.mark.usefixtures("far_values_are_followed")
def test_each_fold_is_standardized_by_its_own_rows(weighted):
    X, y, weight = weighted
    training, held_out = splits(90)[1]
    model = ll.SoftmaxClassifierCV(Cs=[0.01, 0.1], cv=[(training, held_out)], tol=1e-12, standardize=True)
    model.fit(X, y, sample_weight=weight)
    for row, C in enumerate(model.Cs_):
        alone = ll.SoftmaxClassifier(C=C, tol=1e-12, standardize=True)
        alone.fit(X[training], y[training], sample_weight=weight[training])
        probabilities = alone.predict_proba(X[held_out])[np.arange(len(held_out)), y[held_out]]
        expected = np.average(-np.log(probabilities), weights=weight[held_out])
        assert model.log_losses_[row, 0] == pytest.approx(expected, rel=1e-5)


def test_trap_31_a_class_that_a_fold_does_not_learn_is_not_judged_and_told(weighted):
    X, y, _ = weighted
    alone = np.flatnonzero(y == 2)
    rest = np.flatnonzero(y != 2)
    cv = [(rest[::2], np.concatenate([rest[1::2], alone])), (np.concatenate([rest[1::2], alone]), rest[::2])]
    model = ll.SoftmaxClassifierCV(Cs=[0.01, 0.1, 1.0, 1000.0], cv=cv)
    with pytest.warns(UserWarning, match=rf"cv: {len(alone)} held-out rows are of classes .* class 2\), so that they"):
        model.fit(X, y)
    assert model.path_.held_out_weight.tolist() == [len(rest[1::2]), len(rest[::2])]
    assert np.isfinite(model.log_losses_).all()
    assert model.log_losses_.max() < 3
    assert model.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([([0, 1], [2, 3])], "cv: split 0 has one class in its training rows, expected two"),
        ([([0, 2], [4, 5])], "cv: split 0 learns none of the classes of its held-out rows"),
    ],
)
def test_folds_that_leave_nothing(cv, message):
    X, y = np.arange(12.0).reshape(6, 2), np.array([0, 0, 1, 1, 2, 2])
    with pytest.raises(ValueError, match=message):
        ll.SoftmaxClassifierCV(cv=cv).fit(X, y)

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import lastlayer as ll
from lastlayer.estimators.head_rows import head_rows
from tests.oracles import float32_head


def data(num_classes):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 4))
    return X, (X[:, :num_classes] + rng.standard_normal((120, num_classes))).argmax(axis=1)


def probabilities(rows, X):
    logits = rows.beta * (X @ rows.weight.T + rows.bias) + (0 if rows.shift is None else rows.shift)
    return (float32_head.softmax if rows.link == "softmax" else float32_head.sigmoid)(logits)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_rows_give_predict_proba(num_classes):
    X, y = data(num_classes)
    head = ll.SoftmaxClassifier().fit(X, y)
    head.beta_ = 1.5
    rows = head_rows(head)
    assert rows.weight.shape == (num_classes, 4)
    assert rows.one_label
    np.testing.assert_allclose(probabilities(rows, X), head.predict_proba(X), rtol=1e-12)
    answers = np.eye(num_classes, dtype=int)[y] if num_classes > 2 else y
    many = ll.SigmoidClassifier().fit(X, answers)
    many.beta_, many.bias_ = 0.5 + np.arange(len(many.beta_)), 0.1 - np.arange(len(many.beta_))
    rows = head_rows(many)
    assert rows.one_label == (num_classes == 2)
    np.testing.assert_allclose(probabilities(rows, X), many.predict_proba(X), rtol=1e-12)


def test_needs_a_fit():
    with pytest.raises(NotFittedError):
        head_rows(ll.SigmoidClassifier())

import numpy as np
import pytest
import scipy.sparse as sp

import lastlayer as ll
from lastlayer.decision import Thresholds


@pytest.mark.parametrize("threshold", [0.2, [0.2, 0.5, 0.9]])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.coo_matrix])
def test_labels_whose_probability_exceeds_the_threshold(threshold, form):
    p = np.random.default_rng(0).random((50, 3)).astype(np.float32)
    found = Thresholds(threshold).apply(form(p))
    assert found.dtype == bool
    assert sp.issparse(found) == (form is not np.asarray)
    np.testing.assert_array_equal(found.toarray() if sp.issparse(found) else found, p.astype(np.float64) > threshold)


def test_literal_figures():
    assert Thresholds([0.5, 0.2]).apply([[0.5, 0.3], [0.6, 0.2]]).tolist() == [[False, True], [True, False]]


def test_predicts_as_evaluate_labels_does():
    # The float32 next to a tenth is above it, which a comparison in float32 would miss.
    p = np.array([[0.1], [0.4]], np.float32)
    assert Thresholds(0.1).apply(p).tolist() == [[True], [True]]
    assert ll.evaluate_labels(p, [[1], [1]], threshold=0.1).exact_match == 1


def test_many_labels_give_a_sparse_answer():
    p = np.random.default_rng(1).random((300, 5000))
    found = Thresholds(0.99).apply(p)
    assert found.format == "csr"
    np.testing.assert_array_equal(found.toarray(), p > 0.99)


def test_rules_are_frozen_and_compare_by_what_they_do():
    assert Thresholds([0.2, 0.1]) == Thresholds(np.array([0.2, 0.1]))
    assert Thresholds(0.2) != Thresholds(0.3)
    assert (Thresholds(0.2).num_classes, Thresholds([0.2, 0.1]).num_classes) == (None, 2)
    assert len({Thresholds(0.2), Thresholds(0.2), Thresholds(0.3)}) == 2
    with pytest.raises(AttributeError):
        Thresholds(0.2).threshold = 0.3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: Thresholds(-0.1), ValueError, "threshold: received -0.1, expected a number from 0 to 1"),
        (lambda: Thresholds([0.1, 2]), ValueError, "threshold: class 1 has 2, expected"),
        (lambda: Thresholds([[0.1]]), ValueError, r"threshold: shape is \(1, 1\), expected one number, or \(K,\)"),
        (lambda: Thresholds("half"), TypeError, "threshold: dtype is <U4"),
        (lambda: Thresholds([0.1, 0.2]).apply([[0.5] * 3]), ValueError, "3 labels, expected 2, one for each"),
        (lambda: Thresholds(0.1).apply([[0.5, -0.5]]), ValueError, "row 0 has -0.5 for class 1"),
        (lambda: Thresholds(0.1).apply([["a"]]), TypeError, "probabilities: dtype is <U1"),
    ],
)
def test_bad_input_is_named(act, error, message):
    with pytest.raises(error, match=message):
        act()

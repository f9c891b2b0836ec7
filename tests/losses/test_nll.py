import numpy as np
import pytest

import lastlayer as ll


def test_picks_the_label():
    log_probabilities = np.log(np.array([[[0.25, 0.75], [0.5, 0.5]]]))
    losses = ll.nll(log_probabilities, [[1, 0]])
    np.testing.assert_allclose(losses, -np.log([[0.75, 0.5]]), rtol=1e-15)


def test_worked_example():
    # "explaining softmax": the loss is -log(softmax), 0 when certain and right, unbounded when certain and wrong.
    losses = ll.nll(np.array([[0.0, -np.inf], [0.0, -np.inf]]), [0, 1])
    np.testing.assert_array_equal(losses, [0, np.inf])
    assert not np.signbit(losses[0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_agrees_with_cross_entropy(dtype):
    logits = np.random.default_rng(0).normal(size=(3, 4, 20)).astype(dtype)
    labels = np.random.default_rng(1).integers(0, 20, (3, 4))
    losses = ll.nll(ll.log_softmax(logits), labels)
    assert losses.dtype == dtype
    np.testing.assert_allclose(losses, ll.cross_entropy(logits, labels), rtol=4 * np.finfo(dtype).eps)


def test_trap_09_bad_labels_are_named():
    log_probabilities = np.log(np.full((3, 4), 0.25))
    with pytest.raises(ValueError, match=r"labels: row 1 is 4, but log_probabilities have 4 classes \(0 to 3\)\."):
        ll.nll(log_probabilities, [0, 4, -1])
    with pytest.raises(ValueError, match=r"labels: shape is \(2,\), expected \(3,\)"):
        ll.nll(log_probabilities, [0, 1])
    with pytest.raises(TypeError, match="labels: dtype is float64, expected integers"):
        ll.nll(log_probabilities, [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="log_probabilities: shape is \\(3, 0\\), expected at least one class"):
        ll.nll(np.zeros((3, 0)), [0, 0, 0])
    assert ll.nll(np.zeros((0, 3)), []).shape == (0,)


def test_classes_may_be_on_any_axis():
    rng = np.random.default_rng(0)
    log_probabilities = np.log(rng.random((4, 5, 6)))
    for axis in (-3, 0, 1, 2):
        last = np.moveaxis(log_probabilities, axis, -1)
        labels = rng.integers(0, last.shape[-1], last.shape[:-1])
        np.testing.assert_array_equal(ll.nll(log_probabilities, labels, axis=axis), ll.nll(last, labels))

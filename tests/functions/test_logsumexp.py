import math

import numpy as np
import pytest

import lastlayer as ll
from tests.functions.layouts import NAMES, in_layout
from tests.oracles import softmax as oracle

FLOATS = (np.float32, np.float64)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [1, 2, 20, 64, 500])
@pytest.mark.parametrize("beta", [0.01, 1.0, 500.0])
def test_matches_the_definition(dtype, num_classes, beta):
    rng = np.random.default_rng(num_classes)
    logits = (rng.normal(size=(5, num_classes)) * 4 + 30).astype(dtype)
    expected = [float(oracle.smooth_max(row, beta)) for row in logits]
    for values in (ll.smooth_max(logits, beta=beta), ll.smooth_max(logits.T, axis=0, beta=beta)):
        np.testing.assert_allclose(values, expected, rtol=2 * np.finfo(dtype).eps)
    if beta == 1.0:
        np.testing.assert_array_equal(ll.logsumexp(logits), ll.smooth_max(logits))


def test_literal_numbers():
    # "softmax activation tutorial": the exponentials of 2, 1 and 0.1 sum to 11.212.
    np.testing.assert_allclose(np.exp(ll.logsumexp(np.array([2.0, 1.0, 0.1]))), 11.212, atol=1e-3)
    # "explaining softmax": 2.59 + 2.69 + 2.66 = 7.94 at beta = 1.
    np.testing.assert_allclose(np.exp(ll.logsumexp([0.95, 0.99, 0.98])), 7.94, atol=5e-3)
    assert float(ll.smooth_max(np.array([0.0, 0.0]), beta=2.0)) == math.log(2) / 2


def test_smooth_max_rounds_the_corner_of_the_ramp():
    # "softmax in minutes": the soft version of max(x, 0) lies above it, most of all at the corner, by ln 2 / beta.
    x = np.linspace(-3, 3, 61)
    for beta in (1.0, 10.0, 100.0):
        gap = ll.smooth_max(np.stack([x, np.zeros_like(x)], -1), beta=beta) - np.maximum(x, 0)
        assert (gap >= 0).all()
        assert gap.argmax() == 30
        np.testing.assert_allclose(gap[30], math.log(2) / beta, rtol=1e-13)


def test_smooth_max_stays_within_its_bounds():
    logits = np.random.default_rng(0).normal(size=(40, 30))
    for beta in (0.1, 1.0, 20.0):
        values = ll.smooth_max(logits, beta=beta)
        assert (values >= logits.max(1)).all()
        assert (values <= logits.max(1) + math.log(30) / beta + 1e-12).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [3, 300])
def test_trap_04_rows_without_a_finite_maximum(dtype, num_classes):
    logits = np.zeros((5, num_classes), dtype)
    logits[0] = -np.inf
    logits[1, 1] = np.inf
    logits[2, 1] = np.nan
    logits[3, 1], logits[3, 2] = np.inf, np.nan
    expected = [-np.inf, np.inf, np.nan, np.nan, math.log(num_classes)]
    np.testing.assert_allclose(ll.logsumexp(logits), expected, rtol=1e-6)
    np.testing.assert_allclose(ll.logsumexp(logits.T, axis=0), expected, rtol=1e-6)
    np.testing.assert_allclose(ll.logsumexp(np.stack([logits, logits], -1), axis=1)[:, 1], expected, rtol=1e-6)


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize(("shape", "axis"), [((6, 5), -1), ((6, 130), 1), ((4, 7, 6), 1), ((5, 4, 3), 0), ((3,), 0)])
def test_trap_18_every_layout_gives_the_same_answer(layout, shape, axis):
    base = np.random.default_rng(8).normal(size=shape)
    expected = ll.logsumexp(base, axis=axis)
    np.testing.assert_allclose(ll.logsumexp(in_layout(base, layout), axis=axis), expected, rtol=1e-15)
    kept = ll.logsumexp(in_layout(base, layout), axis=axis, keepdims=True)
    np.testing.assert_allclose(kept, np.expand_dims(expected, axis), rtol=1e-15)


def test_trap_18_edges_of_shape():
    assert ll.logsumexp(np.float32(3.0)) == 3.0
    assert ll.logsumexp(np.zeros((0, 4), np.float32)).shape == (0,)
    assert ll.logsumexp(np.zeros((4, 0, 3)), axis=0).shape == (0, 3)
    assert ll.logsumexp(np.zeros(4)).shape == ()
    assert ll.logsumexp(np.zeros((2, 4), np.float16)).dtype == np.float16
    # The logarithm of a sum over nothing, as in SciPy; a maximum over nothing there is not.
    np.testing.assert_array_equal(ll.logsumexp(np.zeros((3, 0), np.float32)), np.full(3, -np.inf, np.float32))
    assert ll.logsumexp([]) == -np.inf
    assert ll.logsumexp(np.zeros((2, 0, 3)), axis=(0, 1), keepdims=True).shape == (1, 1, 3)
    with pytest.raises(ValueError, match="expected at least one class"):
        ll.smooth_max(np.zeros((3, 0)))
    with pytest.raises(ValueError, match="beta: received 0"):
        ll.smooth_max(np.zeros(3), beta=0)


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize("axis", [(1, 2), (0, 1), (0, -1), (2, 0, 1), None, (), (1,)])
def test_several_axes_are_the_classes_together(layout, axis):
    base = np.random.default_rng(8).normal(size=(3, 4, 5))
    axes = tuple(range(3)) if axis is None else axis
    expected = np.log(np.exp(base).sum(axes))
    logits = in_layout(base, layout)
    np.testing.assert_allclose(ll.logsumexp(logits, axis=axis), expected, rtol=1e-13, atol=1e-14)
    kept = ll.logsumexp(logits, axis=axis, keepdims=True)
    np.testing.assert_allclose(kept, np.log(np.exp(base).sum(axes, keepdims=True)), rtol=1e-13, atol=1e-14)
    sharp = ll.smooth_max(logits, axis=axis, beta=3.0)
    np.testing.assert_allclose(sharp, np.log(np.exp(3 * base).sum(axes)) / 3, rtol=1e-13, atol=1e-14)


def test_strided_rows_are_read_a_block_at_a_time():
    wide = np.random.default_rng(1).normal(size=(3000, 200)).astype(np.float32)
    np.testing.assert_array_equal(ll.logsumexp(wide[:, ::2]), ll.logsumexp(np.ascontiguousarray(wide[:, ::2])))

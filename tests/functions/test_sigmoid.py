import numpy as np
import pytest

import lastlayer as ll
from tests.functions.layouts import NAMES, in_layout
from tests.oracles import softmax as oracle

FLOATS = (np.float32, np.float64)


def sample(dtype):
    rng = np.random.default_rng(4)
    limit = 85 if dtype == np.float32 else 700
    return np.concatenate([rng.uniform(-limit, limit, 300), rng.normal(size=300), [0.0]]).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_matches_the_definition(dtype):
    logits = sample(dtype)
    errors = oracle.relative_errors(ll.sigmoid(logits), map(oracle.sigmoid, logits))
    assert max(errors) <= 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", FLOATS)
def test_log_sigmoid_matches_the_definition(dtype):
    logits = sample(dtype)
    errors = oracle.relative_errors(ll.log_sigmoid(logits), map(oracle.log_sigmoid, logits))
    assert max(errors) <= 2 * np.finfo(dtype).eps


def test_worked_example():
    # "softmax or sigmoid, in PyTorch": five scores and their probabilities.
    probabilities = ll.sigmoid(np.array([-0.401, 0.0468, -0.4071, 0.6252, 1.0899]))
    np.testing.assert_allclose(probabilities, [0.4011, 0.5117, 0.3996, 0.6514, 0.7484], atol=5.1e-5)


def test_two_classes():
    # "multi-class images": softmax([x, 0])[0] equals sigmoid(x).
    x = np.random.default_rng(2).normal(size=200) * 5
    np.testing.assert_allclose(ll.softmax(np.stack([x, np.zeros_like(x)], -1))[:, 0], ll.sigmoid(x), rtol=1e-15)


@pytest.mark.parametrize("dtype", FLOATS)
def test_ends_of_the_line(dtype):
    logits = np.array([-np.inf, np.inf, np.nan, 0.0, -0.0], dtype)
    np.testing.assert_array_equal(ll.sigmoid(logits), [0, 1, np.nan, 0.5, 0.5])
    np.testing.assert_array_equal(ll.log_sigmoid(logits)[:3], [-np.inf, 0, np.nan])
    largest = np.finfo(dtype).max
    np.testing.assert_array_equal(ll.sigmoid(np.array([-largest, largest], dtype)), [0, 1])
    np.testing.assert_array_equal(ll.log_sigmoid(np.array([-largest, largest], dtype)), [-largest, 0])


@pytest.mark.parametrize("layout", NAMES)
def test_trap_18_every_layout_gives_the_same_answer(layout):
    base = np.random.default_rng(8).normal(size=(4, 7, 6))
    np.testing.assert_allclose(ll.sigmoid(in_layout(base, layout)), 1 / (1 + np.exp(-base)), rtol=1e-14)


def test_trap_18_edges_of_shape_and_dtype():
    assert ll.sigmoid(0) == 0.5
    assert ll.sigmoid(np.float16(0)).dtype == np.float16
    assert ll.log_sigmoid(np.zeros((0, 3), np.float32)).shape == (0, 3)
    with pytest.raises(TypeError, match="logits: dtype is <U1"):
        ll.sigmoid(["a"])

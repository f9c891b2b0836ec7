import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from tests.functions.layouts import NAMES, in_layout
from tests.oracles import binary as oracle
from tests.oracles.softmax import relative_errors

FLOATS = (np.float32, np.float64)
# Both terms of the loss are >= 0, and the gradient is a product, so that nothing cancels anywhere.
BOUND = {np.float32: 4e-7, np.float64: 1e-15}


def problem(dtype, num_entries=400):
    """Scores as far as probabilities are normal numbers, and targets of every kind."""
    rng = np.random.default_rng(num_entries)
    limit = 85 if dtype == np.float32 else 700
    far, near = rng.uniform(-limit, limit, num_entries // 2), rng.normal(size=num_entries - num_entries // 2) * 2
    logits = rng.permutation(np.concatenate([far, near]))
    hard = rng.choice([0, 1, 0.5, 1e-6, 0.999], num_entries)
    targets = np.where(rng.random(num_entries) < 0.5, rng.random(num_entries), hard)
    return logits.astype(dtype), targets.astype(dtype)


def numpy_formula(logits, targets):
    """Losses and slopes in float64, for arrays that are too large for the oracle."""
    logits, targets = logits.astype(np.float64), targets.astype(np.float64)
    p, not_p = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(logits))
    return targets * not_p + (1 - targets) * p, (1 - 2 * targets) * p * not_p


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_08_losses_and_gradients_match_the_definition(dtype):
    logits, targets = problem(dtype)
    losses, gradient = ll.binary_likelihood_loss_value_and_grad(logits, targets)
    np.testing.assert_array_equal(ll.binary_likelihood_loss(logits, targets), losses)
    assert losses.dtype == gradient.dtype == dtype
    entries = list(zip(logits, targets, strict=True))
    assert max(relative_errors(losses, [oracle.likelihood(*entry) for entry in entries])) <= BOUND[dtype]
    assert max(relative_errors(gradient, [oracle.likelihood_slope(*entry) for entry in entries])) <= 2 * BOUND[dtype]


@settings(max_examples=40)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_trap_12_gradient_is_the_slope_of_each_loss(num_labels, seed):
    rng = np.random.default_rng(seed)
    logits, direction, upstream = rng.normal(size=(3, 4, num_labels)) * 2
    targets = rng.random((4, num_labels))
    step = 1e-5
    ahead, behind = (ll.binary_likelihood_loss(logits + s * direction, targets) for s in (step, -step))
    gradient = ll.binary_likelihood_loss_value_and_grad(logits, targets).gradient
    slope = (upstream * (ahead - behind)).sum() / (2 * step)
    np.testing.assert_allclose((upstream * gradient * direction).sum(), slope, rtol=1e-6, atol=1e-8)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_is_a_probability_and_yes_and_no_share_it(seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(size=50) * 10, rng.integers(0, 65, 50) / 64
    losses, gradient = ll.binary_likelihood_loss_value_and_grad(logits, targets)
    other = ll.binary_likelihood_loss_value_and_grad(logits, 1 - targets)
    assert ((losses >= 0) & (losses <= 1)).all()
    np.testing.assert_allclose(losses + other.losses, 1, rtol=1e-15)
    np.testing.assert_array_equal(gradient, -other.gradient)
    # Cross-entropy of a yes or no is minus the logarithm of what the opposite answer would lose.
    labels = targets > 0.5
    right = ll.binary_likelihood_loss(logits, ~labels)
    np.testing.assert_allclose(
        -np.log(right), ll.binary_cross_entropy_with_logits(logits, labels), rtol=1e-13, atol=1e-15
    )


def test_worked_example():
    # "multi-class images": with p = sigmoid(score), the mean over examples of 1 - p where the target is 1 and p where
    # it is 0. The scores and their probabilities are those of "softmax or sigmoid, in PyTorch".
    losses = ll.binary_likelihood_loss([-0.401, 0.0468, -0.4071, 0.6252, 1.0899], [1, 0, 0, 1, 1])
    np.testing.assert_allclose(losses, [1 - 0.4011, 0.5117, 0.3996, 1 - 0.6514, 1 - 0.7484], atol=5.1e-5)
    np.testing.assert_allclose(losses.mean(), (0.5989 + 0.5117 + 0.3996 + 0.3486 + 0.2516) / 5, atol=5.1e-5)
    # Howard and Gugger, Deep Learning for Coders with fastai and PyTorch (2020), chapter 4: predictions 0.9, 0.4, 0.2
    # of the targets 1, 0, 1 lose 0.1, 0.4, 0.8, in the mean 0.4333.
    predictions = np.array([0.9, 0.4, 0.2])
    losses = ll.binary_likelihood_loss(np.log(predictions / (1 - predictions)), [1, 0, 1])
    np.testing.assert_allclose(losses, [0.1, 0.4, 0.8], rtol=1e-14)
    np.testing.assert_allclose(losses.mean(), 0.4333, atol=5e-5)


def test_literal_numbers():
    losses, gradient = ll.binary_likelihood_loss_value_and_grad(np.zeros(4), [0, 1, 0.25, 0.5])
    np.testing.assert_array_equal(losses, 0.5)
    np.testing.assert_array_equal(gradient, [0.25, -0.25, 0.125, 0])
    # sigmoid(log 3) is 3/4.
    losses, gradient = ll.binary_likelihood_loss_value_and_grad(np.log([3.0, 3.0, 3.0]), [0, 1, 0.25])
    np.testing.assert_allclose(losses, [0.75, 0.25, 0.625], rtol=1e-15)
    np.testing.assert_allclose(gradient, [3 / 16, -3 / 16, 3 / 32], rtol=1e-15)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [1e4, np.inf])
def test_trap_01_large_logits(dtype, size):
    logits = np.array([size, size, size, -size, -size, -size], dtype)
    losses, gradient = ll.binary_likelihood_loss_value_and_grad(logits, [1, 0, 0.25, 1, 0, 0.25])
    np.testing.assert_array_equal(losses, [0, 1, 0.75, 1, 0, 0.25])
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_04_nan_stays_where_it_is(dtype):
    logits, targets = problem(dtype)
    wrong = np.array([3, 50, 51, 399])
    targets[wrong] = [0, 1, 0.5, 1]
    clean = ll.binary_likelihood_loss_value_and_grad(logits, targets)
    logits[wrong] = np.nan
    result = ll.binary_likelihood_loss_value_and_grad(logits, targets)
    for values, expected in zip(result, clean, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(values)), wrong)
        np.testing.assert_array_equal(np.delete(values, wrong), np.delete(expected, wrong))


@pytest.mark.parametrize("layout", NAMES)
def test_trap_18_every_layout_gives_the_same_answer(layout):
    rng = np.random.default_rng(8)
    base, targets = rng.normal(size=(3, 4, 6)) * 3, rng.random((3, 4, 6))
    expected, slopes = numpy_formula(base, targets)
    logits, wanted = in_layout(base, layout), in_layout(targets, layout)
    for pair in ((logits, targets), (base, wanted), (logits, wanted)):
        before = [array.copy() for array in pair]
        losses, gradient = ll.binary_likelihood_loss_value_and_grad(*pair)
        np.testing.assert_allclose(losses, expected, rtol=1e-14)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-14)
        np.testing.assert_allclose(ll.binary_likelihood_loss(*pair), expected, rtol=1e-14)
        for array, copy in zip(pair, before, strict=True):
            np.testing.assert_array_equal(array, copy)


def test_trap_18_edges_of_shape():
    for shape in ((0,), (0, 3), (3, 0), (2, 0, 3)):
        result = ll.binary_likelihood_loss_value_and_grad(np.zeros(shape, np.float32), np.zeros(shape))
        assert result.losses.shape == result.gradient.shape == shape
    single = ll.binary_likelihood_loss_value_and_grad(0.0, True)
    assert single.losses.shape == single.gradient.shape == ()
    assert single == (0.5, -0.25)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 4e-15)])
@pytest.mark.parametrize("shape", [(4095,), (4097,), (131_073,), (400_001,), (2, 25_000, 7)], ids=str)
def test_many_blocks_on_many_threads(dtype, bound, shape, monkeypatch):
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "3")
    rng = np.random.default_rng(18)
    logits, targets = (rng.normal(size=shape) * 4).astype(dtype), rng.random(shape).astype(dtype)
    expected, slopes = numpy_formula(logits, targets)
    losses, gradient = ll.binary_likelihood_loss_value_and_grad(logits, targets)
    np.testing.assert_allclose(losses, expected, rtol=bound)
    np.testing.assert_allclose(gradient, slopes, rtol=bound)
    np.testing.assert_array_equal(ll.binary_likelihood_loss(logits, targets), losses)


def test_dtype_rule():
    for logits in ([1, 0], np.array([1, 0], np.int8), np.array([True, False])):
        result = ll.binary_likelihood_loss_value_and_grad(logits, [1, 0])
        assert result.losses.dtype == result.gradient.dtype == np.float64
        np.testing.assert_allclose(result.losses, [1 / (1 + np.e), 0.5], rtol=1e-15)
    logits, targets = (values.astype(np.float16) for values in problem(np.float32))
    half = ll.binary_likelihood_loss_value_and_grad(logits, targets)
    assert half.losses.dtype == half.gradient.dtype == np.float16
    wide = ll.binary_likelihood_loss_value_and_grad(logits.astype(np.float32), targets)
    assert wide.losses.dtype == wide.gradient.dtype == np.float32
    np.testing.assert_array_equal(half.losses, wide.losses.astype(np.float16))
    np.testing.assert_array_equal(half.gradient, wide.gradient.astype(np.float16))
    # Labels of any kind are the same labels.
    labels = targets > 0.5
    expected = ll.binary_likelihood_loss(logits, labels)
    for kind in (np.float16, np.float64, np.int64, np.uint8):
        np.testing.assert_array_equal(ll.binary_likelihood_loss(logits, labels.astype(kind)), expected)


@pytest.mark.parametrize("code", ["f2", "f4", "f8"])
def test_byte_order_does_not_matter(code):
    logits, targets = (values.astype(code) for values in problem(np.float32, 60))
    expected = ll.binary_likelihood_loss_value_and_grad(logits, targets)
    result = ll.binary_likelihood_loss_value_and_grad(logits.astype(">" + code), targets.astype(">" + code))
    assert result.losses.dtype == result.gradient.dtype == np.dtype(code)
    np.testing.assert_array_equal(result, expected)


FUNCTIONS = pytest.mark.parametrize("function", [ll.binary_likelihood_loss, ll.binary_likelihood_loss_value_and_grad])


@FUNCTIONS
@pytest.mark.parametrize(("wrong", "named"), [(-0.25, r"-0\.25"), (1.5, r"1\.5"), (np.nan, "nan"), (np.inf, "inf")])
def test_targets_outside_0_to_1_are_named(function, wrong, named):
    targets = np.full((3, 4), 0.5)
    # Entry [2, 3] is wrong too, but comes later.
    targets[1, 2], targets[2, 3] = wrong, -7
    with pytest.raises(ValueError, match=rf"^targets: entry \[1, 2\] is {named}, expected a number from 0 to 1\.$"):
        function(np.zeros((3, 4)), targets)


@FUNCTIONS
def test_bad_arguments_are_named(function):
    logits, targets = np.zeros((2, 3)), np.zeros((2, 3))
    for wrong in (targets[0], targets[:, :1], targets[None], 0):
        with pytest.raises(ValueError, match=r"targets: shape is \(.*\), expected \(2, 3\), one for each logit\."):
            function(logits, wrong)
    with pytest.raises(TypeError, match="targets: dtype is <U3, expected real numbers"):
        function(logits, [["yes"] * 3] * 2)
    with pytest.raises(TypeError, match="logits: dtype is complex128, expected real numbers"):
        function(logits * 1j, targets)
    with pytest.raises(TypeError, match="logits: received a sparse matrix, expected a dense array"):
        function(sp.csr_array(logits), targets)
    with pytest.raises(TypeError, match="targets: received a sparse matrix, expected a dense array"):
        function(logits, sp.csr_array(targets))


@FUNCTIONS
def test_torch_tensors_are_refused(function):
    import torch

    logits, targets = np.zeros((2, 3)), np.zeros((2, 3))
    with pytest.raises(TypeError, match=r"logits: received a torch\.Tensor, expected a NumPy array"):
        function(torch.tensor(logits), targets)
    with pytest.raises(TypeError, match=r"targets: received a torch\.Tensor, expected a NumPy array"):
        function(logits, torch.tensor(targets))

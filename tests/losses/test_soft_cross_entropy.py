import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from tests.functions.layouts import NAMES, in_layout
from tests.oracles import soft_cross_entropy as oracle
from tests.oracles.softmax import relative_errors, scaled_errors

FLOATS = (np.float32, np.float64)
# Every term of the loss is >= 0, so that a sum of them is as accurate as they are.
BOUND = {np.float32: 4e-7, np.float64: 1e-15}
# Short rows, rows, and lengths at the edges of their blocks.
WIDTHS = (1, 2, 7, 33, 63, 64, 65, 300)


def problem(dtype, num_classes, num_rows=5, spread=3.0):
    rng = np.random.default_rng(num_classes)
    logits = (rng.normal(size=(num_rows, num_classes)) * spread).astype(dtype)
    return logits, rng.dirichlet(np.full(num_classes, 0.5), num_rows).astype(dtype)


def expected_gradient(logits, targets):
    return np.array([oracle.gradient(row, target) for row, target in zip(logits, targets, strict=True)], np.float64)


def numpy_formula(logits, targets):
    """Losses and gradient in float64, for arrays that are too large for the oracle."""
    logits, targets = logits.astype(np.float64), targets.astype(np.float64)
    below = logits - logits.max(1, keepdims=True)
    total = np.exp(below).sum(1, keepdims=True)
    mass = targets.sum(1, keepdims=True)
    losses = (targets * (np.log(total) - below)).sum(1)
    return losses, mass * np.exp(below) / total - targets


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", WIDTHS)
def test_losses_and_gradients_match_the_definition(dtype, num_classes):
    logits, targets = problem(dtype, num_classes)
    losses, gradient = ll.soft_cross_entropy_value_and_grad(logits, targets)
    np.testing.assert_array_equal(ll.soft_cross_entropy(logits, targets), losses)
    assert losses.dtype == gradient.dtype == dtype
    expected = [oracle.loss(row, target) for row, target in zip(logits, targets, strict=True)]
    assert max(relative_errors(losses, expected)) <= BOUND[dtype]
    # A difference p - t is as accurate as p and t are, and near 0 where they are equal.
    slopes = expected_gradient(logits, targets)
    assert (abs(gradient - slopes) <= 2 * BOUND[dtype] * (slopes + 2 * targets)).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [2, 10, 100, 1000])
@pytest.mark.parametrize("lead", [0.0, 17.3, 80.0, *(pytest.param(x, marks=pytest.mark.thorough) for x in (5.0, 30.0))])
def test_trap_06_and_08_a_confident_right_answer_keeps_its_relative_accuracy(dtype, num_classes, lead):
    logits, _ = problem(dtype, num_classes, num_rows=3, spread=1.0)
    labels = np.array([0, num_classes - 1, num_classes // 2])
    logits[np.arange(3), labels] = logits.max() + dtype(lead)
    losses, gradient = ll.soft_cross_entropy_value_and_grad(logits, np.eye(num_classes, dtype=dtype)[labels])
    for i, label in enumerate(labels):
        one_hot = np.arange(num_classes) == label
        assert scaled_errors([losses[i]], [oracle.loss(logits[i], one_hot)])[0] <= BOUND[dtype]
        expected = oracle.gradient(logits[i], one_hot)
        assert max(scaled_errors(gradient[i], expected)) <= 2 * BOUND[dtype]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("lead", [10.0, 80.0])
def test_trap_06_a_nearly_one_hot_target_keeps_the_relative_accuracy_of_its_loss(dtype, lead):
    logits = np.array([lead, 0.5, -1.0, 0.0], dtype)
    for rest in (1e-3, 1e-9, 1e-30):
        target = np.array([1 - 3 * rest, rest, rest, rest], dtype)
        loss = ll.soft_cross_entropy(logits, target)
        assert scaled_errors([loss], [oracle.loss(logits, target)])[0] <= BOUND[dtype]


def test_trap_08_a_confident_right_answer_to_a_nearly_one_hot_target():
    logits = np.array([30, 0, 0], np.float32)
    target = np.array([1 - 2**-24, 2e-8, 2e-8], np.float32)
    gradient = ll.soft_cross_entropy_value_and_grad(logits, target).gradient
    assert max(relative_errors(gradient, oracle.gradient(logits, target))) <= 1e-5


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [2, 60, 200])
def test_one_hot_targets_give_cross_entropy(dtype, num_classes):
    logits, _ = problem(dtype, num_classes, num_rows=40)
    labels = np.random.default_rng(1).integers(0, num_classes, 40)
    expected = ll.cross_entropy_value_and_grad(logits, labels)
    for kind in (dtype, bool, np.int64):
        losses, gradient = ll.soft_cross_entropy_value_and_grad(logits, np.eye(num_classes, dtype=kind)[labels])
        np.testing.assert_allclose(losses, expected.losses, rtol=2 * BOUND[dtype])
        np.testing.assert_allclose(gradient, expected.gradient, rtol=4 * BOUND[dtype])


@settings(max_examples=40)
@given(st.integers(1, 90), st.floats(-9e-4, 9e-4), st.integers(0, 2**32 - 1))
def test_trap_12_gradient_is_the_slope_of_each_loss(num_classes, surplus, seed):
    rng = np.random.default_rng(seed)
    logits, direction = rng.normal(size=(2, 4, num_classes))
    targets = rng.dirichlet(np.ones(num_classes), 4) * (1 + surplus)
    upstream = rng.normal(size=4)
    step = 1e-5
    ahead, behind = (ll.soft_cross_entropy(logits + s * direction, targets) for s in (step, -step))
    gradient = ll.soft_cross_entropy_value_and_grad(logits, targets).gradient
    slope = upstream @ (ahead - behind) / (2 * step)
    np.testing.assert_allclose((upstream[:, None] * gradient * direction).sum(), slope, rtol=1e-6, atol=1e-8)


@settings(max_examples=40)
@given(st.integers(1, 90), st.floats(-50, 50), st.integers(0, 2**32 - 1))
def test_least_loss_is_the_entropy_at_the_logarithm_of_the_target(num_classes, shift, seed):
    rng = np.random.default_rng(seed)
    targets = rng.dirichlet(np.ones(num_classes), 3)
    least = np.array([oracle.entropy(target) for target in targets], np.float64)
    losses, gradient = ll.soft_cross_entropy_value_and_grad(np.log(targets) + shift, targets)
    np.testing.assert_allclose(losses, least, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(gradient, 0, atol=1e-13)
    elsewhere = rng.normal(size=targets.shape) + np.log(targets)
    assert (ll.soft_cross_entropy(elsewhere, targets) >= least - 1e-14).all()


@settings(max_examples=40)
@given(st.integers(2, 90), st.floats(-50, 50), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_ignores_a_shift_and_is_linear_in_the_targets(num_classes, shift, part, seed):
    rng = np.random.default_rng(seed)
    logits, (first, second) = rng.normal(size=(4, num_classes)), rng.dirichlet(np.ones(num_classes), (2, 4))
    mixed = ll.soft_cross_entropy_value_and_grad(logits, part * first + (1 - part) * second)
    np.testing.assert_allclose(mixed.gradient.sum(1), 0, atol=1e-15 * num_classes)
    a, b = (ll.soft_cross_entropy_value_and_grad(logits + shift, targets) for targets in (first, second))
    np.testing.assert_allclose(mixed.losses, part * a.losses + (1 - part) * b.losses, rtol=1e-12)
    np.testing.assert_allclose(mixed.gradient, part * a.gradient + (1 - part) * b.gradient, rtol=1e-12, atol=1e-13)


def test_literal_numbers():
    # "softmax activation tutorial": probabilities 0.659, 0.242, 0.099.
    loss = ll.soft_cross_entropy(np.array([2.0, 1.0, 0.1]), [0.7, 0.2, 0.1])
    np.testing.assert_allclose(loss, -np.dot([0.7, 0.2, 0.1], np.log([0.659, 0.242, 0.099])), atol=1e-3)
    # Cover and Thomas, Elements of Information Theory (2006), example 1.1.2: a horse race has 2 bits of entropy, and
    # takes 3 of who knows nothing.
    race = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 64, 1 / 64, 1 / 64, 1 / 64])
    bits = ll.soft_cross_entropy(np.stack([np.log(race), np.zeros(8)]), np.stack([race, race])) / np.log(2)
    np.testing.assert_allclose(bits, [2, 3], rtol=1e-15)
    # Example 2.3.1 there, of r = 1/2 and s = 1/4: D(p||q) = 0.2075 bits and D(q||p) = 0.1887 bits.
    p, q = np.array([1 / 2, 1 / 2]), np.array([3 / 4, 1 / 4])
    pair = np.stack([p, q])
    divergence = ll.soft_cross_entropy(np.log([q, p]), pair) - ll.soft_cross_entropy(np.log(pair), pair)
    np.testing.assert_allclose(divergence / np.log(2), [0.2075, 0.1887], atol=5e-5)
    gradient = ll.soft_cross_entropy_value_and_grad(np.zeros((1, 4)), [[0.5, 0.25, 0.25, 0]]).gradient
    np.testing.assert_array_equal(gradient, [[-0.25, 0, 0, 0.25]])


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_01_and_07_large_logits_and_small_gaps(dtype):
    logits = np.array(
        [
            [1e4, -1e4, 0, 1e4],
            [-1e4, -1e4 + 1e-3, -1e4 - 2e-3, -1e4],
            [1e4 + 1e-3, 1e4, 1e4 + 5e-3, 1e4],
            [1e4, 1e4 - 90, 1e4 - 20, 1e4 - 1e-3],
        ],
        dtype,
    )
    targets = np.array([[0.25, 0.25, 0.5, 0], [0, 0.5, 0.5, 0], [1, 0, 0, 0], [0, 0, 0.0625, 0.9375]], dtype)
    losses, gradient = ll.soft_cross_entropy_value_and_grad(logits, targets)
    expected = [oracle.loss(row, target) for row, target in zip(logits, targets, strict=True)]
    assert max(relative_errors(losses, expected)) <= BOUND[dtype]
    slopes = expected_gradient(logits, targets)
    assert (abs(gradient - slopes) <= 2 * BOUND[dtype] * (slopes + 2 * targets)).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [4, 200])
def test_trap_02_masked_classes(dtype, num_classes):
    logits, targets = problem(dtype, num_classes)
    masked = np.zeros(num_classes, bool)
    masked[1::2] = True
    logits[:, masked] = -np.inf
    targets[:, masked] = 0
    targets /= targets.sum(1, keepdims=True)
    losses, gradient = ll.soft_cross_entropy_value_and_grad(logits, targets)
    np.testing.assert_array_equal(ll.soft_cross_entropy(logits, targets), losses)
    expected = [oracle.loss(row, target) for row, target in zip(logits, targets, strict=True)]
    assert max(relative_errors(losses, expected)) <= BOUND[dtype]
    assert (gradient[:, masked] == 0).all()
    slopes = expected_gradient(logits, targets)
    assert (abs(gradient - slopes) <= 2 * BOUND[dtype] * (slopes + 2 * targets)).all()
    # An impossible class that was wanted costs +inf, in its row alone.
    targets[1, 1], targets[2] = 1e-4, np.arange(num_classes) == 3
    for wrong in (ll.soft_cross_entropy(logits, targets), ll.soft_cross_entropy_value_and_grad(logits, targets).losses):
        np.testing.assert_array_equal(wrong[1:3], np.inf)
        np.testing.assert_array_equal(wrong[[0, 3, 4]], losses[[0, 3, 4]])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("only", [0, 150, 299])
def test_trap_03_blocks_of_impossible_classes(dtype, only):
    logits, targets = np.full((2, 300), -np.inf, dtype), np.zeros((2, 300), dtype)
    logits[:, only], targets[:, only] = [-1e4, 3.0], 1
    losses, gradient = ll.soft_cross_entropy_value_and_grad(logits, targets)
    np.testing.assert_array_equal(losses, 0)
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [4, 200])
def test_trap_04_a_row_without_a_meaning_is_nan_alone(dtype, num_classes):
    logits, targets = problem(dtype, num_classes, num_rows=6)
    # Not even a target of 0 makes NaN or +inf go away.
    targets[4] = np.arange(num_classes) == 0
    clean = ll.soft_cross_entropy_value_and_grad(logits, targets)
    logits[1, 2], logits[2], logits[3, 0], logits[4, -1] = np.nan, -np.inf, np.inf, np.nan
    losses, gradient = ll.soft_cross_entropy_value_and_grad(logits, targets)
    np.testing.assert_array_equal(ll.soft_cross_entropy(logits, targets), losses)
    assert np.isnan(losses[1:5]).all()
    assert np.isnan(gradient[1:5]).all()
    np.testing.assert_array_equal(losses[[0, 5]], clean.losses[[0, 5]])
    np.testing.assert_array_equal(gradient[[0, 5]], clean.gradient[[0, 5]])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [2, 60, 500])
def test_trap_15_a_loss_is_never_negative(dtype, num_classes):
    rng = np.random.default_rng(num_classes)
    logits = (rng.normal(size=(300, num_classes)) * 20 + 1e4).astype(dtype)
    losses = ll.soft_cross_entropy(logits, np.eye(num_classes)[logits.argmax(1)])
    assert (losses >= 0).all()
    assert not np.signbit(losses).any()


def test_trap_16_a_million_classes():
    num_classes = 1_000_003
    logits = (np.random.default_rng(16).normal(size=(1, num_classes)) * 4).astype(np.float32)
    targets = np.zeros_like(logits)
    targets[0, :2] = 0.25, 0.75
    losses, gradient = ll.soft_cross_entropy_value_and_grad(logits, targets)
    expected, slopes = numpy_formula(logits, targets)
    np.testing.assert_allclose(losses, expected, rtol=4e-7)
    p = slopes[0, 2:]
    assert (abs(gradient[0, 2:] - p) <= 4e-7 * p * (1 - np.log(p))).all()


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize("num_classes", [6, 130])
def test_trap_18_every_layout_gives_the_same_answer(layout, num_classes):
    rng = np.random.default_rng(8)
    base, targets = rng.normal(size=(3, 4, num_classes)), rng.dirichlet(np.ones(num_classes), (3, 4))
    expected = ll.soft_cross_entropy_value_and_grad(base, targets)
    np.testing.assert_allclose(expected.losses.ravel(), numpy_formula(*_rows(base, targets))[0], rtol=1e-14)
    logits, probabilities = in_layout(base, layout), in_layout(targets, layout)
    for pair in ((logits, targets), (base, probabilities), (logits, probabilities)):
        before = [array.copy() for array in pair]
        np.testing.assert_allclose(ll.soft_cross_entropy(*pair), expected.losses, rtol=1e-14)
        for out in (None, np.empty(base.shape), np.empty(base.shape, order="F"), np.empty((3, 4, 2 * num_classes))):
            into = out if out is None else out[..., ::-1][..., :num_classes]
            result = ll.soft_cross_entropy_value_and_grad(*pair, out=into)
            np.testing.assert_allclose(result.losses, expected.losses, rtol=1e-14)
            np.testing.assert_allclose(result.gradient, expected.gradient, rtol=1e-14)
            assert into is None or result.gradient is into
        for array, copy in zip(pair, before, strict=True):
            np.testing.assert_array_equal(array, copy)


def _rows(*arrays):
    return [array.reshape(-1, array.shape[-1]) for array in arrays]


def test_trap_18_edges_of_shape():
    empty = ll.soft_cross_entropy_value_and_grad(np.zeros((0, 3), np.float32), np.zeros((0, 3)))
    assert empty.losses.shape == (0,)
    assert empty.gradient.shape == (0, 3)
    assert ll.soft_cross_entropy(np.zeros((2, 0, 3)), np.zeros((2, 0, 3))).shape == (2, 0)
    single = ll.soft_cross_entropy_value_and_grad(np.zeros(4, np.float32), [0.5, 0.25, 0.25, 0])
    assert single.losses.shape == ()
    assert single.gradient.tolist() == [-0.25, 0, 0, 0.25]
    assert ll.soft_cross_entropy(7.0, 1.0) == 0
    one_class = ll.soft_cross_entropy_value_and_grad(np.full((3, 1), 9.0), np.full((3, 1), 1.0005))
    np.testing.assert_array_equal(one_class.losses, 0)
    np.testing.assert_array_equal(one_class.gradient, 0)
    for function in (ll.soft_cross_entropy, ll.soft_cross_entropy_value_and_grad):
        with pytest.raises(ValueError, match=r"logits: shape is \(3, 0\), expected at least one class"):
            function(np.zeros((3, 0)), np.zeros((3, 0)))


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape", [(60_001, 7), (1_500, 300)])
def test_many_blocks_on_many_threads(dtype, bound, shape, monkeypatch):
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "3")
    rng = np.random.default_rng(18)
    logits = (rng.normal(size=shape) * 3).astype(dtype)
    targets = rng.dirichlet(np.ones(shape[1]), len(logits)).astype(dtype)
    expected, slopes = numpy_formula(logits, targets)
    strided = np.repeat(logits, 2, axis=0)[::2]
    for probabilities in (targets, np.asfortranarray(targets), targets.astype(np.float64), targets.astype(">f8")):
        for scores in (logits, strided, np.asfortranarray(logits)):
            losses, gradient = ll.soft_cross_entropy_value_and_grad(scores, probabilities)
            np.testing.assert_allclose(losses, expected, rtol=bound)
            np.testing.assert_allclose(gradient, slopes, rtol=bound, atol=bound)
    np.testing.assert_allclose(ll.soft_cross_entropy(strided, targets.astype(np.float64)), expected, rtol=bound)


@pytest.mark.parametrize("num_classes", [6, 130])
def test_gradient_may_replace_what_was_given(num_classes):
    base, targets = problem(np.float32, num_classes)
    expected = ll.soft_cross_entropy_value_and_grad(base, targets)
    logits, probabilities = base.copy(), targets.copy()
    over_logits = ll.soft_cross_entropy_value_and_grad(logits, targets, out=logits)
    over_targets = ll.soft_cross_entropy_value_and_grad(base, probabilities, out=probabilities)
    memory = np.concatenate([base, base[:1]])
    overlapping = ll.soft_cross_entropy_value_and_grad(memory[:-1], targets, out=memory[1:])
    assert over_logits.gradient is logits
    assert over_targets.gradient is probabilities
    for result in (over_logits, over_targets, overlapping):
        np.testing.assert_array_equal(result.losses, expected.losses)
        np.testing.assert_array_equal(result.gradient, expected.gradient)


def test_dtype_rule():
    for logits in ([[1, 2, 3]], np.array([[1, 2, 3]], np.int8), np.array([[True, False, True]])):
        result = ll.soft_cross_entropy_value_and_grad(logits, [[0.5, 0.25, 0.25]])
        assert result.losses.dtype == result.gradient.dtype == np.float64
    logits, targets = problem(np.float16, 5)
    half = ll.soft_cross_entropy_value_and_grad(logits, targets)
    assert half.losses.dtype == half.gradient.dtype == np.float16
    wide = ll.soft_cross_entropy_value_and_grad(logits.astype(np.float32), targets)
    np.testing.assert_array_equal(half.losses, wide.losses.astype(np.float16))
    np.testing.assert_array_equal(half.gradient, wide.gradient.astype(np.float16))
    out = np.empty((5, 5), np.float16)
    assert ll.soft_cross_entropy_value_and_grad(logits, targets, out=out).gradient is out
    np.testing.assert_array_equal(out, half.gradient)
    # The logits decide, not the targets.
    assert ll.soft_cross_entropy(np.zeros((1, 2), np.float32), [[0.5, 0.5]]).dtype == np.float32


@pytest.mark.parametrize("code", ["f2", "f4", "f8"])
def test_byte_order_does_not_matter(code):
    logits, targets = problem(np.dtype(code).type, 5)
    expected = ll.soft_cross_entropy_value_and_grad(logits, targets)
    swapped = ll.soft_cross_entropy_value_and_grad(logits.astype(">" + code), targets.astype(">" + code))
    assert swapped.losses.dtype == swapped.gradient.dtype == np.dtype(code)
    np.testing.assert_array_equal(swapped.losses, expected.losses)
    np.testing.assert_array_equal(swapped.gradient, expected.gradient)


@pytest.mark.parametrize("function", [ll.soft_cross_entropy, ll.soft_cross_entropy_value_and_grad])
@pytest.mark.parametrize(
    ("row", "what"),
    [
        ([0.5, -0.25, 0.75], r"has -0\.25 for class 1, expected numbers from 0 to 1"),
        ([0.0, 0.25, 1.5], r"has 1\.5 for class 2, expected numbers from 0 to 1"),
        ([np.nan, 0.5, 0.5], "has nan for class 0, expected numbers from 0 to 1"),
        ([0.5, np.inf, 0.5], "has inf for class 1, expected numbers from 0 to 1"),
        ([0.5, 0.25, 0.2], r"sums to 0\.95, expected 1 within 0\.001"),
        ([0.5, 0.25, 0.2511], r"sums to 1\.0011, expected 1 within 0\.001"),
        ([0.0, 0.0, 0.0], r"sums to 0, expected 1 within 0\.001"),
    ],
)
def test_targets_that_are_no_distribution_are_named(function, row, what):
    # Row 2 is wrong too, but comes later.
    targets = np.array([[0.25, 0.25, 0.5], row, [9, 9, 9]])
    with pytest.raises(
        ValueError, match=rf"^probabilities: row 1 {what}; pass softmax\(scores\) if these are scores\.$"
    ):
        function(np.zeros((3, 3)), targets)
    two_axes = np.full((2, 3, 3), 1 / 3)
    two_axes[1, 2] = row
    with pytest.raises(ValueError, match=rf"^probabilities: row \(1, 2\) {what}; pass softmax"):
        function(np.zeros((2, 3, 3)), two_axes)


def test_targets_are_taken_as_they_are_within_a_thousandth():
    logits, targets = np.zeros((3, 3)), np.array([[0.5, 0.25, 0.2509], [0.5, 0.25, 0.2491], [0.9992, 0, 0]])
    logits[2, 0] = 40
    losses, gradient = ll.soft_cross_entropy_value_and_grad(logits, targets)
    np.testing.assert_allclose(losses[:2], np.log(3) * np.array([1.0009, 0.9991]), rtol=1e-14)
    np.testing.assert_allclose(gradient[:2], np.array([[1.0009], [0.9991]]) / 3 - targets[:2], rtol=1e-13)
    assert max(relative_errors(gradient[2], oracle.gradient(logits[2], targets[2]))) <= 2e-15


@pytest.mark.parametrize("row", [[np.inf, -np.inf], [1e308, 1e308]])
def test_scores_that_have_no_sum_are_refused_without_a_warning(row):
    with pytest.raises(ValueError, match="expected numbers from 0 to 1"):
        ll.soft_cross_entropy(np.zeros((1, 2)), [row])


@pytest.mark.parametrize("function", [ll.soft_cross_entropy, ll.soft_cross_entropy_value_and_grad])
def test_bad_arguments_are_named(function):
    logits, targets = np.zeros((2, 3)), np.full((2, 3), 1 / 3)
    for wrong in (targets[0], targets[:, :2], targets[None], [0, 1]):
        with pytest.raises(ValueError, match=r"probabilities: shape is \(.*\), expected \(2, 3\), like logits\."):
            function(logits, wrong)
    with pytest.raises(ValueError, match="probabilities: rows of different lengths"):
        function(logits, [[1, 0, 0], [1, 0]])
    with pytest.raises(TypeError, match="probabilities: dtype is <U1, expected real numbers"):
        function(logits, [["a"] * 3] * 2)
    with pytest.raises(TypeError, match="logits: dtype is complex128, expected real numbers"):
        function(logits * 1j, targets)
    for sparse in (sp.csr_array, sp.coo_matrix):
        with pytest.raises(TypeError, match="logits: received a sparse matrix, expected a dense array"):
            function(sparse(logits), targets)
        with pytest.raises(TypeError, match="probabilities: received a sparse matrix, expected a dense array"):
            function(logits, sparse(targets))


@pytest.mark.parametrize("function", [ll.soft_cross_entropy, ll.soft_cross_entropy_value_and_grad])
def test_torch_tensors_are_refused(function):
    import torch

    logits, targets = np.zeros((2, 3)), np.full((2, 3), 1 / 3)
    with pytest.raises(TypeError, match=r"logits: received a torch\.Tensor, expected a NumPy array"):
        function(torch.tensor(logits), targets)
    with pytest.raises(TypeError, match=r"probabilities: received a torch\.Tensor, expected a NumPy array"):
        function(logits, torch.tensor(targets))


def test_bad_out_is_named():
    logits, targets = np.zeros((2, 3), np.float32), np.full((2, 3), 1 / 3)
    read_only = np.zeros((2, 3), np.float32)
    read_only.flags.writeable = False
    for out, error, what in (
        ([[0] * 3] * 2, TypeError, r"out: received list, expected a NumPy array of shape \(2, 3\)"),
        (np.zeros((2, 2), np.float32), ValueError, r"out: is float32 of shape \(2, 2\), expected float32 of shape"),
        (np.zeros((2, 3)), ValueError, r"out: is float64 of shape \(2, 3\), expected float32 of shape \(2, 3\), like"),
        (read_only, ValueError, "out: is read-only"),
    ):
        with pytest.raises(error, match=what):
            ll.soft_cross_entropy_value_and_grad(logits, targets, out=out)


def test_a_refused_call_leaves_out_alone():
    logits, out = np.zeros((2, 3)), np.full((2, 3), 7.0)
    with pytest.raises(ValueError, match="row 0 sums to 0"):
        ll.soft_cross_entropy_value_and_grad(logits, np.zeros((2, 3)), out=out)
    np.testing.assert_array_equal(out, 7)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 3), (4, 7, 6), (2, 60, 3, 5)])
def test_classes_may_be_on_any_axis(dtype, shape):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=shape).astype(dtype)
    for axis in range(-len(shape), len(shape)):
        targets = np.moveaxis(rng.dirichlet(np.ones(shape[axis]), np.delete(shape, axis)), -1, axis).astype(dtype)
        last = [np.ascontiguousarray(np.moveaxis(array, axis, -1)) for array in (logits, targets)]
        expected = ll.soft_cross_entropy_value_and_grad(*last)
        tolerance = {"rtol": 100 * np.finfo(dtype).eps, "atol": 10 * np.finfo(dtype).eps}
        out = np.full_like(logits, np.nan)
        # Targets and logits in memory of the same order or of two.
        for array in (logits, np.asfortranarray(logits), np.repeat(logits, 2, -1)[..., ::2]):
            for weights in (targets, np.asfortranarray(targets), targets.astype(np.float64)):
                losses = ll.soft_cross_entropy(array, weights, axis=axis)
                np.testing.assert_allclose(losses, expected.losses, **tolerance)
                found = ll.soft_cross_entropy_value_and_grad(array, weights, axis=axis, out=out)
                np.testing.assert_allclose(found.losses, expected.losses, **tolerance)
                np.testing.assert_allclose(np.moveaxis(out, axis, -1), expected.gradient, **tolerance)


def test_an_example_that_is_no_distribution_is_named_along_any_axis():
    targets = np.full((2, 3, 4), 1 / 3)
    targets[1, 2, 3] = 2
    with pytest.raises(ValueError, match=r"row \(1, 3\) has 2 for class 2, expected numbers from 0 to 1"):
        ll.soft_cross_entropy(np.zeros((2, 3, 4)), targets, axis=1)

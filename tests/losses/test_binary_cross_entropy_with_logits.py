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
# Both terms of the loss are >= 0, so that their sum is as accurate as they are.
BOUND = {np.float32: 4e-7, np.float64: 1e-15}


def problem(dtype, num_entries=400):
    """Scores as far as probabilities are normal numbers, targets of every kind and weights, some of them 0."""
    rng = np.random.default_rng(num_entries)
    limit = 85 if dtype == np.float32 else 700
    far, near = rng.uniform(-limit, limit, num_entries // 2), rng.normal(size=num_entries - num_entries // 2) * 2
    logits = rng.permutation(np.concatenate([far, near]))
    hard = rng.choice([0, 1, 0.5, 1e-6, 0.999], num_entries)
    targets = np.where(rng.random(num_entries) < 0.5, rng.random(num_entries), hard)
    weight = np.where(rng.random(num_entries) < 0.1, 0, 5 * rng.random(num_entries))
    return logits.astype(dtype), targets.astype(dtype), weight.astype(dtype)


def numpy_formula(logits, targets, weight=1.0):
    """Losses and slopes in float64, for arrays that are too large for the oracle."""
    logits, targets, weight = (np.asarray(values, np.float64) for values in (logits, targets, weight))
    smaller = np.exp(-abs(logits))
    p, not_p = (np.where(sign * logits < 0, smaller, 1) / (1 + smaller) for sign in (1, -1))
    losses = weight * targets * np.logaddexp(0, -logits) + (1 - targets) * np.logaddexp(0, logits)
    return losses, (1 - targets) * p - weight * targets * not_p


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_gradients_match_the_definition(dtype, weighted):
    logits, targets, weight = problem(dtype)
    options = {"positive_weight": weight} if weighted else {}
    losses, gradient = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets, **options)
    np.testing.assert_array_equal(ll.binary_cross_entropy_with_logits(logits, targets, **options), losses)
    assert losses.dtype == gradient.dtype == dtype
    entries = list(zip(logits, targets, weight if weighted else np.ones_like(logits), strict=True))
    assert max(relative_errors(losses, [oracle.cross_entropy(*entry) for entry in entries])) <= BOUND[dtype]
    # A difference of two terms is as accurate as they are, and near 0 where they are equal.
    terms = np.array([oracle.cross_entropy_slope_terms(*entry) for entry in entries], np.float64)
    assert (abs(gradient - (terms[:, 0] - terms[:, 1])) <= BOUND[dtype] * terms.sum(1)).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_06_and_08_a_confident_right_answer_keeps_its_relative_accuracy(dtype):
    leads = np.linspace(0, 85 if dtype == np.float32 else 700, 120).astype(dtype)
    for sign, target in ((1, 1), (-1, 0)):
        losses, gradient = ll.binary_cross_entropy_with_logits_value_and_grad(sign * leads, np.full(120, target))
        expected = [oracle.cross_entropy(sign * lead, target) for lead in leads]
        slopes = [oracle.cross_entropy_slope(sign * lead, target) for lead in leads]
        assert max(relative_errors(losses, expected)) <= BOUND[dtype]
        assert max(relative_errors(gradient, slopes)) <= BOUND[dtype]


@settings(max_examples=40)
@given(st.integers(1, 40), st.booleans(), st.integers(0, 2**32 - 1))
def test_trap_12_gradient_is_the_slope_of_each_loss(num_labels, weighted, seed):
    rng = np.random.default_rng(seed)
    logits, direction, upstream = rng.normal(size=(3, 4, num_labels)) * 2
    targets = rng.random((4, num_labels))
    options = {"positive_weight": rng.random(num_labels) * 3 if weighted else None}
    step = 1e-5
    ahead, behind = (
        ll.binary_cross_entropy_with_logits(logits + s * direction, targets, **options) for s in (step, -step)
    )
    gradient = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets, **options).gradient
    slope = (upstream * (ahead - behind)).sum() / (2 * step)
    np.testing.assert_allclose((upstream * gradient * direction).sum(), slope, rtol=1e-6, atol=1e-8)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_yes_and_no_may_change_places(seed):
    rng = np.random.default_rng(seed)
    logits, targets = rng.normal(size=50) * 10, rng.integers(0, 65, 50) / 64
    yes = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets)
    no = ll.binary_cross_entropy_with_logits_value_and_grad(-logits, 1 - targets)
    np.testing.assert_allclose(yes.losses, no.losses, rtol=1e-15)
    np.testing.assert_allclose(yes.gradient, -no.gradient, rtol=1e-15, atol=1e-16)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_two_classes_of_a_softmax(seed):
    # "multi-class images": softmax([x, 0])[0] equals sigmoid(x).
    rng = np.random.default_rng(seed)
    (first, second), targets = rng.integers(-40, 40, (2, 30)) / 8, rng.integers(0, 65, 30) / 64
    binary = ll.binary_cross_entropy_with_logits_value_and_grad(first - second, targets)
    for a, b in ((first, second), (first - second, np.zeros(30))):
        pair = ll.soft_cross_entropy_value_and_grad(np.stack([a, b], -1), np.stack([targets, 1 - targets], -1))
        np.testing.assert_allclose(binary.losses, pair.losses, rtol=2e-15)
        np.testing.assert_allclose(binary.gradient, pair.gradient[:, 0], rtol=1e-15, atol=1e-15)
        np.testing.assert_allclose(binary.gradient, -pair.gradient[:, 1], rtol=1e-15, atol=1e-15)
    labels = rng.integers(0, 2, 30)
    chosen = ll.cross_entropy(np.stack([np.zeros(30), first], -1), labels)
    np.testing.assert_allclose(ll.binary_cross_entropy_with_logits(first, labels), chosen, rtol=2e-15)


@settings(max_examples=40)
@given(st.floats(0.001, 0.999), st.integers(0, 2**32 - 1))
def test_least_loss_is_the_entropy_at_the_log_odds_of_the_target(target, seed):
    entropy = -target * np.log(target) - (1 - target) * np.log1p(-target)
    best = np.log(target) - np.log1p(-target)
    losses, gradient = ll.binary_cross_entropy_with_logits_value_and_grad([best], [target])
    np.testing.assert_allclose(losses, entropy, rtol=1e-13)
    np.testing.assert_allclose(gradient, 0, atol=1e-14)
    elsewhere = best + np.random.default_rng(seed).normal(size=20)
    assert (ll.binary_cross_entropy_with_logits(elsewhere, np.full(20, target)) >= entropy - 1e-14).all()


def test_literal_numbers():
    # The docstring of TensorFlow's sigmoid_cross_entropy_with_logits.
    losses = ll.binary_cross_entropy_with_logits([1.0, -1, 0, 1, -1, 0, 0], [0, 0, 0, 1, 1, 1, 0.5])
    expected = [1.3132617, 0.3132617, 0.6931472, 0.3132617, 1.3132617, 0.6931472, 0.6931472]
    np.testing.assert_allclose(losses, expected, atol=5e-8)
    # That of its weighted_cross_entropy_with_logits, whose third number there has but two right digits.
    for weight, expected in ((1.5, [0.30211994, 0.88049585]), (0.5, [0.100706644, 0.508297503])):
        losses = ll.binary_cross_entropy_with_logits([1.5, -0.1, -10.0], [1.0, 0.5, 0.0], positive_weight=weight)
        np.testing.assert_allclose(losses, [*expected, np.log1p(np.exp(-10))], rtol=2e-7)
    # The example of PyTorch's BCEWithLogitsLoss: -log(sigmoid(1.5)).
    losses = ll.binary_cross_entropy_with_logits(np.full((10, 64), 1.5), np.ones((10, 64)), positive_weight=np.ones(64))
    np.testing.assert_allclose(losses, 0.20141327798275246, rtol=1e-15)
    result = ll.binary_cross_entropy_with_logits_value_and_grad(np.zeros(3), [0, 1, 0.25], positive_weight=2)
    np.testing.assert_allclose(result.losses, np.log(2) * np.array([1, 2, 1.25]), rtol=1e-15)
    np.testing.assert_array_equal(result.gradient, [0.5, -1, 0.125])


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_01_large_logits(dtype):
    logits = np.array([1e4, 1e4, 1e4, -1e4, -1e4, -1e4], dtype)
    losses, gradient = ll.binary_cross_entropy_with_logits_value_and_grad(
        logits, [1, 0, 0.25, 1, 0, 0.25], positive_weight=3
    )
    np.testing.assert_array_equal(losses, [0, 1e4, 7.5e3, 3e4, 0, 7.5e3])
    np.testing.assert_array_equal(gradient, [0, 1, 0.75, -3, 0, -0.75])
    largest = np.finfo(dtype).max
    losses, gradient = ll.binary_cross_entropy_with_logits_value_and_grad(
        np.array([largest, largest, -largest], dtype), [1, 0, 0]
    )
    np.testing.assert_array_equal(losses, [0, largest, 0])
    np.testing.assert_array_equal(gradient, [0, 1, 0])


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_02_a_certain_answer_costs_nothing_or_everything(dtype):
    logits = np.array([-np.inf, -np.inf, -np.inf, np.inf, np.inf, np.inf], dtype)
    targets = [0, 1, 0.5, 1, 0, 0.5]
    losses, gradient = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets)
    np.testing.assert_array_equal(ll.binary_cross_entropy_with_logits(logits, targets), losses)
    np.testing.assert_array_equal(losses, [0, np.inf, np.inf, 0, np.inf, np.inf])
    np.testing.assert_array_equal(gradient, [0, -1, -0.5, 0, 1, 0.5])
    # A weight of 0 takes out what yes costs, even an infinite cost: never 0 times infinity.
    losses, gradient = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets, positive_weight=0)
    np.testing.assert_array_equal(losses, [0, 0, 0, 0, np.inf, np.inf])
    np.testing.assert_array_equal(gradient, [0, 0, 0, 0, 1, 0.5])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("weight", [None, 0, 2])
def test_trap_04_nan_stays_where_it_is(dtype, weight):
    logits, targets, _ = problem(dtype)
    wrong = np.array([3, 50, 51, 399])
    targets[wrong] = [0, 1, 0.5, 1]
    clean = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets, positive_weight=weight)
    logits[wrong] = np.nan
    losses, gradient = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets, positive_weight=weight)
    for values, expected in ((losses, clean.losses), (gradient, clean.gradient)):
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(values)), wrong)
        np.testing.assert_array_equal(np.delete(values, wrong), np.delete(expected, wrong))
    assert np.isnan(ll.binary_cross_entropy_with_logits(logits, targets, positive_weight=weight)[wrong]).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_15_a_loss_is_never_negative(dtype):
    logits, targets, weight = problem(dtype, 2000)
    losses = ll.binary_cross_entropy_with_logits(
        np.concatenate([logits, logits]), np.concatenate([targets, np.rint(targets)])
    )
    assert (losses >= 0).all()
    assert not np.signbit(losses).any()
    assert not np.signbit(ll.binary_cross_entropy_with_logits(logits, targets, positive_weight=weight)).any()


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize("weighted", [False, True])
def test_trap_18_every_layout_gives_the_same_answer(layout, weighted):
    rng = np.random.default_rng(8)
    base, targets, weight = rng.normal(size=(3, 4, 6)) * 3, rng.random((3, 4, 6)), rng.random(6) * 3
    expected, slopes = numpy_formula(base, targets, weight if weighted else 1)
    logits, wanted = in_layout(base, layout), in_layout(targets, layout)
    options = {"positive_weight": in_layout(weight, layout) if weighted else None}
    for pair in ((logits, targets), (base, wanted), (logits, wanted)):
        before = [array.copy() for array in pair]
        losses, gradient = ll.binary_cross_entropy_with_logits_value_and_grad(*pair, **options)
        np.testing.assert_allclose(losses, expected, rtol=1e-14)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(ll.binary_cross_entropy_with_logits(*pair, **options), expected, rtol=1e-14)
        for array, copy in zip(pair, before, strict=True):
            np.testing.assert_array_equal(array, copy)


def test_trap_18_edges_of_shape():
    for shape in ((0,), (0, 3), (3, 0), (2, 0, 3)):
        result = ll.binary_cross_entropy_with_logits_value_and_grad(np.zeros(shape, np.float32), np.zeros(shape))
        assert result.losses.shape == result.gradient.shape == shape
    weighted = ll.binary_cross_entropy_with_logits(np.zeros((0, 3)), np.zeros((0, 3)), positive_weight=[1, 2, 3])
    assert weighted.shape == (0, 3)
    single = ll.binary_cross_entropy_with_logits_value_and_grad(0.0, True, positive_weight=3)
    assert single.losses.shape == single.gradient.shape == ()
    np.testing.assert_allclose(single.losses, 3 * np.log(2), rtol=1e-15)
    assert single.gradient == -1.5
    one_label = ll.binary_cross_entropy_with_logits_value_and_grad(
        np.zeros((3, 1)), [[0], [1], [1]], positive_weight=[2]
    )
    assert one_label.gradient.tolist() == [[0.5], [-1], [-1]]


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_trap_18_weights_of_no_labels(shape):
    losses = ll.binary_cross_entropy_with_logits(np.zeros(shape), np.zeros(shape), positive_weight=np.zeros(0))
    assert losses.shape == shape


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 4e-15)])
@pytest.mark.parametrize(
    "shape",
    [(4095,), (4096,), (4097,), (1365, 3), (1366, 3), (1, 4095), (3, 4096), (3, 4097), (2, 700, 7), (45_000, 3)],
    ids=str,
)
def test_weights_repeat_along_the_entries(dtype, bound, shape):
    _check_weights(dtype, bound, shape)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 4e-15)])
@pytest.mark.parametrize("shape", [(400_001,), (66, 5_000), (2, 25_000, 7), (101, 4_095)], ids=str)
def test_weights_repeat_over_many_blocks_on_many_threads(dtype, bound, shape, monkeypatch):
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "3")
    _check_weights(dtype, bound, shape)


def _check_weights(dtype, bound, shape):
    rng = np.random.default_rng(18)
    logits, targets = (rng.normal(size=shape) * 4).astype(dtype), rng.random(shape).astype(dtype)
    targets = np.where(rng.random(shape) < 0.5, np.rint(targets), targets)
    for weight in (None, 2.5, (1 + np.arange(shape[-1]) % 89).astype(dtype)):
        expected, slopes = numpy_formula(logits, targets, 1 if weight is None else weight)
        losses, gradient = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets, positive_weight=weight)
        np.testing.assert_allclose(losses, expected, rtol=bound)
        np.testing.assert_allclose(gradient, slopes, rtol=bound, atol=100 * bound)
        np.testing.assert_array_equal(
            ll.binary_cross_entropy_with_logits(logits, targets, positive_weight=weight), losses
        )


def test_a_weight_multiplies_what_yes_costs():
    logits, targets, _ = problem(np.float64)
    parts = [
        ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets, positive_weight=weight)
        for weight in (0, 1, 3)
    ]
    for none, one, three in zip(*parts, strict=True):
        np.testing.assert_allclose(three, none + 3 * (one - none), rtol=1e-12, atol=1e-14)
    again = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets, positive_weight=np.full(400, 3))
    np.testing.assert_array_equal(again, parts[2])
    np.testing.assert_array_equal(ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets), parts[1])


def test_a_weight_beyond_float32():
    with pytest.raises(ValueError, match="received 1e\\+39, expected finite numbers in float32"):
        ll.binary_cross_entropy_with_logits(np.zeros(1, np.float32), [0], positive_weight=1e39)


def test_dtype_rule():
    for logits in ([1, 0], np.array([1, 0], np.int8), np.array([True, False])):
        result = ll.binary_cross_entropy_with_logits_value_and_grad(logits, [1, 0])
        assert result.losses.dtype == result.gradient.dtype == np.float64
        np.testing.assert_allclose(result.losses, np.log1p(np.exp([-1, 0])), rtol=1e-15)
    logits = (np.random.default_rng(0).normal(size=(40, 3)) * 4).astype(np.float16)
    targets = np.random.default_rng(1).random((40, 3)).astype(np.float16)
    half = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets, positive_weight=[1, 2, 3])
    assert half.losses.dtype == half.gradient.dtype == np.float16
    wide = ll.binary_cross_entropy_with_logits_value_and_grad(
        logits.astype(np.float32), targets, positive_weight=[1, 2, 3]
    )
    assert wide.losses.dtype == wide.gradient.dtype == np.float32
    np.testing.assert_array_equal(half.losses, wide.losses.astype(np.float16))
    np.testing.assert_array_equal(half.gradient, wide.gradient.astype(np.float16))
    # Labels of any kind are the same labels.
    labels = targets > 0.5
    expected = ll.binary_cross_entropy_with_logits(logits, labels)
    for kind in (np.float16, np.float64, np.int64, np.uint8):
        np.testing.assert_array_equal(ll.binary_cross_entropy_with_logits(logits, labels.astype(kind)), expected)


@pytest.mark.parametrize("code", ["f2", "f4", "f8"])
def test_byte_order_does_not_matter(code):
    logits, targets, weight = (values.astype(code) for values in problem(np.float32, 60))
    expected = ll.binary_cross_entropy_with_logits_value_and_grad(logits, targets, positive_weight=weight)
    swapped = [values.astype(">" + code) for values in (logits, targets, weight)]
    result = ll.binary_cross_entropy_with_logits_value_and_grad(*swapped[:2], positive_weight=swapped[2])
    assert result.losses.dtype == result.gradient.dtype == np.dtype(code)
    np.testing.assert_array_equal(result, expected)


FUNCTIONS = pytest.mark.parametrize(
    "function", [ll.binary_cross_entropy_with_logits, ll.binary_cross_entropy_with_logits_value_and_grad]
)


@FUNCTIONS
@pytest.mark.parametrize(
    ("wrong", "named"), [(-0.25, r"-0\.25"), (1.5, r"1\.5"), (2, r"2\.0"), (np.nan, "nan"), (np.inf, "inf")]
)
def test_targets_outside_0_to_1_are_named(function, wrong, named):
    targets = np.full((3, 4), 0.5)
    # Entry [2, 3] is wrong too, but comes later.
    targets[1, 2], targets[2, 3] = wrong, -7
    with pytest.raises(ValueError, match=rf"^targets: entry \[1, 2\] is {named}, expected a number from 0 to 1\.$"):
        function(np.zeros((3, 4)), targets)
    with pytest.raises(ValueError, match=rf"^targets: entry \[6\] is {named}, expected"):
        function(np.zeros(12), targets.ravel())
    with pytest.raises(ValueError, match=rf"^targets: entry \[2, 1\] is {named}, expected"):
        function(np.zeros((4, 3)), targets.T)


@FUNCTIONS
def test_bad_arguments_are_named(function):
    logits, targets = np.zeros((2, 3)), np.zeros((2, 3))
    for wrong in (targets[0], targets[:, :1], targets[None], 0):
        with pytest.raises(ValueError, match=r"targets: shape is \(.*\), expected \(2, 3\), one for each logit\."):
            function(logits, wrong)
    with pytest.raises(ValueError, match="targets: rows of different lengths"):
        function(logits, [[1, 0, 0], [1, 0]])
    with pytest.raises(TypeError, match="targets: dtype is <U3, expected real numbers"):
        function(logits, [["yes"] * 3] * 2)
    with pytest.raises(TypeError, match="logits: dtype is complex128, expected real numbers"):
        function(logits * 1j, targets)
    for sparse in (sp.csr_array, sp.coo_matrix):
        with pytest.raises(TypeError, match="logits: received a sparse matrix, expected a dense array"):
            function(sparse(logits), targets)
        with pytest.raises(TypeError, match="targets: received a sparse matrix, expected a dense array"):
            function(logits, sparse(targets))


@FUNCTIONS
def test_bad_weights_are_named(function):
    logits, targets = np.zeros((2, 3)), np.zeros((2, 3))
    for wrong in ([1, 2], [[1, 2, 3]], np.ones((2, 3)), []):
        with pytest.raises(ValueError, match=r"positive_weight: shape is \(.*\), expected a number or \(3,\), one for"):
            function(logits, targets, positive_weight=wrong)
    for wrong, named in ((-2, r"-2\.0"), ([1, np.nan, -3], "nan"), ([1, 2, np.inf], "inf"), (-0.5, r"-0\.5")):
        with pytest.raises(
            ValueError, match=rf"^positive_weight: received {named}, expected finite numbers in float64"
        ):
            function(logits, targets, positive_weight=wrong)
    with pytest.raises(TypeError, match="positive_weight: dtype is <U1, expected real numbers"):
        function(logits, targets, positive_weight="3")
    with pytest.raises(TypeError, match="positive_weight: received a sparse matrix, expected a dense array"):
        function(logits, targets, positive_weight=sp.csr_array(np.ones((1, 3))))


@FUNCTIONS
def test_torch_tensors_are_refused(function):
    import torch

    logits, targets = np.zeros((2, 3)), np.zeros((2, 3))
    with pytest.raises(TypeError, match=r"logits: received a torch\.Tensor, expected a NumPy array"):
        function(torch.tensor(logits), targets)
    with pytest.raises(TypeError, match=r"targets: received a torch\.Tensor, expected a NumPy array"):
        function(logits, torch.tensor(targets))
    with pytest.raises(TypeError, match=r"positive_weight: received a torch\.Tensor, expected a NumPy array"):
        function(logits, targets, positive_weight=torch.ones(3))

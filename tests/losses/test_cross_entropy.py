import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from tests.functions.layouts import NAMES, in_layout
from tests.oracles import cross_entropy as oracle
from tests.oracles.softmax import relative_errors, scaled_errors

FLOATS = (np.float32, np.float64)
BOUND = {np.float32: 4e-7, np.float64: 1e-15}
# Short rows, rows, and lengths at the edges of their blocks.
WIDTHS = (1, 2, 7, 33, 63, 64, 65, 300)


def problem(dtype, num_classes, num_rows=5, spread=3.0):
    rng = np.random.default_rng(num_classes)
    logits = (rng.normal(size=(num_rows, num_classes)) * spread).astype(dtype)
    return logits, rng.integers(0, num_classes, num_rows), rng.random(num_classes) + 0.1


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", WIDTHS)
def test_losses_and_gradients_match_the_definition(dtype, num_classes):
    logits, labels, _ = problem(dtype, num_classes)
    losses, gradient = ll.cross_entropy_value_and_grad(logits, labels)
    np.testing.assert_array_equal(ll.cross_entropy(logits, labels), losses)
    for i, label in enumerate(labels):
        assert scaled_errors([losses[i]], [oracle.loss(logits[i], label)])[0] <= BOUND[dtype]
        assert max(relative_errors(gradient[i], oracle.gradient(logits[i], label))) <= 10 * BOUND[dtype]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [2, 10, 100, pytest.param(1000, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("lead", [0.0, 5.0, 17.3, 30.0, 80.0])
def test_trap_06_and_08_a_confident_right_answer_keeps_its_relative_accuracy(dtype, num_classes, lead):
    logits, labels, _ = problem(dtype, num_classes, spread=1.0)
    logits[np.arange(5), labels] = logits.max() + dtype(lead)
    losses, gradient = ll.cross_entropy_value_and_grad(logits, labels)
    for i, label in enumerate(labels):
        assert scaled_errors([losses[i]], [oracle.loss(logits[i], label)])[0] <= BOUND[dtype]
        expected = oracle.gradient(logits[i], label)[label]
        assert scaled_errors([gradient[i, label]], [expected])[0] <= 2 * BOUND[dtype]


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("num_classes", [3, 80])
def test_trap_11_weight_by_smoothing_by_ignored_labels(dtype, num_classes):
    logits, labels, class_weight = problem(dtype, num_classes)
    class_weight[1] = 0.0
    labels[:2] = 1, 0
    for weight, smoothing, ignored in itertools.product((None, class_weight), (0.0, 0.1, 1.0), (None, -100, 2)):
        kept = labels if ignored is None else np.where(np.arange(5) == 3, ignored, labels)
        options = {"class_weight": weight, "label_smoothing": smoothing}
        losses, gradient = ll.cross_entropy_value_and_grad(logits, kept, ignore_index=ignored, **options)
        np.testing.assert_array_equal(ll.cross_entropy(logits, kept, ignore_index=ignored, **options), losses)
        for i, label in enumerate(kept):
            if label == ignored:
                assert losses[i] == 0
                assert not gradient[i].any()
                continue
            expected = [float(g) for g in oracle.gradient(logits[i], label, **options)]
            np.testing.assert_allclose(
                losses[i], float(oracle.loss(logits[i], label, **options)), rtol=2 * BOUND[dtype]
            )
            np.testing.assert_allclose(gradient[i], expected, rtol=20 * BOUND[dtype], atol=2 * BOUND[dtype])


@settings(max_examples=40)
@given(st.integers(1, 90), st.floats(0, 1), st.booleans(), st.integers(0, 2**32 - 1))
def test_trap_12_gradient_is_the_slope_of_each_loss(num_classes, smoothing, weighted, seed):
    rng = np.random.default_rng(seed)
    logits, direction = rng.normal(size=(2, 4, num_classes))
    labels, upstream = rng.integers(0, num_classes, 4), rng.normal(size=4)
    options = {"label_smoothing": smoothing, "class_weight": rng.random(num_classes) if weighted else None}
    step = 1e-5
    ahead, behind = (ll.cross_entropy(logits + s * direction, labels, **options) for s in (step, -step))
    gradient = ll.cross_entropy_value_and_grad(logits, labels, **options).gradient
    slope = upstream @ (ahead - behind) / (2 * step)
    np.testing.assert_allclose((upstream[:, None] * gradient * direction).sum(), slope, rtol=1e-6, atol=1e-8)


@settings(max_examples=40)
@given(st.integers(2, 90), st.floats(-50, 50), st.integers(0, 2**32 - 1))
def test_ignores_a_shift_and_gradients_sum_to_nothing(num_classes, shift, seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(4, num_classes)), rng.integers(0, num_classes, 4)
    losses, gradient = ll.cross_entropy_value_and_grad(logits, labels)
    np.testing.assert_allclose(ll.cross_entropy(logits + shift, labels), losses, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-15 * num_classes)


def test_literal_numbers():
    # "softmax activation tutorial": probabilities 0.659, 0.242, 0.099.
    logits = np.array([[2.0, 1.0, 0.1]] * 3)
    np.testing.assert_allclose(np.exp(-ll.cross_entropy(logits, [0, 1, 2])), [0.659, 0.242, 0.099], atol=5e-4)
    np.testing.assert_allclose(ll.cross_entropy(np.zeros((1, 10)), [3]), np.log(10), rtol=1e-15)
    # Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.2.2.3: the gradient is p - 1 at the label.
    gradient = ll.cross_entropy_value_and_grad(np.zeros((1, 4)), [1]).gradient
    np.testing.assert_array_equal(gradient, [[0.25, -0.75, 0.25, 0.25]])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [4, 200])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_trap_02_masked_classes(dtype, num_classes, smoothing):
    logits, _, _ = problem(dtype, num_classes)
    masked = np.zeros(num_classes, bool)
    masked[1::2] = True
    logits[:, masked] = -np.inf
    class_weight = np.where(masked, 0.0, 1.0)
    labels = np.zeros(5, int)
    losses, gradient = ll.cross_entropy_value_and_grad(
        logits, labels, label_smoothing=smoothing, class_weight=class_weight
    )
    assert np.isfinite(losses).all()
    assert (gradient[:, masked] == 0).all()
    # The masked classes may as well not be there.
    part = ll.cross_entropy_value_and_grad(
        np.ascontiguousarray(logits[:, ~masked]), labels, label_smoothing=smoothing * (~masked).mean()
    )
    if not smoothing:
        np.testing.assert_allclose(losses, part.losses, rtol=1e-6)
        np.testing.assert_allclose(gradient[:, ~masked], part.gradient, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(ll.cross_entropy(logits, labels + 1), np.inf)
    np.testing.assert_array_equal(ll.cross_entropy(logits, labels, label_smoothing=0.1), np.inf)
    # A class of weight 0 costs nothing, even an impossible one: never 0 times infinity.
    np.testing.assert_array_equal(ll.cross_entropy(logits, labels + 1, class_weight=class_weight), 0)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [4, 200])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_trap_04_a_row_without_a_meaning_is_nan_alone(dtype, num_classes, smoothing):
    logits, labels, _ = problem(dtype, num_classes)
    clean = ll.cross_entropy_value_and_grad(logits, labels, label_smoothing=smoothing)
    logits[1, 2], logits[2], logits[3, 0] = np.nan, -np.inf, np.inf
    losses, gradient = ll.cross_entropy_value_and_grad(logits, labels, label_smoothing=smoothing)
    np.testing.assert_array_equal(ll.cross_entropy(logits, labels, label_smoothing=smoothing), losses)
    assert np.isnan(losses[1:4]).all()
    assert np.isnan(gradient[1:4]).all()
    np.testing.assert_allclose(losses[[0, 4]], clean.losses[[0, 4]], rtol=1e-6)
    np.testing.assert_allclose(gradient[[0, 4]], clean.gradient[[0, 4]], rtol=1e-6)


@pytest.mark.parametrize("num_classes", [3, 100])
def test_trap_09_bad_labels_are_named(num_classes):
    logits = np.zeros((4, num_classes), np.float32)
    last = num_classes - 1
    for function in (ll.cross_entropy, ll.cross_entropy_value_and_grad):
        with pytest.raises(
            ValueError,
            match=rf"labels: row 2 is {num_classes}, but logits have {num_classes} classes \(0 to {last}\)\.",
        ):
            function(logits, [0, last, num_classes, -1])
        with pytest.raises(ValueError, match="labels: row 3 is -1"):
            function(logits, [0, 1, -100, -1], ignore_index=-100)
        with pytest.raises(ValueError, match=r"labels: shape is \(3,\), expected \(4,\)"):
            function(logits, [0, 1, 2])
        with pytest.raises(TypeError, match="labels: dtype is float64"):
            function(logits, [0.0, 1.0, 2.0, 0.0])


@pytest.mark.parametrize("num_classes", [3, 100])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_trap_10_every_label_ignored(num_classes, smoothing):
    logits = np.full((4, num_classes), np.nan)
    losses, gradient = ll.cross_entropy_value_and_grad(
        logits, [-100] * 4, ignore_index=-100, label_smoothing=smoothing, class_weight=np.ones(num_classes)
    )
    np.testing.assert_array_equal(losses, np.zeros(4))
    np.testing.assert_array_equal(gradient, np.zeros((4, num_classes)))
    np.testing.assert_array_equal(ll.cross_entropy(logits, [-100] * 4, ignore_index=-100), np.zeros(4))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [2, 60, 500])
def test_trap_15_a_loss_is_never_negative(dtype, num_classes):
    rng = np.random.default_rng(num_classes)
    logits = (rng.normal(size=(500, num_classes)) * 20 + 1e4).astype(dtype)
    losses = ll.cross_entropy(logits, logits.argmax(1))
    assert (losses >= 0).all()
    assert not np.signbit(losses).any()


def test_trap_17_more_than_two_to_the_31_logits():
    num_classes = 1 << 16
    try:
        # Untouched memory: nothing is written, so that all of it is one page of zeros.
        logits = np.zeros((2**31 // num_classes + 5, num_classes), np.float32)
    except MemoryError:
        pytest.skip("8 GiB of address space are not to be had")
    logits[-1, -1] = 20.0
    labels = np.full(len(logits), num_classes - 1)
    losses = ll.cross_entropy(logits, labels)
    np.testing.assert_allclose(losses[:-1], np.log(num_classes), rtol=1e-6)
    np.testing.assert_allclose(losses[-1], np.log1p((num_classes - 1) * np.exp(-20.0)), rtol=1e-6)


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize("num_classes", [6, 130])
def test_trap_18_every_layout_gives_the_same_answer(layout, num_classes):
    rng = np.random.default_rng(8)
    base, labels = rng.normal(size=(3, 4, num_classes)), rng.integers(0, num_classes, (3, 4))
    expected = ll.cross_entropy_value_and_grad(base, labels)
    logits = in_layout(base, layout)
    before = logits.copy()
    np.testing.assert_allclose(ll.cross_entropy(logits, labels), expected.losses, rtol=1e-14)
    for out in (None, np.empty(base.shape), np.empty(base.shape, order="F")):
        result = ll.cross_entropy_value_and_grad(logits, labels[::-1][::-1], out=out)
        np.testing.assert_allclose(result.losses, expected.losses, rtol=1e-14)
        np.testing.assert_allclose(result.gradient, expected.gradient, rtol=1e-14)
        assert out is None or result.gradient is out
    np.testing.assert_array_equal(logits, before)


def test_trap_18_edges_of_shape():
    assert ll.cross_entropy(np.zeros((0, 3), np.float32), []).shape == (0,)
    single = ll.cross_entropy_value_and_grad(np.zeros(4, np.float32), 2)
    assert single.losses.shape == ()
    assert single.gradient.tolist() == [0.25, 0.25, -0.75, 0.25]
    one_class = ll.cross_entropy_value_and_grad(np.full((3, 1), 9.0), [0, 0, 0])
    np.testing.assert_array_equal(one_class.losses, 0)
    np.testing.assert_array_equal(one_class.gradient, 0)
    with pytest.raises(ValueError, match="expected at least one class"):
        ll.cross_entropy(np.zeros((3, 0)), [0, 0, 0])


@pytest.mark.parametrize("num_classes", [6, 130])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradient_may_replace_the_logits(num_classes, smoothing):
    logits, labels, class_weight = problem(np.float32, num_classes)
    options = {"class_weight": class_weight, "label_smoothing": smoothing}
    expected = ll.cross_entropy_value_and_grad(logits, labels, **options)
    result = ll.cross_entropy_value_and_grad(logits, labels, out=logits, **options)
    assert result.gradient is logits
    np.testing.assert_array_equal(result.losses, expected.losses)
    np.testing.assert_array_equal(result.gradient, expected.gradient)


@pytest.mark.parametrize("num_classes", [6, 130])
def test_gradient_may_overlap_the_logits(num_classes):
    logits, labels, _ = problem(np.float64, num_classes)
    expected = ll.cross_entropy_value_and_grad(logits, labels)
    memory = np.concatenate([logits, logits[:1]])
    result = ll.cross_entropy_value_and_grad(memory[:-1], labels, out=memory[1:])
    np.testing.assert_array_equal(result.gradient, expected.gradient)
    np.testing.assert_array_equal(result.losses, expected.losses)


def test_dtype_rule():
    assert ll.cross_entropy([[1, 2, 3]], [0]).dtype == np.float64
    half = ll.cross_entropy_value_and_grad(np.zeros((2, 3), np.float16), [0, 1])
    assert half.losses.dtype == half.gradient.dtype == np.float16


def test_bad_arguments_are_named():
    logits = np.zeros((2, 3))
    for smoothing in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match=r"label_smoothing: received .*, expected a number from 0 to 1"):
            ll.cross_entropy(logits, [0, 1], label_smoothing=smoothing)
    with pytest.raises(TypeError, match=r"label_smoothing: received '0\.1'"):
        ll.cross_entropy(logits, [0, 1], label_smoothing="0.1")
    with pytest.raises(ValueError, match=r"class_weight: shape is \(2,\), expected \(3,\), one for each class"):
        ll.cross_entropy(logits, [0, 1], class_weight=[1, 2])
    with pytest.raises(ValueError, match=r"class_weight: class 1 has -2\.0"):
        ll.cross_entropy(logits, [0, 1], class_weight=[1, -2, 3])


@pytest.mark.parametrize("num_classes", [3, 200])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_trap_05_a_weight_of_0_takes_infinity_out_of_loss_and_gradient(num_classes, smoothing):
    logits, weight = np.zeros((2, num_classes)), np.ones(num_classes)
    logits[:, 1], weight[1] = -np.inf, 0
    losses, gradient = ll.cross_entropy_value_and_grad(logits, [1, 2], class_weight=weight, label_smoothing=smoothing)
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()
    assert (gradient[:, 1] == 0).all()
    if not smoothing:
        assert losses[0] == 0
        assert (gradient[0] == 0).all()


def test_trap_13_inputs_are_left_alone():
    logits = np.random.default_rng(0).normal(size=(50, 12))
    before = logits.copy()
    first = ll.cross_entropy_value_and_grad(logits, np.arange(50) % 12)
    again = ll.cross_entropy_value_and_grad(logits, np.arange(50) % 12)
    np.testing.assert_array_equal(logits, before)
    np.testing.assert_array_equal(first.gradient, again.gradient)


@pytest.mark.parametrize("num_classes", [10, 200])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_tiny_weights_keep_their_digits(num_classes, smoothing):
    logits, labels, _ = problem(np.float32, num_classes)
    expected = ll.cross_entropy_value_and_grad(logits, labels, label_smoothing=smoothing).gradient
    options = {"class_weight": np.full(num_classes, 2.0**-90), "label_smoothing": smoothing}
    gradient = ll.cross_entropy_value_and_grad(logits, labels, **options).gradient
    np.testing.assert_allclose(gradient * np.float32(2.0**90), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 3), (4, 7, 6), (2, 60, 3, 5), (3, 0, 2)])
def test_classes_may_be_on_any_axis(dtype, shape):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=shape).astype(dtype)
    for axis in range(-len(shape), len(shape)):
        if not shape[axis]:
            continue
        last = np.ascontiguousarray(np.moveaxis(logits, axis, -1))
        labels = rng.integers(0, shape[axis], last.shape[:-1])
        options = {"class_weight": rng.random(shape[axis]), "label_smoothing": 0.1, "ignore_index": 1}
        for extra in ({}, options):
            expected = ll.cross_entropy_value_and_grad(last, labels, **extra)
            tolerance = {"rtol": 100 * np.finfo(dtype).eps, "atol": 10 * np.finfo(dtype).eps}
            out = np.full_like(logits, np.nan)
            # In memory of another order, with another stride, and backwards.
            strange = np.asfortranarray(logits), np.repeat(logits, 2, -1)[..., ::2], logits[::-1].copy()[::-1]
            for array in (logits, *strange):
                np.testing.assert_allclose(
                    ll.cross_entropy(array, labels, axis=axis, **extra), expected.losses, **tolerance
                )
                found = ll.cross_entropy_value_and_grad(array, labels, axis=axis, out=out, **extra)
                assert found.gradient is out
                np.testing.assert_allclose(found.losses, expected.losses, **tolerance)
                np.testing.assert_allclose(np.moveaxis(out, axis, -1), expected.gradient, **tolerance)


def test_an_axis_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"axis: received 2, but logits have 2 axes \(-2 to 1\)\."):
        ll.cross_entropy(np.zeros((2, 3)), [0, 1], axis=2)
    with pytest.raises(
        ValueError, match=r"labels: shape is \(2,\), expected \(3,\), one label for each row of logits\."
    ):
        ll.cross_entropy(np.zeros((2, 3)), [0, 1], axis=0)

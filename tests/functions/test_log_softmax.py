import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lastlayer as ll
from tests.functions.layouts import NAMES, in_layout
from tests.oracles import softmax as oracle

BOUND = {np.float32: 4e-7, np.float64: 1e-15}
FLOATS = (np.float32, np.float64)


def worst_error(values, row, beta=1.0):
    """The largest scaled error, entries that are not normal numbers aside."""
    expected = oracle.log_softmax(row, beta)
    smallest = float(np.finfo(values.dtype).tiny)
    errors = oracle.scaled_errors(values, expected)
    return max((error for error, e in zip(errors, expected, strict=True) if abs(e) >= smallest), default=0.0)


def assert_within_bound(values, expected):
    bound = BOUND[values.dtype.type] * (1 + np.maximum(0, -np.log(-expected)))
    assert (np.abs(values / expected - 1) <= bound).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "beta", [0.01, 1.0, 500.0, *(pytest.param(beta, marks=pytest.mark.thorough) for beta in (0.3, 7.0))]
)
@pytest.mark.parametrize("num_classes", [1, 2, 7, 33, 64, 129, 1000])
def test_matches_the_definition(dtype, beta, num_classes):
    rng = np.random.default_rng(num_classes)
    for spread, offset in ((1.0, 0.0), (10.0, -3.0), (100.0, 1e4), (1e-3, 1.0)):
        logits = (rng.normal(size=(3 if num_classes < 1000 else 1, num_classes)) * spread + offset).astype(dtype)
        for row, values in zip(logits, ll.log_softmax(logits, beta=beta), strict=True):
            assert worst_error(values, row, beta) <= BOUND[dtype]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [2, 5, 63, 64, 200])
@pytest.mark.parametrize("axis", [0, 1])
def test_trap_06_the_winner_keeps_its_relative_accuracy(dtype, num_classes, axis):
    rng = np.random.default_rng(num_classes)
    for lead in (0.0, 1e-6, 0.5, 3.0, 9.0, 17.3, 30.0, 60.0, 80.0):
        rows = (rng.normal(size=(4, num_classes)) + rng.normal()).astype(dtype)
        rows[np.arange(4), rng.integers(0, num_classes, 4)] = rows.max() + dtype(lead)
        values = ll.log_softmax(rows if axis else np.ascontiguousarray(rows.T), axis=axis)
        for row, of_row in zip(rows, values if axis else values.T, strict=True):
            assert worst_error(of_row, row) <= BOUND[dtype]
    # log of a probability that rounds to 1 would be 0 here.
    assert ll.log_softmax(np.array([0.0, -40.0]))[0] == pytest.approx(-4.248354255291589e-18, rel=1e-15)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [2, 40, 300])
def test_winners_that_tie(dtype, num_classes):
    row = np.full(num_classes, -50.0, dtype)
    row[[0, -1]] = 0.25
    assert worst_error(ll.log_softmax(row), row) <= BOUND[dtype]


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="needs a long double of 64 bits or more")
@pytest.mark.parametrize("dtype", FLOATS)
def test_equal_logits_below_one_or_two_winners_do_not_add_up_their_rounding(dtype):
    rng = np.random.default_rng(0)
    for num_classes in (11, 58, 76, 205, 358, 5000):
        for gap in rng.uniform(8, 30, 12):
            for second in (gap, 0.03):
                row = np.full(num_classes, -gap, dtype)
                row[0], row[num_classes // 2] = -second, 0.0
                exponentials = np.exp(row.astype(np.longdouble))
                exponentials[num_classes // 2] = 0
                expected = row - np.log1p(exponentials.sum())
                assert_within_bound(ll.log_softmax(row), expected)


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="needs a long double of 64 bits or more")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("lead", [0.0, 20.0, 45.0])
def test_trap_16_a_million_classes(dtype, lead):
    logits = np.random.default_rng(3).normal(size=1_000_003).astype(dtype)
    logits[777_777] = logits.max() + dtype(lead)
    shifted = logits.astype(np.longdouble) - np.longdouble(logits[777_777])
    exponentials = np.exp(shifted)
    exponentials[777_777] = 0
    expected = shifted - np.log1p(exponentials.sum())
    assert_within_bound(ll.log_softmax(logits), expected)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [3, 300])
def test_trap_01_and_02_extremes_and_masks(dtype, num_classes):
    logits = np.full(num_classes, -np.inf, dtype)
    logits[:2] = 1e4, -1e4
    expected = np.full(num_classes, -np.inf)
    expected[:2] = 0.0, -2e4
    np.testing.assert_array_equal(ll.log_softmax(logits), expected)
    np.testing.assert_array_equal(ll.log_softmax(logits[:, None] * np.ones(2, dtype), axis=0)[:, 1], expected)
    largest = np.finfo(dtype).max
    values = ll.log_softmax(np.array([largest, -largest, largest], dtype))
    np.testing.assert_array_equal(values[1], -np.inf)
    np.testing.assert_allclose(values[[0, 2]], -np.log(2), rtol=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [3, 300])
def test_trap_02_the_lowest_finite_logit_is_not_masked(dtype, num_classes):
    logits = np.full((2, num_classes), -np.inf, dtype)
    logits[:, 0] = np.finfo(dtype).min
    logits[1, 1] = np.finfo(dtype).min / 2
    values = ll.log_softmax(logits)
    np.testing.assert_array_equal(values[:, :2], [[0.0, -np.inf], [np.finfo(dtype).min / 2, 0.0]])
    np.testing.assert_array_equal(values[:, 2:], -np.inf)
    np.testing.assert_array_equal(ll.cross_entropy(logits[:1], [0]), [0.0])


def test_trap_07_large_logits_with_small_gaps():
    values = ll.log_softmax(np.array([1e4, 1e4 + 1e-3]))
    gap = (1e4 + 1e-3) - 1e4
    np.testing.assert_allclose(values, [-gap - np.log1p(np.exp(-gap)), -np.log1p(np.exp(-gap))], rtol=1e-15)


@settings(max_examples=60)
@given(
    arrays.arrays(
        st.sampled_from(FLOATS),
        arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=12),
        elements=st.floats(-1000, 1000, width=32),
    ),
    st.data(),
)
def test_is_never_positive_and_agrees_with_softmax(logits, data):
    axis = data.draw(st.integers(-logits.ndim, logits.ndim - 1))
    values = ll.log_softmax(logits, axis=axis)
    assert (values <= 0).all()
    error = 1e3 * np.finfo(logits.dtype).eps
    probabilities = ll.softmax(logits, axis=axis)
    np.testing.assert_allclose(
        np.exp(values.astype(float)), probabilities, rtol=error, atol=np.finfo(logits.dtype).tiny
    )


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize(("shape", "axis"), [((6, 5), -1), ((6, 130), 1), ((4, 7, 6), 1), ((3,), 0)])
def test_trap_18_every_layout_gives_the_same_answer(layout, shape, axis):
    base = np.random.default_rng(8).normal(size=shape)
    expected = ll.log_softmax(base, axis=axis)
    out = np.empty(shape)
    np.testing.assert_allclose(ll.log_softmax(in_layout(base, layout), axis=axis), expected, rtol=1e-14)
    np.testing.assert_allclose(ll.log_softmax(in_layout(base, layout), axis=axis, out=out), expected, rtol=1e-14)
    in_place = base.copy()
    np.testing.assert_array_equal(ll.log_softmax(in_place, axis=axis, out=in_place), expected)


def test_what_float16_cannot_hold_is_infinite_without_a_warning():
    logits = np.array([-6e4, 6e4], np.float16)
    assert ll.log_softmax(logits).tolist() == [-np.inf, 0.0]
    assert ll.log_softmax(logits, out=np.empty_like(logits)).tolist() == [-np.inf, 0.0]

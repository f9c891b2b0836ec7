import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lastlayer as ll
from tests.functions.layouts import NAMES, in_layout
from tests.oracles import softmax as oracle

# The bounds that the docstring states, on (1 + |ln p|).
BOUND = {np.float32: 4e-7, np.float64: 1e-15}
FLOATS = (np.float32, np.float64)


def worst_excess(probabilities, row, beta, dtype):
    """The largest relative error over its bound; probabilities below the smallest normal number do not count."""
    expected = oracle.softmax(row, beta)
    errors = oracle.relative_errors(probabilities, expected)
    smallest = float(np.finfo(dtype).tiny)
    return max(
        error / (BOUND[dtype] * (1 - math.log(p)))
        for error, p in zip(errors, map(float, expected), strict=True)
        if p >= smallest
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("beta", [0.01, 0.3, 1.0, 7.0, 500.0])
@pytest.mark.parametrize("num_classes", [1, 2, 7, 33, 64, 129, 1000])
def test_matches_the_definition(dtype, beta, num_classes):
    rng = np.random.default_rng(num_classes)
    for spread, offset in ((1.0, 0.0), (10.0, -3.0), (100.0, 1e4), (1e-3, 1.0)):
        logits = (rng.normal(size=(3 if num_classes < 1000 else 1, num_classes)) * spread + offset).astype(dtype)
        for row, probabilities in zip(logits, ll.softmax(logits, beta=beta), strict=True):
            assert worst_excess(probabilities, row, beta, dtype) <= 1.0


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [9, 200])
def test_matches_the_definition_along_a_first_axis(dtype, num_classes):
    logits = (np.random.default_rng(0).normal(size=(num_classes, 20)) * 5).astype(dtype)
    for row, probabilities in zip(logits.T, ll.softmax(logits, axis=0).T, strict=True):
        assert worst_excess(probabilities, row, 1.0, dtype) <= 1.0


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="needs a long double of 64 bits or more")
@pytest.mark.parametrize("dtype", FLOATS)
def test_equal_logits_below_the_winner_do_not_add_up_their_rounding(dtype):
    # Plain addition of so many equal small numbers to the winner's 1 would round every time in the same direction.
    rng = np.random.default_rng(0)
    for num_classes in (11, 58, 76, 205, 358, 5000, 300_000):
        for gap in (*rng.uniform(8, 30, 10), 12.7, 13.3):
            row = np.full(num_classes, 1.37 - gap, dtype)
            row[0], row[num_classes // 2] = 1.37 - 0.03, 1.37
            exponentials = np.exp(row.astype(np.longdouble) - np.longdouble(row.max()))
            expected = exponentials / exponentials.sum()
            for probabilities in (ll.softmax(row), ll.softmax(row[:, None] * np.ones(3, dtype), axis=0)[:, 1]):
                error = np.abs(probabilities / expected - 1)
                assert (error <= BOUND[dtype] * (1 - np.log(expected))).all()


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="needs a long double of 64 bits or more")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("beta", [1.0, 0.01, 500.0])
def test_trap_16_a_million_classes(dtype, beta):
    logits = np.random.default_rng(3).normal(size=1_000_003).astype(dtype)
    shifted = np.longdouble(beta) * (logits.astype(np.longdouble) - np.longdouble(logits.max()))
    expected = np.exp(shifted)
    expected /= expected.sum()
    normal = expected >= np.finfo(dtype).tiny
    error = np.abs(ll.softmax(logits, beta=beta)[normal] / expected[normal] - 1)
    assert (error <= BOUND[dtype] * (1 - np.log(expected[normal]))).all()


@pytest.mark.parametrize(
    ("logits", "axis", "beta", "expected", "decimals"),
    [
        pytest.param([[2.0, 1.0, 0.1]], 1, 1.0, [[0.659, 0.242, 0.099]], 3, id="softmax activation tutorial"),
        pytest.param([[0.95, 0.99, 0.98]], 1, 500.0, [[0.0, 0.9933, 0.0067]], 4, id="explaining softmax, beta = 500"),
        pytest.param([[0.95, 0.99, 0.98]], 1, 1.0, [[0.3256, 0.3389, 0.3355]], 4, id="explaining softmax, beta = 1"),
        pytest.param(
            [[-1.2928, -2.999, -1.8886], [0.1079, -3.632, -1.6835]],
            0,
            1.0,
            [[0.1977, 0.6532, 0.4489], [0.8023, 0.3468, 0.5511]],
            4,
            id="softmax or sigmoid, in PyTorch, first",
        ),
        pytest.param(
            [[0.9096, -2.5876, -2.2403], [-0.8566, 0.2757, -1.9268]],
            0,
            1.0,
            [[0.854, 0.054, 0.4223], [0.146, 0.946, 0.5777]],
            4,
            id="softmax or sigmoid, in PyTorch, second",
        ),
    ],
)
def test_worked_examples(logits, axis, beta, expected, decimals):
    probabilities = ll.softmax(np.array(logits), axis=axis, beta=beta)
    # The articles print rounded logits as well, so the last digit may move by one.
    np.testing.assert_allclose(probabilities, expected, atol=1.01 * 10.0**-decimals)
    np.testing.assert_allclose(probabilities.sum(), probabilities.shape[1 - axis])


def test_worked_example_softmax_over_channels():
    # "softmax or sigmoid, in PyTorch": Softmax2d of (1, 3, 2, 2) is softmax along axis 1.
    logits = np.random.default_rng(1).normal(size=(1, 3, 2, 2))
    by_pixel = np.stack([[ll.softmax(logits[0, :, i, j]) for j in range(2)] for i in range(2)])
    np.testing.assert_allclose(ll.softmax(logits, axis=1)[0], np.moveaxis(by_pixel, -1, 0), rtol=1e-15)


@settings(max_examples=60)
@given(
    arrays.arrays(
        st.sampled_from(FLOATS),
        arrays.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=9),
        elements=st.floats(-100, 100, width=32),
    ),
    st.data(),
)
def test_sums_to_one_and_ignores_a_shift(logits, data):
    axis = data.draw(st.integers(-logits.ndim, logits.ndim - 1))
    shift = data.draw(st.integers(-8, 8))
    tolerance = 200 * np.finfo(logits.dtype).eps
    probabilities = ll.softmax(logits, axis=axis)
    assert probabilities.dtype == logits.dtype
    assert probabilities.shape == logits.shape
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis), 1, rtol=tolerance)
    np.testing.assert_allclose(ll.softmax(logits + logits.dtype.type(shift), axis=axis), probabilities, rtol=1e-4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [3, 100])
def test_trap_01_large_arguments_do_not_overflow(dtype, num_classes):
    logits = np.full((2, num_classes), -1e4, dtype)
    logits[:, 1] = 1e4
    expected = np.zeros_like(logits)
    expected[:, 1] = 1
    for beta in (1.0, 500.0):
        np.testing.assert_array_equal(ll.softmax(logits, beta=beta), expected)
    extreme = np.full(num_classes, np.finfo(dtype).min, dtype)
    extreme[:2] = np.finfo(dtype).max
    np.testing.assert_array_equal(ll.softmax(extreme, beta=500.0), (extreme > 0) * 0.5)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [5, 300])
def test_trap_02_masked_classes_get_exactly_nothing(dtype, num_classes):
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(4, num_classes)).astype(dtype)
    masked = rng.random(logits.shape) < 0.5
    masked[:, 2] = False
    logits[masked] = -np.inf
    for layout in (logits, np.asfortranarray(logits)):
        probabilities = ll.softmax(layout)
        assert (probabilities[masked] == 0).all()
        np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_03_a_block_of_masks_before_the_first_finite_logit(dtype):
    logits = np.full(5000, -np.inf, dtype)
    logits[4096:] = 1.0
    np.testing.assert_allclose(ll.softmax(logits), (logits > 0) / dtype(904), rtol=1e-6)
    np.testing.assert_allclose(ll.softmax(logits[:, None] * np.ones(3, dtype), axis=0)[:, 1], (logits > 0) / 904, 1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [4, 400])
@pytest.mark.parametrize("function", [ll.softmax, ll.log_softmax, ll.hardmax])
def test_trap_04_a_row_without_a_meaning_is_nan_alone(dtype, num_classes, function):
    logits = np.random.default_rng(6).normal(size=(6, num_classes)).astype(dtype)
    clean = function(logits)
    logits[1, 2] = np.nan
    logits[2, :] = -np.inf
    logits[3, 0] = np.inf
    logits[4, -1] = -np.nan
    for layout in (logits, np.asfortranarray(logits)):
        result = function(layout)
        assert np.isnan(result[1:5]).all()
        np.testing.assert_allclose(result[[0, 5]], clean[[0, 5]], rtol=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_07_large_logits_with_small_gaps(dtype):
    row = np.array([1e4, 1e4 + 1e-3, 1e4 - 2.0], dtype)
    assert worst_excess(ll.softmax(row), row, 1.0, dtype) <= 1.0


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize(("shape", "axis"), [((6, 5), -1), ((6, 130), 1), ((4, 7, 6), 1), ((70, 3, 2), 0), ((3,), 0)])
def test_trap_18_every_layout_gives_the_same_answer(layout, shape, axis):
    base = np.random.default_rng(8).normal(size=shape)
    expected = ll.softmax(base, axis=axis)
    logits = in_layout(base, layout)
    before = logits.copy()
    np.testing.assert_allclose(ll.softmax(logits, axis=axis), expected, rtol=1e-15, atol=0)
    np.testing.assert_array_equal(logits, before)
    for out in (np.empty(shape), np.empty(shape, order="F"), np.empty((*shape[:-1], 2 * shape[-1]))[..., ::2]):
        assert ll.softmax(logits, axis=axis, out=out) is out
        np.testing.assert_allclose(out, expected, rtol=1e-15, atol=0)


def test_trap_18_edges_of_shape():
    for scalar, dtype in ((3.0, np.float64), (3, np.float64), (np.float32(3), np.float32), (np.array(3.0), np.float64)):
        for axis in (-1, 0, None, ()):
            assert ll.softmax(scalar, axis=axis) == 1.0
            assert type(ll.softmax(scalar, axis=axis)) is dtype
    one = np.array(3.0)
    assert ll.softmax(one, out=one) is one
    assert ll.softmax(np.zeros((0, 4), np.float32)).shape == (0, 4)
    assert ll.softmax(np.zeros((4, 0, 3)), axis=0).shape == (4, 0, 3)
    np.testing.assert_array_equal(ll.softmax(np.full((3, 1), 7.0)), 1)
    with pytest.raises(ValueError, match=r"logits: shape is \(3, 0\), expected at least one class along axis 1\."):
        ll.softmax(np.zeros((3, 0)))
    with pytest.raises(ValueError, match=r"expected at least one class along axes \(0, 1\)\."):
        ll.softmax(np.zeros((3, 0)), axis=None)


@pytest.mark.parametrize("layout", NAMES)
@pytest.mark.parametrize("axis", [(1, 2), (0, 1), (0, -1), (2, 0, 1), None, (), (1,)])
@pytest.mark.parametrize("function", [ll.softmax, ll.log_softmax])
def test_several_axes_are_the_classes_together(layout, axis, function):
    base = np.random.default_rng(8).normal(size=(3, 4, 5))
    axes = range(3) if axis is None else tuple(one % 3 for one in axis)
    others = [one for one in range(3) if one not in axes]
    # The definition: the chosen axes last, as one.
    rows = base.transpose(*others, *axes).reshape(-1, math.prod(base.shape[one] for one in axes))
    expected = np.empty_like(base)
    of_rows = np.array([[float(p) for p in oracle.softmax(row, 2.0)] for row in rows])
    expected.transpose(*others, *axes)[...] = of_rows.reshape(base.transpose(*others, *axes).shape)
    if function is ll.log_softmax:
        expected = np.log(expected)
    logits = in_layout(base, layout)
    np.testing.assert_allclose(function(logits, axis=axis, beta=2.0), expected, rtol=1e-13, atol=1e-15)
    for out in (np.empty((3, 4, 5)), np.empty((3, 4, 5), order="F"), np.empty((3, 4, 10))[..., ::2]):
        assert function(logits, axis=axis, beta=2.0, out=out) is out
        np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-15)


def test_dtype_rule():
    logits = [[1, 2, 3]]
    assert ll.softmax(logits).dtype == np.float64
    half = np.array(logits, np.float16)
    assert ll.softmax(half).dtype == np.float16
    np.testing.assert_array_equal(ll.softmax(half), ll.softmax(half.astype(np.float32)).astype(np.float16))
    big_endian = np.array(logits, ">f4")
    assert ll.softmax(big_endian).dtype == np.float32
    np.testing.assert_array_equal(ll.softmax(big_endian), ll.softmax(np.array(logits, np.float32)))


def test_out_may_be_the_logits_or_overlap_them():
    logits = np.random.default_rng(9).normal(size=(50, 80))
    expected = ll.softmax(logits)
    memory = np.empty((51, 80))
    memory[:50] = logits
    ll.softmax(memory[:50], out=memory[1:])
    np.testing.assert_array_equal(memory[1:], expected)
    everywhere = ll.softmax(logits, axis=None)
    twice = logits.copy()
    assert ll.softmax(twice, axis=None, out=twice) is twice
    np.testing.assert_array_equal(twice, everywhere)
    assert ll.softmax(logits, out=logits) is logits
    np.testing.assert_array_equal(logits, expected)


def test_bad_arguments_are_named():
    logits = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"axis: received 2, but logits have 2 axes \(-2 to 1\)\."):
        ll.softmax(logits, axis=2)
    for axis in (1.0, [0], True, (0, "1")):
        with pytest.raises(TypeError, match=r"axis: received .*, expected an integer, a tuple of integers, or None"):
            ll.softmax(logits, axis=axis)
    with pytest.raises(ValueError, match=r"axis: received \(0, -2\), expected every axis once\."):
        ll.softmax(logits, axis=(0, -2))
    with pytest.raises(ValueError, match=r"axis: received \(0, 2\), but logits have 2 axes"):
        ll.softmax(logits, axis=(0, 2))
    for beta in (0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"beta: received .*, expected a finite number greater than 0"):
            ll.softmax(logits, beta=beta)
    with pytest.raises(ValueError, match=r"beta: received 1e-310, expected a number from 1e-300 to 1e\+300"):
        ll.softmax(logits, beta=1e-310)
    with pytest.raises(ValueError, match=r"out: is float64 of shape \(2, 3\), expected float32 of shape \(2, 3\)"):
        ll.softmax(logits, out=np.empty((2, 3)))
    with pytest.raises(TypeError, match="out: received list"):
        ll.softmax(logits, out=[])
    frozen = np.empty_like(logits)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="out: is read-only"):
        ll.softmax(logits, out=frozen)
    with pytest.raises(TypeError, match="logits: dtype is complex128, expected real numbers"):
        ll.softmax(logits.astype(complex))


@pytest.mark.parametrize("dtype", FLOATS)
def test_any_positive_beta(dtype):
    row = np.array([0.0, -1.0, 1.0], dtype)
    np.testing.assert_allclose(ll.softmax(row, beta=1e-300), 1 / 3, rtol=1e-6)
    np.testing.assert_array_equal(ll.softmax(row, beta=1e300), [0, 0, 1])
    tiny = row * dtype(1e-30)
    np.testing.assert_allclose(ll.softmax(tiny, beta=1e30), ll.softmax(row), rtol=1e-6)

import functools
import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from lastlayer.linear import class_tiles
from tests.oracles import linear_cross_entropy as oracle

FLOATS = (np.float32, np.float64)
ROUNDING = {np.float32: 2e-6, np.float64: 4e-15}


@pytest.fixture(params=["one tile", "kept tiles", "tiles computed anew"])
def tiles(request, monkeypatch):
    """Small problems through each way that large ones take: many blocks of rows, tiles and groups."""
    if request.param != "one tile":
        monkeypatch.setattr(class_tiles, "_ONE_TILE", 0)
        monkeypatch.setattr(class_tiles, "_FEWEST_CLASSES", 5)
        monkeypatch.setattr(class_tiles, "_TILE", 200)
        monkeypatch.setattr(class_tiles, "_MOST_ROWS", 32)
        monkeypatch.setattr(class_tiles, "_KEPT", 1 << 20 if request.param == "kept tiles" else 1500)
        monkeypatch.setattr(class_tiles, "_PARTIAL", 1 << 12)
    return request.param


def problem(dtype, num_rows=9, num_classes=37, num_features=6):
    rng = np.random.default_rng(num_rows + num_classes)
    features = rng.normal(size=(num_rows, num_features)).astype(dtype)
    weight, bias = (
        rng.normal(size=(num_classes, num_features)).astype(dtype),
        rng.normal(size=num_classes).astype(dtype),
    )
    return features, weight, bias, rng.integers(0, num_classes, num_rows), rng


def assert_near(values, expected, dtype, scale=None):
    expected = np.array(expected, np.float64)
    scale = np.abs(expected).max() if scale is None else scale
    assert np.abs(np.asarray(values, np.float64) - expected).max(initial=0) <= ROUNDING[dtype] * max(scale, 1e-30)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("option", ["none", "class_weight", "label_smoothing", "soft_cap", "z_loss", "all"])
def test_losses_and_gradients_match_the_definition(tiles, dtype, option):
    features, weight, bias, labels, rng = problem(dtype)
    every = {
        "class_weight": rng.random(len(weight)).astype(dtype),
        "label_smoothing": 0.25,
        "soft_cap": 2.5,
        "z_loss": 0.125,
    }
    options = every if option == "all" else {option: every[option]} if option in every else {}
    scale = rng.random(len(labels))
    result = ll.linear_cross_entropy_value_and_grad(features, weight, labels, bias=bias, sample_weight=scale, **options)
    np.testing.assert_array_equal(
        ll.linear_cross_entropy(features, weight, labels, bias=bias, **options), result.losses
    )
    expected = [
        oracle.loss_and_gradients(x, weight, y, bias=bias, **options) for x, y in zip(features, labels, strict=True)
    ]
    losses, of_features, of_weight, of_bias = (np.array(part, np.float64) for part in zip(*expected, strict=True))
    assert_near(result.losses, losses, dtype)
    assert_near(result.features, scale[:, None] * of_features, dtype)
    assert_near(result.weight, np.tensordot(scale, of_weight, 1), dtype)
    assert_near(result.bias, scale @ of_bias, dtype)
    assert {array.dtype for array in result} == {np.dtype(dtype)}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(70, 300, 17), (600, 130, 33), (5, 4000, 3), (1, 1, 1), (33, 97, 64)])
def test_they_are_those_of_cross_entropy_on_the_logits(tiles, dtype, shape):
    features, weight, bias, labels, rng = problem(dtype, shape[0], shape[1], shape[2])
    wide = features.astype(np.float64) @ weight.T.astype(np.float64) + bias
    scale = rng.random(len(labels))
    expected = ll.cross_entropy_value_and_grad(wide, labels)
    result = ll.linear_cross_entropy_value_and_grad(features, weight, labels, bias=bias, sample_weight=scale)
    residual = expected.gradient * scale[:, None]
    assert_near(result.losses, expected.losses, dtype, np.abs(wide).max())
    bound = np.abs(wide).max()  # whose own rounding the gradients inherit
    assert_near(
        result.features, residual @ weight, dtype, bound * np.abs(residual).sum(axis=1).max() * np.abs(weight).max()
    )
    assert_near(
        result.weight, residual.T @ features, dtype, bound * np.abs(residual).sum(axis=0).max() * np.abs(features).max()
    )
    assert_near(result.bias, residual.sum(axis=0), dtype, bound * np.abs(residual).sum(axis=0).max())


@settings(max_examples=30)
@given(
    st.integers(1, 40), st.floats(0, 1), st.booleans(), st.floats(0.5, 20), st.floats(0, 0.5), st.integers(0, 2**32 - 1)
)
def test_trap_12_gradients_are_the_slopes_of_the_weighted_sum(num_classes, smoothing, weighted, soft_cap, z_loss, seed):
    rng = np.random.default_rng(seed)
    arguments = [rng.normal(size=shape) for shape in ((4, 3), (num_classes, 3), (num_classes,))]
    directions = [rng.normal(size=argument.shape) for argument in arguments]
    labels, scale = rng.integers(0, num_classes, 4), rng.random(4)
    options = {
        "label_smoothing": smoothing,
        "class_weight": rng.random(num_classes) if weighted else None,
        "soft_cap": soft_cap,
        "z_loss": z_loss,
    }

    def total(step):
        x, w, b = (a + step * d for a, d in zip(arguments, directions, strict=True))
        return scale @ ll.linear_cross_entropy(x, w, labels, bias=b, **options)

    x, w, b = arguments
    result = ll.linear_cross_entropy_value_and_grad(x, w, labels, bias=b, sample_weight=scale, **options)
    slope = sum(np.vdot(g, d) for g, d in zip((result.features, result.weight, result.bias), directions, strict=True))
    numeric = (total(1e-5) - total(-1e-5)) / 2e-5
    assert abs(slope - numeric) <= 1e-6 * (1 + abs(slope))


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_11_weight_by_smoothing_by_ignored_labels(tiles, dtype):
    features, weight, bias, labels, rng = problem(dtype, num_rows=40)
    factors = rng.random(len(weight))
    factors[1] = 0.0
    for class_weight, smoothing, ignored in itertools.product((None, factors), (0.0, 0.1, 1.0), (None, -100, 2)):
        kept = labels if ignored is None else np.where(np.arange(40) % 3 == 0, ignored, labels)
        options = {"class_weight": class_weight, "label_smoothing": smoothing, "ignore_index": ignored}
        result = ll.linear_cross_entropy_value_and_grad(features, weight, kept, bias=bias, **options)
        logits = features.astype(np.float64) @ weight.T + bias
        expected = ll.cross_entropy_value_and_grad(logits, kept, **options)
        assert_near(result.losses, expected.losses, dtype, np.abs(logits).max())
        assert_near(result.weight, expected.gradient.T @ features, dtype, 100)
        assert_near(result.features, expected.gradient @ weight, dtype, 100)
        if ignored is not None:
            assert not result.features[kept == ignored].any()


def test_ignored_rows_are_not_looked_at(tiles):
    features, weight, bias, labels, _ = problem(np.float64, num_rows=40)
    labels[::3] = -1
    expected = ll.linear_cross_entropy_value_and_grad(features[labels >= 0], weight, labels[labels >= 0], bias=bias)
    features[::3] = np.nan
    result = ll.linear_cross_entropy_value_and_grad(features, weight, labels, bias=bias, ignore_index=-1)
    np.testing.assert_array_equal(result.weight, expected.weight)
    np.testing.assert_array_equal(result.losses[labels >= 0], expected.losses)
    np.testing.assert_array_equal(result.features[labels >= 0], expected.features)
    assert not result.features[::3].any()
    assert not result.losses[::3].any()


def test_trap_10_all_ignored_is_zero(tiles):
    features, weight, bias, labels, _ = problem(np.float32)
    result = ll.linear_cross_entropy_value_and_grad(
        features, weight, np.full_like(labels, -1), bias=bias, ignore_index=-1
    )
    assert not any(array.any() for array in result)


def test_a_row_of_weight_0_adds_nothing_whatever_its_features(tiles):
    features, weight, bias, labels, rng = problem(np.float64, num_rows=40)
    scale = rng.random(40)
    scale[::4] = 0
    expected = ll.linear_cross_entropy_value_and_grad(features, weight, labels, bias=bias, sample_weight=scale)
    features[::4] = np.nan
    result = ll.linear_cross_entropy_value_and_grad(features, weight, labels, bias=bias, sample_weight=scale)
    np.testing.assert_array_equal(result.weight, expected.weight)
    np.testing.assert_array_equal(result.bias, expected.bias)
    assert not result.features[::4].any()
    assert np.isnan(result.losses[::4]).all()


@pytest.mark.parametrize("shape", [(2100, 70, 40), (70, 9000, 24), (300, 3000, 70)])
def test_the_bits_are_the_same_for_any_number_of_threads(monkeypatch, shape):
    features, weight, bias, labels, rng = problem(np.float32, *shape)
    scale, results = rng.random(len(labels)), []
    for threads in (1, 2, 5):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", str(threads))
        results.append(ll.linear_cross_entropy_value_and_grad(features, weight, labels, bias=bias, sample_weight=scale))
    for result in results[1:]:
        for array, expected in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_03_a_tile_of_impossible_classes_before_a_possible_one(tiles, dtype):
    features, weight, bias, labels, _ = problem(dtype)
    for impossible in (slice(0, 20), slice(20, None), slice(5, 12)):
        shift = bias.copy()
        shift[impossible] = -np.inf
        possible = np.flatnonzero(np.isfinite(shift))
        known = possible[labels % len(possible)]
        result = ll.linear_cross_entropy_value_and_grad(features, weight, known, bias=shift)
        expected = ll.linear_cross_entropy_value_and_grad(
            features, weight[possible], np.searchsorted(possible, known), bias=shift[possible]
        )
        assert_near(result.losses, expected.losses, dtype, 10)
        assert_near(result.features, expected.features, dtype, 10)
        assert_near(result.weight[possible], expected.weight, dtype, 10)
        assert not result.weight[impossible].any()
        assert not result.bias[impossible].any()


def test_trap_02_an_impossible_class_costs_only_where_it_has_weight(tiles):
    features, weight, bias, labels, _ = problem(np.float64)
    bias[3] = -np.inf
    labels[:] = 5
    labels[0] = 3
    assert np.isposinf(ll.linear_cross_entropy(features, weight, labels, bias=bias)[0])
    smoothed = ll.linear_cross_entropy(features, weight, labels, bias=bias, label_smoothing=0.1)
    assert np.isposinf(smoothed).all()
    free = np.ones(len(weight))
    free[3] = 0
    assert np.isfinite(
        ll.linear_cross_entropy(features, weight, labels, bias=bias, label_smoothing=0.1, class_weight=free)
    ).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_trap_04_a_row_that_is_no_number_touches_no_other(tiles, bad):
    features, weight, _, labels, _ = problem(np.float32, num_rows=40)
    whole = ll.linear_cross_entropy_value_and_grad(features, weight, labels)
    features[7, 2] = bad
    with np.errstate(invalid="ignore"):
        result = ll.linear_cross_entropy_value_and_grad(features, weight, labels)
    others = np.arange(40) != 7
    assert np.isnan(result.losses[7])
    assert np.isnan(result.features[7]).all()
    np.testing.assert_array_equal(result.losses[others], whole.losses[others])
    np.testing.assert_array_equal(result.features[others], whole.features[others])


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_04_rows_without_a_possible_class_are_nan(tiles, dtype):
    features, weight, bias, labels, _ = problem(dtype)
    losses = ll.linear_cross_entropy(features, weight, labels, bias=np.full_like(bias, -np.inf))
    assert np.isnan(losses).all()


@functools.cache
def confident(lead):
    """Features whose label leads by that much, weights that leave logits exact, labels, and what is expected."""
    rng = np.random.default_rng(3)
    weight = np.eye(40, dtype=np.float32)
    features = rng.normal(size=(21, 40)).astype(np.float32)
    labels = rng.integers(0, 40, 21)
    features[np.arange(21), labels] = features.max() + np.float32(lead)
    expected = [oracle.loss_and_gradients(x, weight, y) for x, y in zip(features, labels, strict=True)]
    return features, weight, labels, expected


@pytest.mark.parametrize("lead", [0.0, 5.0, 17.3, 30.0, 80.0])
def test_traps_06_08_and_15_a_confident_right_answer_is_accurate_and_never_negative(tiles, lead):
    features, weight, labels, expected = confident(lead)
    result = ll.linear_cross_entropy_value_and_grad(features, weight, labels)
    losses = np.array([float(one[0]) for one in expected])
    assert (result.losses >= 0).all()
    bound = 1e-6 * (1 + np.abs(np.log(losses)))
    assert (np.abs(result.losses / losses - 1) <= bound).all()
    slopes = np.array([float(one[3][y]) for one, y in zip(expected, labels, strict=True)])
    assert (np.abs(result.features[np.arange(21), labels] / slopes - 1) <= 2 * bound).all()


@settings(max_examples=30)
@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_trap_15_no_loss_is_negative(num_classes, seed):
    rng = np.random.default_rng(seed)
    features, weight = (rng.normal(size=shape).astype(np.float32) * 30 for shape in ((20, 5), (num_classes, 5)))
    labels = (features @ weight.T).argmax(axis=1)
    assert (ll.linear_cross_entropy(features, weight, labels) >= 0).all()


def test_trap_17_more_logits_than_32_bits_count():
    num_rows, num_classes = 2200, 1_000_003
    features = np.linspace(-1, 1, num_rows, dtype=np.float32)[:, None]
    weight = np.linspace(-2, 2, num_classes, dtype=np.float32)[:, None]
    labels = np.arange(num_rows) * (num_classes // num_rows)
    losses = ll.linear_cross_entropy(features, weight, labels)
    some = [0, 1100, 2199]
    logits = features[some].astype(np.float64) @ weight.T.astype(np.float64)
    np.testing.assert_allclose(losses[some], ll.cross_entropy(logits, labels[some]), rtol=1e-6)


def peak_beyond_the_result(function, *arguments):
    tracemalloc.start()
    try:
        results = function(*arguments)
        arrays = results if isinstance(results, tuple) else (results,)
        size = sum(array.nbytes for array in arrays if array is not None)
        return tracemalloc.get_traced_memory()[1] - size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(64, 300_000, 4), (8, 10_000_000, 2), (20_000, 150, 16)])
def test_memory_beyond_gradients_is_at_most_128_mb(shape):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((shape[0], shape[2]), np.float32)
    weight = rng.standard_normal((shape[1], shape[2]), np.float32)
    labels = rng.integers(0, shape[1], shape[0])
    ll.linear_cross_entropy_value_and_grad(features[:2], weight[:2], labels[:2] % 2)  # compiles
    beyond = peak_beyond_the_result(ll.linear_cross_entropy_value_and_grad, features, weight, labels)
    assert beyond <= 128 << 20
    beyond = peak_beyond_the_result(ll.linear_cross_entropy, features, weight, labels)
    assert beyond <= 32 << 20


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
def test_trap_18_any_stride_rank_and_dtype(dtype):
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(4, 3, 6)) * 3).astype(dtype)
    weight, bias = (rng.normal(size=(11, 6)) * 2).astype(dtype), rng.integers(-2, 2, 11).astype(dtype)
    labels = rng.integers(0, 11, (4, 3))
    expected = ll.linear_cross_entropy_value_and_grad(features, weight, labels, bias=bias)
    assert expected.losses.shape == (4, 3)
    assert expected.features.shape == features.shape
    assert expected.weight.dtype == (np.float64 if dtype == np.int32 else dtype)

    class_order = np.asfortranarray(weight)
    backwards = np.ascontiguousarray(features[..., ::-1])[..., ::-1]
    spaced = np.zeros((22, 12), dtype)
    spaced[::2, ::2] = weight
    fixed = weight.copy()
    fixed.flags.writeable = False
    for x, w in ((features, class_order), (backwards, weight), (features, spaced[::2, ::2]), (features, fixed)):
        result = ll.linear_cross_entropy_value_and_grad(x, w, labels, bias=bias[::-1][::-1])
        for array, other in zip(result, expected, strict=True):
            np.testing.assert_array_equal(array, other)
    flat = ll.linear_cross_entropy(features.reshape(12, 6), weight, labels.ravel(), bias=bias)
    np.testing.assert_array_equal(flat, expected.losses.ravel())
    one = ll.linear_cross_entropy(features[0, 0], weight, labels[0, 0], bias=bias)
    np.testing.assert_array_equal(one, expected.losses[0, 0])


def test_trap_18_no_rows_and_one_class():
    result = ll.linear_cross_entropy_value_and_grad(
        np.zeros((0, 3)), np.ones((4, 3)), np.zeros(0, int), bias=np.ones(4)
    )
    assert result.losses.shape == (0,)
    assert not result.weight.any()
    assert not result.bias.any()
    one = ll.linear_cross_entropy_value_and_grad(np.ones((5, 3)), np.ones((1, 3)), np.zeros(5, int))
    assert not one.losses.any()
    assert not one.weight.any()


def test_arguments_are_not_written_to(tiles):
    features, weight, bias, labels, rng = problem(np.float64)
    copies = [array.copy() for array in (features, weight, bias, labels)]
    ll.linear_cross_entropy_value_and_grad(features, weight, labels, bias=bias, soft_cap=3, sample_weight=rng.random(9))
    for array, copy in zip((features, weight, bias, labels), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": [0, 37]}, r"^labels: row 1 is 37, but logits have 37 classes \(0 to 36\)\.$"),
        ({"labels": [0, 1, 2]}, r"^labels: shape is \(3,\), expected \(2,\), one label for each row of logits\.$"),
        ({"weight": np.ones((37, 5))}, r"^features: shape is \(2, 6\), expected \(\.\.\., 5\), as many features as"),
        ({"weight": np.ones((0, 6))}, r"^weight: shape is \(0, 6\), expected \(K, D\), a vector for each of at least"),
        ({"weight": np.ones(6)}, r"^weight: shape is \(6,\), expected \(K, D\)"),
        ({"bias": np.ones(3)}, r"^bias: shape is \(3,\), expected \(37,\), one for each class\.$"),
        ({"soft_cap": 0}, r"^soft_cap: received 0, expected a finite number greater than 0\.$"),
        ({"z_loss": -1.0}, r"^z_loss: received -1\.0, expected a finite number that is not negative\.$"),
        ({"z_loss": np.nan}, r"^z_loss: received nan, expected a finite number that is not negative\.$"),
        ({"class_weight": -np.ones(37)}, r"^class_weight: class 0 has -1\.0, expected a finite number"),
        ({"sample_weight": np.ones(3)}, r"^sample_weight: shape is \(3,\), expected \(2,\), one weight for each label"),
        ({"sample_weight": [1, -1]}, r"^sample_weight: row 1 is -1\.0, expected a finite number that is not negative"),
    ],
)
def test_trap_09_bad_values_are_named(changed, message):
    features, weight, _, labels, _ = problem(np.float64, num_rows=2)
    arguments = {"features": features, "weight": weight, "labels": labels} | changed
    with pytest.raises(ValueError, match=message):
        ll.linear_cross_entropy_value_and_grad(**arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": [0.0, 1.0]}, r"^labels: dtype is float64, expected integers from 0 to 36"),
        ({"features": np.array([["a"] * 6] * 2)}, r"^features: dtype is <U1, expected real numbers"),
        ({"weight": np.ones((37, 6), complex)}, r"^weight: dtype is complex128, expected real numbers"),
        ({"z_loss": "1"}, r"^z_loss: received '1', expected a number that is not negative\.$"),
        ({"soft_cap": True}, r"^soft_cap: received True, expected a number greater than 0\.$"),
    ],
)
def test_what_is_no_number_is_a_type_error(changed, message):
    features, weight, _, labels, _ = problem(np.float64, num_rows=2)
    arguments = {"features": features, "weight": weight, "labels": labels} | changed
    with pytest.raises(TypeError, match=message):
        ll.linear_cross_entropy_value_and_grad(**arguments)


def test_trap_09_an_unsigned_label_does_not_wrap_around():
    features, weight, _, _, _ = problem(np.float64, num_rows=2)
    labels = np.array([2**64 - 1, 0], np.uint64)
    with pytest.raises(ValueError, match=r"^labels: row 0 is 18446744073709551615, but logits have 37 classes"):
        ll.linear_cross_entropy(features, weight, labels, ignore_index=-1)
    with pytest.raises(
        ValueError, match=r"^indices: entry 0 is 18446744073709551615, expected a class that int64 holds"
    ):
        ll.samplers.Candidates(labels, np.zeros(2))


def test_heads_without_features_have_their_bias():
    result = ll.linear_cross_entropy_value_and_grad(np.zeros((2, 0)), np.zeros((3, 0)), [0, 1], bias=np.zeros(3))
    np.testing.assert_allclose(result.losses, np.log(3))
    assert result.features.shape == (2, 0)

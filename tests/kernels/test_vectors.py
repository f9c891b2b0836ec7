import numba
import numpy as np
import pytest

from lastlayer.kernels.instructions import at_least, fused_multiply_add, larger, where_at_least, where_equal
from lastlayer.kernels.vectors import (
    VECTOR_BYTES,
    filled,
    lane_count,
    largest_lane,
    load,
    load_as,
    load_first,
    load_labels,
    store,
    store_first,
    sum_of_lanes,
    where_label,
    zero_unless_kept,
)

FLOATS = (np.float32, np.float64)


def width_of(dtype):
    return VECTOR_BYTES // np.dtype(dtype).itemsize


def numbers(dtype, count=40):
    return np.random.default_rng(0).normal(size=count).astype(dtype)


@numba.njit
def copied(source, target, index, count, missing):
    store(target, 0, load_first(source, index, count, missing))
    return lane_count(source)


@numba.njit
def copied_in_part(source, target, index, count):
    store_first(target, index, load(source, 0), count)


@numba.njit
def converted(like, source, index, count, missing):
    store(like, 0, load_as(like, source, index, count, missing))


@numba.njit
def told_apart(labels, index, count, k, is_k, kept):
    found = load_labels(is_k, labels, index, count)
    yes, no = filled(is_k, is_k.dtype.type(1)), filled(is_k, is_k.dtype.type(0))
    store(is_k, 0, where_label(found, k, yes, no))
    store(kept, 0, zero_unless_kept(found, yes))


@numba.njit
def arithmetic(a, b, scalar, results):
    x, y = load(a, 0), load(b, 0)
    store(results[0], 0, x + y * scalar)
    store(results[1], 0, scalar - x / y)
    store(results[2], 0, fused_multiply_add(x, scalar, y))
    store(results[3], 0, larger(x, y))
    store(results[4], 0, at_least(x, scalar))
    store(results[5], 0, where_at_least(x, y, x, scalar))
    store(results[6], 0, where_equal(x, scalar, filled(a, scalar), y))
    return sum_of_lanes(x), largest_lane(x)


@pytest.mark.parametrize("dtype", FLOATS)
def test_lanes_without_an_entry_hold_what_was_asked_for(dtype):
    source, width = numbers(dtype), width_of(dtype)
    for count in range(width + 1):
        target = np.full(width, np.nan, dtype)
        assert copied(source, target, 3, count, dtype(-np.inf)) == width
        np.testing.assert_array_equal(target[:count], source[3 : 3 + count])
        assert (target[count:] == -np.inf).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_nothing_is_read_or_written_beyond_the_count(dtype):
    source, width = numbers(dtype), width_of(dtype)
    for count in range(width + 1):
        target = np.full(40, np.nan, dtype)
        copied_in_part(source, target, 5, count)
        np.testing.assert_array_equal(target[5 : 5 + count], source[:count])
        assert np.isnan(target[:5]).all()
        assert np.isnan(target[5 + count :]).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_float64_is_converted(dtype):
    like, width = np.empty(width_of(dtype), dtype), width_of(dtype)
    weights = numbers(np.float64)
    for count in (1, width - 1, width):
        converted(like, weights, 2, count, 0.5)
        np.testing.assert_array_equal(like[:count], weights[2 : 2 + count].astype(dtype))
        assert (like[count:] == 0.5).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_labels_are_told_apart_beyond_what_float32_can(dtype):
    width = width_of(dtype)
    labels = np.arange(2**24 - 5, 2**24 + 35)
    labels[4] = -1
    for count in (1, width - 1, width):
        for k in (2**24, 2**24 + 1):
            is_k, kept = np.empty((2, width), dtype)
            told_apart(labels, 2, count, k, is_k, kept)
            np.testing.assert_array_equal(is_k[:count], labels[2 : 2 + count] == k)
            np.testing.assert_array_equal(kept[:count], labels[2 : 2 + count] >= 0)
            assert not is_k[count:].any()
            assert not kept[count:].any()


def test_float32_can_be_written_to_float64():
    source, target = numbers(np.float32), np.zeros(16)
    copied_in_part(source, target, 1, 9)
    np.testing.assert_array_equal(target[1:10], source[:9])
    assert not target[10:].any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_arithmetic_with_vectors_and_scalars(dtype):
    width = width_of(dtype)
    a, b, scalar = numbers(dtype), numbers(dtype)[::-1].copy(), dtype(0.25)
    a[0], a[1], b[2] = scalar, np.nan, np.nan
    results = np.empty((7, width), dtype)
    total, largest = arithmetic(a, b, scalar, results)
    x, y, beside = a[:width], b[:width], ~np.isnan(a[:width]) & ~np.isnan(b[:width])
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(results[0], x + y * scalar, rtol=4 * eps, atol=eps)
    np.testing.assert_allclose(results[1], scalar - x / y, rtol=4 * eps, atol=eps)
    np.testing.assert_allclose(results[2], x.astype(np.longdouble) * scalar + y, rtol=eps, atol=eps / 8)
    np.testing.assert_array_equal(results[3][beside], np.maximum(x, y)[beside])
    np.testing.assert_array_equal(results[4], np.where(x < scalar, scalar, x))
    np.testing.assert_array_equal(results[5], np.where(x >= y, x, scalar))
    np.testing.assert_array_equal(results[6], np.where(x == scalar, scalar, y))
    assert np.isnan(total)
    a[1] = dtype(-1)
    total, largest = arithmetic(a, b, scalar, results)
    assert abs(total - a[:width].astype(np.longdouble).sum()) <= 8 * eps * np.abs(a[:width]).sum()
    assert largest == a[:width].max()

import numba
import numpy as np
import torch

from lastlayer.kernels.labels import count_labels
from lastlayer.kernels.storage import number, stored


@numba.njit
def numbers(entries, result):
    for i in range(entries.size):
        result[i] = number(entries[i])


@numba.njit
def entries(values, result):
    for i in range(values.size):
        result[i] = stored(values[i], result)


def test_every_bfloat16_is_the_number_that_it_stands_for():
    bits = np.arange(1 << 16, dtype=np.uint16)
    values, back = np.empty(bits.size, np.float32), np.empty_like(bits)
    numbers(bits, values)
    expected = torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(values, expected)
    entries(values, back)
    kept = ~np.isnan(values)
    np.testing.assert_array_equal(back[kept], bits[kept])
    numbers(back, values)
    assert np.isnan(values[~kept]).all()


def test_numbers_are_rounded_to_nearest_even():
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 1 << 32, 200_000, dtype=np.uint64).astype(np.uint32)
    ties = (patterns & np.uint32(0xFFFF0000)) | np.uint32(0x8000)
    large = np.array([np.finfo(np.float32).max, -np.finfo(np.float32).max, np.inf, -np.inf, 1e-45], np.float32)
    values = np.concatenate([patterns.view(np.float32), ties.view(np.float32), large])
    bits = np.empty(values.size, np.uint16)
    entries(values, bits)
    found = torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16)
    expected = torch.from_numpy(values).to(torch.bfloat16)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def test_other_floats_are_stored_as_they_are():
    for dtype in (np.float32, np.float64):
        values = np.array([1.5, -np.inf, np.nan, 1e-300], dtype)
        result = np.empty_like(values)
        entries(values, result)
        np.testing.assert_array_equal(result, values)
        numbers(values, result)
        np.testing.assert_array_equal(result, values)


def test_labels_are_counted():
    labels = np.array([0, 4, 5, -1, -100, 2**40, 3])
    assert count_labels(labels, 5, -100) == (6, 3)
    assert count_labels(labels, 5, 4) == (6, 4)
    assert count_labels(labels[:0], 5, 4) == (0, 0)

import numba
import numpy as np
import pytest

from lastlayer.kernels.transposition import turn_in, turn_out

turn = numba.njit(lambda rows, start, count, tile, staging: turn_in(rows, start, count, tile, staging))
turn_back = numba.njit(lambda tile, rows, start, count, staging: turn_out(tile, rows, start, count, staging))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num_classes", [1, 3, 4, 5, 7, 8, 9, 16, 17, 63])
@pytest.mark.parametrize("count", [1, 3, 4, 7, 8, 9, 30, 32])
def test_there_and_back(dtype, num_classes, count):
    rows = np.random.default_rng(0).normal(size=(40, num_classes)).astype(dtype)
    tile, staging = np.full((1, num_classes, 32), np.nan, dtype), np.empty((0, num_classes), dtype)
    turn(rows, 5, count, tile, staging)
    np.testing.assert_array_equal(tile[0, :, :count], rows[5 : 5 + count].T)
    assert np.isnan(tile[0, :, count:]).all()
    back = np.full_like(rows, np.nan)
    turn_back(tile, back, 5, count, staging)
    np.testing.assert_array_equal(back[5 : 5 + count], rows[5 : 5 + count])
    assert np.isnan(back[:5]).all()
    assert np.isnan(back[5 + count :]).all()


@pytest.mark.parametrize("num_classes", [1, 3, 8, 17])
@pytest.mark.parametrize("count", [1, 8, 30])
def test_bits_there_and_back(num_classes, count):
    rows = np.random.default_rng(0).normal(size=(40, num_classes)).astype(np.float32)
    bits = (rows.view(np.uint32) >> 16).astype(np.uint16)
    rows = (bits.astype(np.uint32) << 16).view(np.float32)
    tile, staging = np.full((1, num_classes, 32), np.nan, np.float32), np.empty((32, num_classes), np.float32)
    turn(bits, 5, count, tile, staging)
    np.testing.assert_array_equal(tile[0, :, :count], rows[5 : 5 + count].T)
    back = np.zeros_like(bits)
    turn_back(tile, back, 5, count, staging)
    np.testing.assert_array_equal(back[5 : 5 + count], bits[5 : 5 + count])
    assert not back[:5].any()
    assert not back[5 + count :].any()

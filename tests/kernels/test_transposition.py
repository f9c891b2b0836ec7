import numba
import numpy as np
import pytest

from lastlayer.kernels.transposition import transpose_lanes, transpose_rows

into_lanes = numba.njit(lambda rows, start, count, tile: transpose_rows(rows, start, count, tile))
into_rows = numba.njit(lambda tile, rows, start, count: transpose_lanes(tile, rows, start, count))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num_classes", [1, 3, 4, 5, 7, 8, 9, 16, 17, 63])
@pytest.mark.parametrize("count", [1, 3, 4, 7, 8, 9, 30, 32])
def test_there_and_back(dtype, num_classes, count):
    rows = np.random.default_rng(0).normal(size=(40, num_classes)).astype(dtype)
    tile = np.full((1, num_classes, 32), np.nan, dtype)
    into_lanes(rows, 5, count, tile)
    np.testing.assert_array_equal(tile[0, :, :count], rows[5 : 5 + count].T)
    assert np.isnan(tile[0, :, count:]).all()
    back = np.full_like(rows, np.nan)
    into_rows(tile, back, 5, count)
    np.testing.assert_array_equal(back[5 : 5 + count], rows[5 : 5 + count])
    assert np.isnan(back[:5]).all()
    assert np.isnan(back[5 + count :]).all()

import numpy as np
import pytest
from mpmath import mp, mpf

from lastlayer.kernels.soft_cap import complete_tile


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cap", [0.5, 1.0, 30.0])
def test_the_cap_is_a_scaled_tanh_to_a_few_units_in_the_last_place(dtype, cap):
    rng = np.random.default_rng(0)
    lanes = 64 // np.dtype(dtype).itemsize
    size = 20 * lanes
    signs, exponents = rng.choice([-1.0, 1.0], size), rng.uniform(-8, 3, size)
    logits = (signs * 10**exponents).astype(dtype)
    tile = logits.reshape(2, 10, lanes).copy()
    complete_tile(tile, None, cap)
    with mp.workdps(40):
        expected = [float(cap * mp.tanh(mpf(float(z)) / mpf(cap))) for z in logits]
    np.testing.assert_allclose(tile.ravel(), expected, rtol=8 * np.finfo(dtype).eps)


def test_special_values_and_the_bias():
    tile = np.zeros((1, 3, 8))
    tile[0, 0, :4] = [np.nan, np.inf, -np.inf, 1e300]
    bias = np.array([0.0, 2.0, -np.inf])
    complete_tile(tile, bias, 4.0)
    np.testing.assert_array_equal(tile[0, 0, :5], [np.nan, 4.0, -4.0, 4.0, 0.0])
    np.testing.assert_allclose(tile[0, 1], 4 * np.tanh(0.5), rtol=1e-15)
    np.testing.assert_array_equal(tile[0, 2], -4.0)
    plain = np.ones((1, 3, 8))
    complete_tile(plain, bias, 0.0)
    np.testing.assert_array_equal(plain[0, :, 0], 1 + bias)

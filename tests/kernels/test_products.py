import numpy as np
import pytest

from lastlayer.kernels.products import (
    add_to_bias,
    add_to_features,
    add_to_masses,
    add_to_weight,
    pack_rows,
    unpack_rows,
    write_products,
)
from lastlayer.kernels.vectors import VECTOR_BYTES

FLOATS = (np.float32, np.float64)
# Around the edges of blocks of accumulators: rows, classes, features.
SHAPES = [(1, 1, 1), (5, 7, 3), (16, 6, 16), (17, 13, 17), (64, 12, 64), (70, 37, 100), (200, 131, 20), (129, 5, 65)]


def problem(dtype, shape):
    rng = np.random.default_rng(sum(shape))
    num_rows, num_classes, num_features = shape
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    vectors = -(-num_rows // lanes)
    # Whole numbers, so that every sum is exact.
    rows = np.zeros((vectors * lanes, num_features), dtype)
    rows[:num_rows] = rng.integers(-8, 9, (num_rows, num_features))
    weight = rng.integers(-8, 9, (num_classes, num_features)).astype(dtype)
    residual = rng.integers(-8, 9, (vectors, num_classes, lanes)).astype(dtype)
    panels = np.zeros((vectors, num_features, lanes), dtype)
    pack_rows(rows[:num_rows].copy(), panels)
    return rows, weight, residual, panels


def as_rows(tile):
    """(V, T, lanes) as (V lanes, T)."""
    return tile.transpose(0, 2, 1).reshape(-1, tile.shape[1])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_are_packed_side_by_side_and_unpacked(dtype, shape):
    rows, _, _, panels = problem(dtype, shape)
    np.testing.assert_array_equal(as_rows(panels), rows)
    back = np.empty((shape[0], shape[2]), dtype)
    unpack_rows(panels, back)
    np.testing.assert_array_equal(back, rows[: shape[0]])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_those_of_the_matrices(dtype, shape):
    rows, weight, residual, panels = problem(dtype, shape)
    logits = np.full(residual.shape, np.nan, dtype)
    write_products(weight, panels, logits)
    np.testing.assert_array_equal(as_rows(logits), rows @ weight.T)

    of_features = np.ones_like(panels)
    add_to_features(weight, residual, of_features)
    np.testing.assert_array_equal(as_rows(of_features), 1 + as_rows(residual) @ weight)

    lanes = residual.shape[2]
    padded = np.zeros((len(rows), -(-shape[2] // lanes) * lanes), dtype)
    padded[:, : shape[2]] = rows
    for fresh, before in ((False, 2.0), (True, np.nan)):
        # One class more on either side, which is not to be touched.
        around = np.full((shape[1] + 2, shape[2]), before, dtype)
        add_to_weight(residual, padded, around[1:-1], fresh)
        expected = as_rows(residual).T @ rows
        np.testing.assert_array_equal(around[1:-1], expected if fresh else 2 + expected)
        np.testing.assert_array_equal(around[[0, -1]], np.full((2, shape[2]), before))

    of_bias = np.ones(shape[1])
    add_to_bias(residual, of_bias)
    np.testing.assert_array_equal(of_bias, 1 + as_rows(residual).sum(axis=0))


def test_masses_come_from_the_residuals():
    rng = np.random.default_rng(0)
    p, scale, lanes = rng.dirichlet(np.ones(9), 40), rng.random(40), 16
    labels = rng.integers(0, 9, 40)
    residual = scale[:, None] * (p - np.eye(9)[labels])
    tile, inverse = np.zeros((3, 9, lanes), np.float32), np.zeros((3, lanes), np.float32)
    inverse.reshape(-1)[:40] = 1 / scale
    pack_rows(residual.astype(np.float32), tile)
    masses = np.zeros(9)
    add_to_masses(tile, inverse, masses)
    np.testing.assert_allclose(masses, (scale[:, None] * p * (1 - p)).sum(axis=0), rtol=1e-5)

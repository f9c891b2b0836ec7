import numpy as np
import pytest
import scipy.sparse as sp

from lastlayer._memory import memory_allowance
from lastlayer.kernels.bfloat16 import has_tiles
from lastlayer.linear import DenseFeatures, SparseFeatures, bfloat16_products
from lastlayer.linear.bfloat16_products import (
    ROWS,
    Bfloat16Block,
    Bfloat16Weights,
    bytes_of_block,
    can_sweep_in_bfloat16,
    sweep_in_bfloat16,
)

with_tiles = pytest.mark.skipif(not has_tiles(), reason="this processor multiplies no tiles of bfloat16")


def data(num_rows, num_features, num_classes):
    # Whole numbers below 256 have 8 bits, so that every product is exact.
    rng = np.random.default_rng(num_rows)
    features = rng.integers(-8, 9, (num_rows, num_features)).astype(np.float32)
    weight = rng.integers(-300, 300, (num_classes, num_features)).astype(np.float32)
    residual = rng.integers(-8, 9, (num_rows, num_classes)).astype(np.float32)
    return features, weight, residual, rng.integers(-9, 9, num_classes).astype(np.float32)


@with_tiles
@pytest.mark.parametrize("shape", [(1, 1, 1), (33, 31, 33), (ROWS, 70, 5), (500, 32, 64), (40, 1024, 1024)])
def test_products_of_any_shape(shape):
    features, weight, residual, bias = data(*shape)
    mean = np.arange(shape[1]) % 3.0
    block = Bfloat16Block(Bfloat16Weights(weight), mean)
    # The second block is shorter than the first, whose rows must not be seen again.
    for rows in (slice(None), slice(0, shape[0] // 2 + 1)):
        logits = block.logits(features[rows] + mean.astype(np.float32), bias)
        np.testing.assert_array_equal(logits[:, : shape[2]], features[rows] @ weight.T + bias)
        assert (logits[:, shape[2] :] == -np.inf).all()
        own = block.residual()
        own[:, : shape[2]], own[:, shape[2] :] = residual[rows], 0
        block.add_residual()
        np.testing.assert_array_equal(block.take_gradient(), residual[rows].T @ features[rows])


@with_tiles
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_rows_of_other_types(dtype):
    features, weight, _, bias = data(20, 5, 3)
    block = Bfloat16Block(Bfloat16Weights(weight), np.zeros(5))
    np.testing.assert_array_equal(block.logits(features.astype(dtype), bias)[:, :3], features @ weight.T + bias)


@with_tiles
@pytest.mark.parametrize("shape", [(1000, 2048), (3000, 64)])
def test_memory_of_a_block(shape):
    block = Bfloat16Block(Bfloat16Weights(np.zeros(shape)), np.zeros(shape[1]))
    held = sum(array.nbytes for array in vars(block).values() if isinstance(array, np.ndarray))
    assert bytes_of_block(*shape) == pytest.approx(held, rel=0.05)


@with_tiles
@pytest.mark.parametrize("num_rows", [1, ROWS, 5 * ROWS + 3])
@pytest.mark.parametrize("num_parts", [1, 4])
def test_a_sweep_adds_up_blocks_and_parts(monkeypatch, num_rows, num_parts):
    monkeypatch.setattr(bfloat16_products, "_FEWEST_PARTS", num_parts)
    monkeypatch.setattr(bfloat16_products, "_MOST_PARTS", num_parts)
    features, weight, residual, bias = data(num_rows, 40, 5)
    mean, scale = np.arange(40) % 3.0, np.where(np.arange(40) % 2, 1.0, 4.0)
    seen = np.zeros((num_rows, 5))

    def write_residual(rows, logits, own):
        seen[rows] += logits[:, :5]
        own[:, :5], own[:, 5:] = residual[rows], 0
        return rows.stop - rows.start, residual[rows].sum(axis=0)

    stored = DenseFeatures((features + mean) * scale, scale)
    gradient, (count, sums) = sweep_in_bfloat16(stored, weight, bias, mean, write_residual)
    np.testing.assert_array_equal(seen, features @ weight.T + bias)
    np.testing.assert_array_equal(gradient, residual.T @ features)
    np.testing.assert_array_equal(sums, residual.sum(axis=0))
    assert count == num_rows


def test_what_can_be_swept(monkeypatch):
    monkeypatch.setattr(bfloat16_products, "has_tiles", lambda: True)
    features = np.zeros((10, 40), np.float32)
    assert can_sweep_in_bfloat16(DenseFeatures(features), 5)
    narrow, wide = DenseFeatures(np.ones((3, 127), np.float32)), DenseFeatures(np.ones((3, 128), np.float32))
    assert [can_sweep_in_bfloat16(narrow, count) for count in (128, 129)] == [True, False]
    assert can_sweep_in_bfloat16(wide, 129)
    assert not can_sweep_in_bfloat16(DenseFeatures(features.astype(np.float64)), 5)
    assert not can_sweep_in_bfloat16(SparseFeatures(sp.csr_array(features)), 5)
    with memory_allowance(1 << 18):
        assert not can_sweep_in_bfloat16(DenseFeatures(features), 5)
    monkeypatch.setattr(bfloat16_products, "has_tiles", lambda: False)
    assert not can_sweep_in_bfloat16(DenseFeatures(features), 5)


def test_no_processor_no_products(monkeypatch):
    monkeypatch.setattr(bfloat16_products, "has_tiles", lambda: False)
    with pytest.raises(RuntimeError, match="no tiles"):
        Bfloat16Weights(np.ones((2, 3)))

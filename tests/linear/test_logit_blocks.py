import numpy as np
import pytest
import scipy.sparse as sp

from lastlayer.linear import DenseFeatures, SparseFeatures, logit_blocks
from lastlayer.linear.logit_blocks import LogitBlocks, write_logits


def head(num_classes, num_features, dtype=np.float64):
    rng = np.random.default_rng(1)
    return rng.standard_normal((num_classes, num_features)).astype(dtype), rng.standard_normal(num_classes)


def rows_of_features(num_rows=11, num_features=7, dtype=np.float64):
    rng = np.random.default_rng(0)
    return (rng.standard_normal((num_rows, num_features)) * (rng.random((num_rows, num_features)) < 0.5)).astype(dtype)


def definition(X, weight, bias):
    return (
        np.array([[sum(x * w for x, w in zip(row, of_class, strict=True)) for of_class in weight] for row in X]) + bias
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sparse", [False, True])
def test_logits_are_those_of_the_definition(dtype, sparse):
    X, (weight, bias) = rows_of_features(dtype=dtype), head(5, 7, dtype)
    features = SparseFeatures(sp.csr_array(X)) if sparse else DenseFeatures(X)
    out = np.full((6, 5), np.nan, dtype)
    write_logits(features, weight, bias, slice(3, 9), out)
    np.testing.assert_allclose(out, definition(X[3:9], weight, bias), rtol=1e-5, atol=1e-6)
    # A block of the classes alone, in memory that is not dense.
    part = np.full((6, 4), np.nan, dtype)
    write_logits(features, weight[1:3], bias[1:3], slice(3, 9), part[:, ::2])
    np.testing.assert_allclose(part[:, ::2], out[:, 1:3], rtol=1e-5, atol=1e-6)
    assert np.isnan(part[:, 1::2]).all()


def test_a_literal_number():
    # x = (1, 2), w = (3, 4), b = 5: 1 * 3 + 2 * 4 + 5 = 16.
    out = np.empty((1, 1))
    write_logits(DenseFeatures(np.array([[1.0, 2.0]])), np.array([[3.0, 4.0]]), np.array([5.0]), slice(0, 1), out)
    assert out == 16.0


@pytest.mark.parametrize("bias", [0.0, 2.5])
def test_weights_of_zero_cost_no_product(bias):
    class Untouched(DenseFeatures):
        def times(self, weight, rows, out):
            raise AssertionError

    out = np.full((4, 3), np.nan)
    write_logits(Untouched(rows_of_features()), np.zeros((3, 7)), np.full(3, bias), slice(0, 4), out)
    np.testing.assert_array_equal(out, bias)


@pytest.mark.parametrize("most_rows", [1, 4, 8192])
def test_blocks_cover_every_row_once(monkeypatch, most_rows):
    monkeypatch.setattr(logit_blocks, "_FEWEST_ROWS", 1)
    monkeypatch.setattr(logit_blocks, "_MOST_ROWS", most_rows)
    monkeypatch.setattr(logit_blocks, "_DISPATCH", 1)
    blocks = LogitBlocks(DenseFeatures(rows_of_features()), 3)
    covered = [blocks.slices(start, stop) for start, stop in blocks.run(lambda start, stop: (start, stop))]
    slices = [rows for part in covered for rows in part]
    assert max(rows.stop - rows.start for rows in slices) <= blocks.rows_per_block <= most_rows
    assert [i for rows in slices for i in range(rows.start, rows.stop)] == list(range(11))


@pytest.mark.parametrize(("num_classes", "width"), [(1, 8), (8, 8), (9, 16), (1001, 1008)])
def test_rows_are_padded_to_whole_vectors(num_classes, width):
    X, (weight, bias) = rows_of_features(dtype=np.float32), head(num_classes, 7, np.float32)
    blocks = LogitBlocks(DenseFeatures(X), num_classes)
    logits = blocks.zeros(11, -np.inf)
    assert (logits.shape, logits.dtype, blocks.width) == ((11, width), np.float32, width)
    assert not logits[:, :num_classes].any()
    blocks.write_all(weight, bias, logits)
    assert (logits[:, num_classes:] == -np.inf).all()
    np.testing.assert_allclose(logits[:, :num_classes], X @ weight.T + bias, rtol=1e-5, atol=1e-5)
    padded = blocks.padded(bias, np.float64)
    np.testing.assert_array_equal(padded[:num_classes], bias)
    assert padded.shape == (width,)
    assert not padded[num_classes:].any()


def test_a_block_of_very_many_classes_stays_within_its_memory():
    blocks = LogitBlocks(DenseFeatures(rows_of_features()), 10_000_000)
    assert blocks.rows_per_block * blocks.width <= 1 << 25

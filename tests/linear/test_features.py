import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from lastlayer.linear.features import DenseFeatures, SparseFeatures, working_dtype

ROWS = slice(3, 9)


def features(dtype):
    rng = np.random.default_rng(0)
    return (rng.standard_normal((11, 7)) * (rng.random((11, 7)) < 0.5)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["C", "F", "csr"])
def test_products_are_those_of_the_rows(dtype, kind):
    X = features(dtype)
    matrix = SparseFeatures(sp.csr_array(X)) if kind == "csr" else DenseFeatures(np.array(X, order=kind))
    rng = np.random.default_rng(1)
    weight, residual = rng.standard_normal((4, 7)).astype(dtype), rng.standard_normal((6, 4)).astype(dtype)
    out = np.full((6, 4), np.nan, dtype)
    matrix.times(weight, ROWS, out)
    np.testing.assert_allclose(out, X[ROWS] @ weight.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(matrix.adjoint(residual, ROWS), residual.T @ X[ROWS], rtol=1e-5, atol=1e-6)
    assert (matrix.shape, matrix.dtype) == ((11, 7), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["C", "F", "csr"])
def test_a_scale_divides_the_columns_in_every_product(dtype, kind):
    X, scale = features(dtype), np.array([1, 0.5, 3, 1e-6, 1e6, 7, 1])
    scaled = X / scale
    sparse = kind == "csr"
    matrix = SparseFeatures(sp.csr_array(X), scale) if sparse else DenseFeatures(np.array(X, order=kind), scale)
    rng = np.random.default_rng(1)
    weight, residual = rng.standard_normal((4, 7)).astype(dtype), rng.standard_normal((6, 4)).astype(dtype)
    out = np.full((6, 4), np.nan, dtype)
    matrix.times(weight, ROWS, out)
    rounding = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(out, scaled[ROWS] @ weight.T, rtol=rounding, atol=rounding)
    np.testing.assert_allclose(matrix.adjoint(residual, ROWS), residual.T @ scaled[ROWS], rtol=rounding, atol=rounding)
    np.testing.assert_allclose(X @ matrix.unscaled(weight).T, scaled @ weight.T, rtol=rounding, atol=rounding)
    np.testing.assert_allclose(matrix.scaled(matrix.unscaled(weight)), weight, rtol=rounding)
    if sparse:
        row_weight = rng.random(11)
        np.testing.assert_allclose(matrix.weighted_squares(row_weight), row_weight @ scaled**2, rtol=rounding)
    else:
        np.testing.assert_allclose(matrix.take(np.array([2, 5])), scaled[[2, 5]], rtol=rounding)
    assert matrix.adjoint(residual, ROWS).dtype == matrix.unscaled(weight).dtype == dtype


@pytest.mark.parametrize("scale", [None, np.array([1, 0.5, 3, 1e-6, 1e6, 7, 1])])
@pytest.mark.parametrize("kind", ["C", "F", "csr"])
def test_float32_features_are_computed_with_in_float64_where_that_is_asked_for(kind, scale):
    X = features(np.float32)
    scaled = X.astype(np.float64) / (1 if scale is None else scale)
    stored = sp.csr_array(X) if kind == "csr" else np.array(X, order=kind)
    made = (SparseFeatures if kind == "csr" else DenseFeatures)(stored, scale, np.float64)
    weight, residual = np.random.default_rng(1).standard_normal((2, 4, 7))[0], np.ones((6, 4)) / 3
    for matrix in (made, made.like(stored)):
        assert (matrix.dtype, matrix.head_dtype) == (np.float64, np.float32)
        out = np.empty((6, 4))
        matrix.times(weight, ROWS, out)
        np.testing.assert_allclose(out, scaled[ROWS] @ weight.T, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(matrix.adjoint(residual, ROWS), residual.T @ scaled[ROWS], rtol=1e-12, atol=1e-12)
        assert matrix.rows(np.array([2, 5])).dtype == matrix.take(np.array([2, 5])).dtype == np.float64


@pytest.mark.parametrize("sparse", [False, True])
def test_a_product_of_converted_features_takes_the_memory_of_a_few(sparse, monkeypatch):
    monkeypatch.setattr("lastlayer.linear.features._CONVERTED", 64)
    X = np.random.default_rng(0).standard_normal((6000, 64), dtype=np.float32)
    matrix = DenseFeatures(X, dtype=np.float64)
    residual = sp.csr_array(np.eye(30)[np.arange(6000) % 30]) if sparse else np.ones((6000, 30))
    tracemalloc.start()
    product = matrix.adjoint(residual, slice(0, 6000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * product.nbytes
    np.testing.assert_allclose(product, residual.T @ X.astype(np.float64), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("entries", [1, 20, 1 << 18])
def test_squares_of_sparse_features_are_summed_in_blocks_in_float64(entries, monkeypatch):
    monkeypatch.setattr("lastlayer.linear.features._ENTRIES", entries)
    X, weight = features(np.float32), np.random.default_rng(2).random(11)
    expected = weight @ X.astype(np.float64) ** 2
    np.testing.assert_allclose(SparseFeatures(sp.csr_array(X)).weighted_squares(weight), expected, rtol=1e-12)
    # What float32 cannot hold.
    large = SparseFeatures(sp.csr_array(X * np.float32(2.0**100)))
    np.testing.assert_allclose(large.weighted_squares(weight), expected * 2.0**200, rtol=1e-12)


def test_squares_of_scaled_features_do_not_overflow():
    X = features(np.float64)
    matrix = SparseFeatures(sp.csr_array(X * 2.0**600), np.full(7, 2.0**600))
    np.testing.assert_allclose(matrix.weighted_squares(np.ones(11)), (X**2).sum(axis=0), rtol=1e-12)


def test_rows_taken_from_dense_features_are_a_copy():
    X = features(np.float64)
    taken = DenseFeatures(X).take(np.array([2, 5]))
    taken[:] = 9
    assert not (X == 9).any()


@pytest.mark.parametrize("scale", [None, np.linspace(1, 2, 7)])
def test_rows_that_are_taken_are_dense_and_scaled(scale):
    X, rows = features(np.float64), np.array([3, 0, 3])
    for matrix in (SparseFeatures(sp.csr_array(X), scale), DenseFeatures(X, scale)):
        taken = matrix.take(rows)
        np.testing.assert_allclose(taken, X[rows] / (1 if scale is None else scale), rtol=1e-12)
        assert taken.flags.c_contiguous
        taken[:] = 7
    np.testing.assert_array_equal(X, features(np.float64))


@pytest.mark.parametrize(
    ("stored", "worked_on"),
    [
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.uint8, np.float64),
        (np.int64, np.float64),
        (np.bool_, np.float64),
    ],
)
@pytest.mark.parametrize("converted", [1, 30, 1 << 17])
def test_features_stored_otherwise_are_worked_on_as_floats(stored, worked_on, converted, monkeypatch):
    monkeypatch.setattr("lastlayer.linear.features._CONVERTED", converted)
    assert working_dtype(stored) == worked_on
    X, scale = (features(np.float64) * 3).astype(stored), np.array([1, 0.5, 3, 2, 4, 7, 1])
    exact = X.astype(np.float64) / scale
    matrix = DenseFeatures(X, scale)
    assert matrix.dtype == worked_on
    rng = np.random.default_rng(1)
    weight, residual = (rng.standard_normal(shape).astype(worked_on) for shape in ((4, 7), (6, 4)))
    out = np.full((4, 6), np.nan, worked_on).T
    matrix.times(weight, ROWS, out)
    rounding = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(out, exact[ROWS] @ weight.T, **rounding)
    product = matrix.adjoint(residual, ROWS)
    assert product.dtype == worked_on
    np.testing.assert_allclose(product, residual.T @ exact[ROWS], **rounding)
    np.testing.assert_allclose(matrix.adjoint(sp.csr_array(residual), ROWS), residual.T @ exact[ROWS], **rounding)
    np.testing.assert_allclose(matrix.adjoint(sp.csc_array(residual), ROWS), residual.T @ exact[ROWS], **rounding)
    taken = matrix.take(np.array([2, 5]))
    assert taken.dtype == worked_on
    np.testing.assert_allclose(taken, exact[[2, 5]], **rounding)
    assert matrix.rows(np.array([1])).dtype == matrix.like(X[:2]).dtype == worked_on
    np.testing.assert_array_equal(np.concatenate(list(matrix.contents())), X)


def test_a_product_of_many_blocks_is_summed_wider_than_it_is_stored(monkeypatch):
    monkeypatch.setattr("lastlayer.linear.features._CONVERTED", 1)
    X = np.full((3000, 1), 0.1, np.float16)
    total = DenseFeatures(X).adjoint(np.ones((3000, 1), np.float32), slice(0, 3000)).item()
    assert total == pytest.approx(3000 * float(np.float16(0.1)), rel=1e-7)


def test_a_memmap_is_taken_where_it_is(tmp_path):
    X = np.memmap(tmp_path / "X", np.float32, "w+", shape=(8, 3))
    assert np.shares_memory(DenseFeatures(X).contents().__next__(), X)

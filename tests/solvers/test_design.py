import numpy as np
import pytest
import scipy.sparse as sp

from lastlayer.solvers.design import DenseDesign, SparseDesign

ROWS = slice(3, 9)


def features(dtype):
    rng = np.random.default_rng(0)
    return (rng.standard_normal((11, 7)) * (rng.random((11, 7)) < 0.5)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["C", "F", "csr"])
def test_products_are_those_of_the_rows(dtype, kind):
    X = features(dtype)
    design = SparseDesign(sp.csr_array(X)) if kind == "csr" else DenseDesign(np.array(X, order=kind))
    rng = np.random.default_rng(1)
    weight, residual = rng.standard_normal((4, 7)).astype(dtype), rng.standard_normal((6, 4)).astype(dtype)
    out = np.full((6, 4), np.nan, dtype)
    design.times(weight, ROWS, out)
    np.testing.assert_allclose(out, X[ROWS] @ weight.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(design.adjoint(residual, ROWS), residual.T @ X[ROWS], rtol=1e-5, atol=1e-6)
    assert (design.shape, design.dtype) == ((11, 7), dtype)


def test_what_only_sparse_designs_are_asked():
    X = features(np.float64)
    design = SparseDesign(sp.csr_array(X))
    weight = np.random.default_rng(2).random(11)
    np.testing.assert_allclose(design.weighted_sum(weight, slice(0, 11)), weight @ X)
    np.testing.assert_allclose(design.weighted_sum(weight[ROWS], ROWS), weight[ROWS] @ X[ROWS])
    np.testing.assert_allclose(design.squares().weighted_sum(weight, slice(0, 11)), weight @ X**2)


def test_rows_taken_from_a_dense_design_are_a_copy():
    X = features(np.float64)
    taken = DenseDesign(X).take(np.array([2, 5]))
    taken[:] = 9
    assert not (X == 9).any()

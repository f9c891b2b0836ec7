import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.preprocessing import StandardScaler

from lastlayer.solvers import MomentsOfRows, deviations_of, standard_deviations


def by_definition(column, weight):
    column, weight = np.longdouble(column), np.longdouble(weight)
    mean = (weight * column).sum() / weight.sum()
    return float(np.sqrt((weight * (column - mean) ** 2).sum() / weight.sum()))


def odd_columns(rows=3000):
    """Noise as it is, on 1e9, times 1e155, times 1e-200, rare, constant to rounding, constant, and zero."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, 8)) * [1, 1, 1e155, 1e-200, 1e-3, 0, 0, 0]
    X[:, 1] += 1e9
    X[:, 4] *= rng.random(rows) < 0.01
    X[:, 5] = np.where(np.arange(rows) % 2, 0.1 + 0.2, 0.3)
    X[:, 6] = 7
    return X


KINDS = {"C": np.ascontiguousarray, "F": np.asfortranarray, "csr": sp.csr_array, "csr_matrix": sp.csr_matrix}


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_definition_on_columns_that_overflow_vanish_or_cancel(kind):
    X, weight = odd_columns(), np.random.default_rng(1).random(3000)
    weight[:100], X[:50, 0] = 0, 1e300  # rows without weight do not count, whatever they hold
    found = standard_deviations(KINDS[kind](X), weight)
    expected = [by_definition(column, weight) for column in X.T[:5]]
    np.testing.assert_allclose(found[:5], expected, rtol=1e-12)
    np.testing.assert_array_equal(found[5:], 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_scale_of_standard_scaler(dtype, weighted):
    rng = np.random.default_rng(2)
    X = (rng.standard_normal((400, 300)) * np.exp(rng.standard_normal(300)) + rng.standard_normal(300)).astype(dtype)
    X[rng.random(X.shape) < 0.6] = 0
    weight = rng.random(400) if weighted else np.ones(400)
    for matrix in (X, sp.csr_array(X)):
        scaler = StandardScaler(with_mean=False).fit(matrix, sample_weight=weight)
        np.testing.assert_allclose(standard_deviations(matrix, weight), scaler.scale_, rtol=1e-6)


def test_float32_is_summed_in_float64():
    X = (100 + np.random.default_rng(3).standard_normal((200_000, 2))).astype(np.float32)
    found = standard_deviations(X, np.ones(len(X)))
    np.testing.assert_allclose(found, X.std(axis=0, dtype=np.float64), rtol=1e-9)


def test_sparse_entries_that_name_a_place_twice_add_up_and_stay_as_they_are():
    X = sp.csr_array((np.array([1.0, 2.0, 5.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    np.testing.assert_allclose(standard_deviations(X, np.ones(2)), [2.5, 1.5])
    assert X.nnz == 3


def test_what_is_below_the_normal_numbers_of_the_dtype_is_constant():
    X = np.array([[0.0, 0.0], [1e-39, 1e-30]])
    assert (standard_deviations(X, np.ones(2)) > 0).all()
    np.testing.assert_array_equal(standard_deviations(X.astype(np.float32), np.ones(2)) > 0, [False, True])


class InParts:
    """Moments of rows that stand in several places."""

    def __init__(self, features, share, cuts):
        pieces = zip(np.split(features, cuts), np.split(share, cuts), strict=True)
        self.parts = [MomentsOfRows(*piece) for piece in pieces]

    def first(self):
        means, largest = zip(*(part.first() for part in self.parts), strict=True)
        return np.sum(means, axis=0), np.max(largest, axis=0)

    def second(self, *about):
        return np.sum([part.second(*about) for part in self.parts], axis=0)


def test_rows_in_parts_have_the_deviations_of_all():
    X, weight = odd_columns(), np.random.default_rng(1).random(3000)
    found = deviations_of(InParts(X, weight / weight.sum(), [1, 1000, 1000]), X.dtype)
    np.testing.assert_allclose(found, standard_deviations(X, weight), rtol=1e-13)
    np.testing.assert_array_equal(found[5:], 0)

import numpy as np
import scipy.sparse as sp

from lastlayer.decision.row_draws import row_draws, two_largest, two_largest_stored


def test_draws_are_uniform_and_of_the_row_alone():
    two = np.sort(np.random.default_rng(0).random((100_000, 2)), axis=1)[:, ::-1]
    draws = row_draws(two)
    assert draws.min() >= 0
    assert draws.max() < 1
    # Of 100 bins with 1,000 each, the sum of squares has 99 degrees of freedom; the draws are fixed numbers.
    counts = np.histogram(draws, 100, (0, 1))[0]
    assert np.square(counts - 1000).sum() / 1000 < 140
    assert abs(np.corrcoef(draws, two[:, 0])[0, 1]) < 0.01
    assert abs(np.corrcoef(draws, two[:, 1])[0, 1]) < 0.01
    np.testing.assert_array_equal(row_draws(two[5:9]), draws[5:9])
    assert len(np.unique(draws)) == len(draws)


def test_neighbouring_probabilities_have_draws_of_their_own():
    first = 0.9 + np.arange(1000) * 2.0**-53
    draws = row_draws(np.stack([first, np.zeros(1000)], axis=1))
    assert 0.45 < draws.mean() < 0.55
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.1


def test_the_two_largest_of_dense_and_sparse_rows():
    p = np.array([[0.1, 0.7, 0.2], [0.0, 0.0, 0.4], [0.0, 0.0, 0.0], [0.3, 0.3, 0.1]])
    expected = [[0.7, 0.2], [0.4, 0.0], [0.0, 0.0], [0.3, 0.3]]
    assert two_largest(p).tolist() == expected
    assert two_largest_stored(sp.csr_array(p)).tolist() == expected
    assert two_largest(p[:, :1]).tolist() == [[0.1, 0.0], [0.0, 0.0], [0.0, 0.0], [0.3, 0.0]]

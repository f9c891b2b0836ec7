import numpy as np
import pytest

import lastlayer as ll
from tests.losses.test_linear_cross_entropy import FLOATS, assert_near, problem, tiles  # noqa: F401 - a fixture
from tests.oracles import linear_cross_entropy as oracle


@pytest.mark.parametrize("dtype", FLOATS)
def test_statistics_match_the_definition(tiles, dtype):  # noqa: F811
    features, weight, bias, _, _ = problem(dtype)
    result = ll.linear_softmax_statistics(features, weight, bias=bias)
    expected = [oracle.statistics(x, weight, bias=bias) for x in features]
    log_sums, predicted, entropy = zip(*expected, strict=True)
    assert_near(result.logsumexp, log_sums, dtype)
    assert_near(result.entropy, entropy, dtype, 10)
    assert result.predicted.tolist() == list(predicted)
    assert result.logsumexp.dtype == result.entropy.dtype == dtype


def test_the_first_of_equal_classes_is_predicted(tiles):  # noqa: F811
    weight = np.zeros((100, 2))
    weight[[70, 20, 99]] = 1.0
    result = ll.linear_softmax_statistics(np.ones((40, 2)), weight)
    assert (result.predicted == 20).all()


def test_equal_classes_have_the_largest_entropy_and_one_certain_class_none(tiles):  # noqa: F811
    result = ll.linear_softmax_statistics(np.ones((40, 3)), np.zeros((90, 3)), soft_cap=5)
    np.testing.assert_allclose(result.entropy, np.log(90), rtol=1e-12)
    weight = np.full((90, 1), -1e4)
    weight[33] = 1e4
    sure = ll.linear_softmax_statistics(np.ones((40, 1)), weight)
    assert (sure.entropy == 0).all()
    assert (sure.predicted == 33).all()


def test_impossible_classes_and_rows_that_are_no_number(tiles):  # noqa: F811
    features, weight, bias, _, _ = problem(np.float64)
    bias[10:30] = -np.inf
    possible = np.flatnonzero(np.isfinite(bias))
    features[0] = np.nan
    result = ll.linear_softmax_statistics(features, weight, bias=bias)
    expected = ll.linear_softmax_statistics(features, weight[possible], bias=bias[possible])
    np.testing.assert_allclose(result.logsumexp[1:], expected.logsumexp[1:], rtol=1e-14)
    np.testing.assert_allclose(result.entropy[1:], expected.entropy[1:], rtol=1e-13)
    np.testing.assert_array_equal(result.predicted[1:], possible[expected.predicted[1:]])
    assert np.isnan(result.logsumexp[0])
    assert np.isnan(result.entropy[0])


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"^features: shape is \(2, 3\), expected \(\.\.\., 4\)"):
        ll.linear_softmax_statistics(np.ones((2, 3)), np.ones((5, 4)))

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastlayer.decision import linear_top_k, top_k
from tests.losses.test_linear_cross_entropy import FLOATS, problem, tiles  # noqa: F401 - a fixture
from tests.oracles.softmax import softmax


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [1, 3, 37])
@pytest.mark.parametrize("beta", [1.0, 0.25, 3.0])
def test_they_are_those_of_the_logits(tiles, dtype, k, beta):  # noqa: F811
    features, weight, bias, _, _ = problem(dtype, num_rows=40)
    result = linear_top_k(features, weight, k, bias=bias, beta=beta)
    logits = features.astype(np.float64) @ weight.T.astype(np.float64) + bias
    expected, rtol = top_k(logits, k, beta=beta), 2e-5 if dtype == np.float32 else 1e-13
    np.testing.assert_array_equal(result.indices, expected.indices)
    np.testing.assert_allclose(result.probabilities, expected.probabilities, rtol=rtol)
    assert result.probabilities.dtype == dtype


def test_probabilities_are_those_of_the_definition():
    logits = np.random.default_rng(0).normal(size=(3, 50))
    result = linear_top_k(logits, np.eye(50), 50)
    for row, indices, probabilities in zip(logits, *result, strict=True):
        expected = [float(p) for p in softmax(row)]
        np.testing.assert_allclose(probabilities, np.array(expected)[indices], rtol=1e-14)


@settings(max_examples=40)
@given(st.integers(1, 200), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_of_equal_logits_the_first_class_comes_first(num_classes, num_rows, seed):
    rng = np.random.default_rng(seed)
    logits = rng.integers(0, 4, (num_rows, num_classes)).astype(np.float32)
    k = int(rng.integers(1, num_classes + 1))
    result = linear_top_k(logits, np.eye(num_classes, dtype=np.float32), k)
    np.testing.assert_array_equal(result.indices, np.argsort(-logits, axis=1, kind="stable")[:, :k])


def test_equal_classes_in_different_tiles_and_groups_stay_in_order(tiles):  # noqa: F811
    weight = np.zeros((120, 2))
    weight[[5, 50, 99, 119]] = 1.0
    result = linear_top_k(np.ones((40, 2)), weight, 6)
    assert (result.indices == [5, 50, 99, 119, 0, 1]).all()


def test_impossible_classes_come_last_and_bad_rows_are_nan(tiles):  # noqa: F811
    features, weight, bias, _, _ = problem(np.float64, num_rows=40)
    bias[:] = -np.inf
    bias[[7, 30]] = 0.0
    features[3] = np.nan
    result = linear_top_k(features, weight, 5, bias=bias)
    others = np.arange(40) != 3
    assert (np.sort(result.indices[others, :2], axis=1) == [7, 30]).all()
    assert (result.indices[others, 2:] == [0, 1, 2]).all()
    assert not result.probabilities[others, 2:].any()
    np.testing.assert_allclose(result.probabilities[others].sum(axis=1), 1.0, rtol=1e-14)
    assert np.isnan(result.probabilities[3]).all()
    assert np.isnan(linear_top_k(features[:2], weight, 2, bias=np.full(37, -np.inf)).probabilities).all()


def test_memory_is_bounded():
    rng = np.random.default_rng(0)
    features, weight = rng.standard_normal((3000, 4), np.float32), rng.standard_normal((200_000, 4), np.float32)
    linear_top_k(features[:2], weight[:20], 10)  # compiles
    tracemalloc.start()
    try:
        linear_top_k(features, weight, 10)
        assert tracemalloc.get_traced_memory()[1] <= 40 << 20  # all logits are 2.4 GB
    finally:
        tracemalloc.stop()


def test_the_bits_are_the_same_for_any_number_of_threads(monkeypatch):
    features, weight, bias, _, _ = problem(np.float32, 100, 9000, 24)
    results = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        results.append(linear_top_k(features, weight, 7, bias=bias))
    for result in results[1:]:
        np.testing.assert_array_equal(result.indices, results[0].indices)
        np.testing.assert_array_equal(result.probabilities, results[0].probabilities)


def test_bad_arguments_are_refused():
    features, weight = np.ones((2, 3)), np.ones((5, 3))
    with pytest.raises(ValueError, match=r"^k: received 6, expected 1 to 5, the number of classes\.$"):
        linear_top_k(features, weight, 6)
    with pytest.raises(TypeError, match=r"^k: received 1\.0, expected a whole number from 1 to 5\.$"):
        linear_top_k(features, weight, 1.0)
    with pytest.raises(ValueError, match=r"^beta: received 0"):
        linear_top_k(features, weight, 1, beta=0)
    assert linear_top_k(np.zeros((0, 3)), weight, 2).indices.shape == (0, 2)

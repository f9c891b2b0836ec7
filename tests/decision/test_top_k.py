import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
from lastlayer.decision import top_k

SMALL = {np.float16: 1e-3, np.float32: 4e-7, np.float64: 1e-15}


def slow_top_k(row, k, beta):
    """Indices by a stable sort, probabilities by the definition in 50 digits."""
    with mpmath.workdps(50):
        exponentials = [mpmath.exp(mpmath.mpf(beta) * mpmath.mpf(z)) for z in row]
        total = mpmath.fsum(exponentials)
        order = sorted(range(len(row)), key=lambda j: -row[j])[:k]
        return order, [exponentials[j] / total for j in order]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("beta", [0.01, 1.0, 7.5])
@pytest.mark.parametrize(("num_classes", "k"), [(1, 1), (3, 2), (9, 9), (65, 5), (300, 40)])
def test_the_most_probable_classes_of_the_definition(num_classes, k, beta, dtype):
    logits = (np.random.default_rng(num_classes).normal(size=(4, num_classes)) * 3).astype(dtype)
    top = top_k(logits, k, beta=beta)
    assert top.indices.dtype == np.int64
    assert top.probabilities.dtype == dtype
    for row, indices, probabilities in zip(logits.tolist(), *top, strict=True):
        order, expected = slow_top_k(row, k, beta)
        assert indices.tolist() == order
        for p, exact in zip(probabilities.tolist(), expected, strict=True):
            assert abs(p - exact) <= SMALL[dtype] * exact * (1 + abs(mpmath.log(exact))) + np.finfo(dtype).tiny


@settings(max_examples=60)
@given(
    row=st.lists(st.integers(-2, 2), min_size=1, max_size=200),
    data=st.data(),
)
def test_of_equal_logits_the_lower_index_comes_first(row, data):
    k = data.draw(st.integers(1, len(row)))
    assert top_k(np.array([row], float), k).indices[0].tolist() == slow_top_k(row, k, 1.0)[0]


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_sorted_rows(order):
    logits = np.arange(1000.0)[order][None]
    assert top_k(logits, 7).indices[0].tolist() == np.argsort(-logits[0])[:7].tolist()


def test_agrees_with_softmax_over_many_classes():
    logits = np.random.default_rng(0).normal(size=(3, 100_003)).astype(np.float32) * 4
    top = top_k(logits, 20, beta=0.7)
    np.testing.assert_allclose(
        top.probabilities, np.take_along_axis(ll.softmax(logits, beta=0.7), top.indices, axis=1), rtol=1e-6
    )


def test_literal_probabilities():
    top = top_k([[2.0, 1.0, 0.1]], 3)
    assert top.indices.tolist() == [[0, 1, 2]]
    assert top.probabilities.round(3).tolist() == [[0.659, 0.242, 0.099]]


def test_trap_01_nothing_overflows():
    top = top_k(np.array([[1e4, 1e4 - 1, -1e4]], np.float32), 2, beta=500)
    np.testing.assert_allclose(top.probabilities, [[1, np.exp(np.float32(-500))]], rtol=1e-6)
    for beta in (1e-200, 1e200):
        assert np.isfinite(top_k(np.array([[1.0, 2.0]], np.float32), 2, beta=beta).probabilities).all()


def test_trap_02_impossible_classes_come_last_with_probability_0():
    top = top_k([[-np.inf, 1.0, -np.inf, 2.0]], 4)
    assert top.indices.tolist() == [[3, 1, 0, 2]]
    assert top.probabilities[0, 2:].tolist() == [0, 0]


@pytest.mark.parametrize("row", [[np.nan, 1, 2], [1, 2, np.nan], [np.inf, 1, 2], [-np.inf] * 3, [np.nan] * 3])
def test_trap_04_only_a_row_without_a_softmax_is_nan(row):
    top = top_k([[0.0, 1, 2], row, [0, 1, 2]], 2)
    assert np.isnan(top.probabilities).any(axis=1).tolist() == [False, True, False]
    assert np.isnan(top.probabilities[1]).all()
    assert set(top.indices[1].tolist()) <= {0, 1, 2}
    assert len(set(top.indices[1].tolist())) == 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_trap_18_any_layout_of_memory_and_any_rank(dtype):
    logits = np.random.default_rng(1).normal(size=(40, 9)).astype(dtype)
    expected = top_k(logits, 3)
    wide = np.zeros((40, 18), dtype)
    wide[:, ::2] = logits
    frozen = logits.copy()
    frozen.setflags(write=False)
    for same in (np.asfortranarray(logits), wide[:, ::2], frozen, logits[::-1].copy()[::-1]):
        for found, wanted in zip(top_k(same, 3), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert top_k(logits.reshape(2, 4, 5, 9), 3).indices.shape == (2, 4, 5, 3)
    assert top_k(logits[0], 3).indices.tolist() == expected.indices[0].tolist()
    assert top_k(logits[:0], 3).probabilities.shape == (0, 3)


def test_threads_do_not_change_the_result(monkeypatch):
    logits = np.random.default_rng(2).normal(size=(6000, 100))
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        found.append(top_k(logits, 4))
    np.testing.assert_array_equal(found[0].probabilities, found[1].probabilities)
    np.testing.assert_array_equal(found[0].indices, found[1].indices)


@pytest.mark.parametrize(
    ("logits", "k", "beta", "error", "message"),
    [
        ([[1, 2]], 3, 1.0, ValueError, "k: received 3, expected 1 to 2, the number of classes"),
        ([[1, 2]], 0, 1.0, ValueError, "k: received 0, expected 1 to 2"),
        ([[1, 2]], 1.0, 1.0, TypeError, "k: received 1.0, expected a whole number from 1 to 2"),
        ([[1, 2]], True, 1.0, TypeError, "k: received True"),
        ([[1, 2]], 1, 0.0, ValueError, "beta: received 0.0, expected a finite number greater than 0"),
        ([[]], 1, 1.0, ValueError, r"logits: shape is \(1, 0\), expected"),
        (3.0, 1, 1.0, ValueError, r"logits: shape is \(\), expected"),
        ([["a"]], 1, 1.0, TypeError, "logits: dtype is <U1"),
    ],
)
def test_bad_arguments_are_named(logits, k, beta, error, message):
    with pytest.raises(error, match=message):
        top_k(logits, k, beta=beta)

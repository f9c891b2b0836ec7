import threading

import numpy as np
import pytest

import lastlayer as ll
from lastlayer import _memory
from lastlayer._memory import allowed_bytes, memory_allowance


def test_the_innermost_allowance_holds_and_ends_with_its_block(monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda: 3000.0)
    assert allowed_bytes() == 1500
    with memory_allowance(100):
        with memory_allowance(7):
            assert allowed_bytes() == 7
        assert allowed_bytes() == 100
        seen = []
        other = threading.Thread(target=lambda: seen.append(allowed_bytes()))
        other.start()
        other.join()
        assert seen == [1500]
    try:
        with memory_allowance(1):
            raise RuntimeError
    except RuntimeError:
        pass
    assert allowed_bytes() == 1500


@pytest.mark.parametrize("num_bytes", [0, 20_000, 1e9])
def test_a_fit_within_little_memory_has_the_same_optimum_and_a_bound_that_holds(num_bytes):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 8))
    y = (X[:, :4] + rng.gumbel(size=(3000, 4))).argmax(axis=1)
    best = ll.SoftmaxClassifier(C=1e-3, tol=1e-10).fit(X, y)
    with memory_allowance(num_bytes):
        head = ll.SoftmaxClassifier(C=1e-3).fit(X, y)
    np.testing.assert_allclose(head.coef_, best.coef_, atol=1e-3)
    above = head.optimum_.objective - best.optimum_.objective
    assert -1e-12 <= above <= head.optimum_.gap < 1e-3

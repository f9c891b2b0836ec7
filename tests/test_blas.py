import numpy as np
import pytest
from threadpoolctl import threadpool_info

import lastlayer as ll
from lastlayer import _blas
from lastlayer._blas import one_blas_thread


def threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _many_threads():
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=2, user_api="blas"):
        yield


def test_trap_27_one_thread_inside_and_the_old_number_after():
    before = threads()
    with one_blas_thread():
        assert threads() == {1}
        with one_blas_thread():
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == before != {1}


def test_an_error_inside_lifts_the_limit():
    before = threads()
    with pytest.raises(KeyboardInterrupt), one_blas_thread():
        raise KeyboardInterrupt
    assert threads() == before


def test_trap_27_a_fit_holds_it_and_leaves_nothing_behind(monkeypatch):
    before, seen = threads(), []
    original = _blas._lift
    monkeypatch.setattr(_blas, "_lift", lambda: (seen.append(threads()), original()))
    rng = np.random.default_rng(0)
    ll.SoftmaxClassifier().fit(rng.normal(size=(400, 5)), rng.integers(0, 3, 400))
    assert seen
    assert seen[0] == {1}
    assert threads() == before

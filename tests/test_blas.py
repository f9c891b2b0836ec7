import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import lastlayer as ll
from lastlayer import _blas
from lastlayer._blas import on_one_blas_thread
from lastlayer.solvers import softmax_regression


def threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _many_threads():
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=2, user_api="blas"):
        yield


def test_trap_27_one_thread_inside_and_the_old_number_after():
    before = threads()
    assert on_one_blas_thread(lambda: (threads(), on_one_blas_thread(threads), threads())) == ({1}, {1}, {1})
    assert threads() == before != {1}


def test_an_error_inside_lifts_the_limit():
    before, seen = threads(), []

    def fail():
        seen.append(threads())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_one_blas_thread(fail)
    assert seen == [{1}]
    assert threads() == before


def test_trap_28_the_last_of_two_threads_lifts_the_limit_of_the_first():
    before, entered, left = threads(), threading.Event(), threading.Event()
    seen = []

    def second():
        entered.set()
        assert left.wait(timeout=60)
        seen.append(threads())

    def first():
        other.start()
        assert entered.wait(timeout=60)

    other = threading.Thread(target=on_one_blas_thread, args=(second,))
    on_one_blas_thread(first)
    left.set()
    other.join()
    assert seen == [{1}]
    assert threads() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_trap_37_the_limit_is_lifted_wherever_a_signal_arrives():
    program = Path(__file__).parent / "signals_and_the_blas.py"
    output = subprocess.run([sys.executable, str(program), "500"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert output.split() == ["500", "500", "0", "0"]


def test_trap_27_a_fit_holds_it_and_leaves_nothing_behind(monkeypatch):
    fit, before, seen = ll.SoftmaxClassifier().fit, threads(), []
    _blas._libraries.cache_clear()  # others may have been loaded since
    original = softmax_regression._minimise
    monkeypatch.setattr(softmax_regression, "_minimise", lambda *a: (seen.append(threads()), original(*a))[1])
    rng = np.random.default_rng(0)
    fit(rng.normal(size=(400, 5)), rng.integers(0, 3, 400))
    assert seen == [{1}]
    assert threads() == before

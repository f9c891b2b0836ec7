import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import lastlayer as ll
from lastlayer import _threads
from lastlayer.torch._team import threads_of_torch


def large():
    return np.random.default_rng(0).normal(size=(2000, 300))


@pytest.fixture(autouse=True, params=["own", pytest.param("PyTorch's", marks=pytest.mark.thorough)])
def team_of_two(request, monkeypatch):
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "2")
    of_torch = request.param == "PyTorch's"
    team = threads_of_torch() if of_torch else _threads.Team(_threads._cores, _threads._run_on_pool)
    assert team is not None
    monkeypatch.setattr(_threads, "_team", team)
    return request.param


def test_ranges_cover_everything_once_and_results_keep_their_order():
    ranges = _threads.run_blocks(lambda start, stop: (start, stop), 1001, items_per_block=10)
    assert [i for start, stop in ranges for i in range(start, stop)] == list(range(1001))
    assert _threads.run_blocks(lambda start, stop: stop, 7, items_per_block=10) == [7]
    many = _threads.run_blocks(lambda start, stop: (start, stop), 1001, items_per_block=10, blocks_per_thread=5)
    assert len(many) == 10
    assert [i for start, stop in many for i in range(start, stop)] == list(range(1001))


def test_a_thread_that_is_late_leaves_its_blocks_to_the_others():
    held = threading.Event()

    caller = threading.current_thread()
    done_by_caller = []

    def work(start, stop):
        if threading.current_thread() is caller:
            done_by_caller.append(start)
            if len(done_by_caller) >= 19:
                held.set()
        else:
            assert held.wait(timeout=60)

    _threads.run_blocks(work, 100, items_per_block=1, blocks_per_thread=10)
    assert len(done_by_caller) >= 19


def test_blocks_that_no_thread_of_a_team_came_for_are_not_left_out(monkeypatch):
    monkeypatch.setattr(_threads, "_team", _threads.Team(lambda: 2, lambda function, threads: None))
    assert _threads.run_blocks(lambda start, stop: (start, stop), 10, items_per_block=1) == [(0, 5), (5, 10)]


def test_an_error_in_any_block_is_raised():
    for bad in (0, 500):

        def work(start, stop, bad=bad):
            if start == bad:
                raise ValueError("a block failed")

        with pytest.raises(ValueError, match="a block failed"):
            _threads.run_blocks(work, 1000, items_per_block=10)


def test_a_block_may_call_again_from_inside():
    def work(start, stop):
        return sum(_threads.run_blocks(lambda a, b: b - a, stop - start, items_per_block=1))

    assert sum(_threads.run_blocks(work, 1000, items_per_block=10)) == 1000


def test_trap_28_eight_threads_at_once():
    logits = large()
    expected = ll.softmax(logits)
    barrier = threading.Barrier(8)

    def work(_):
        barrier.wait()
        return all(np.array_equal(ll.softmax(logits), expected) for _ in range(3))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def _softmax_in_child(logits, queue):
    queue.put(ll.softmax(logits))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_trap_28_a_forked_child():
    logits = large()
    expected = ll.softmax(logits)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_softmax_in_child, args=(logits, queue))
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=60), expected)
    child.join()
    assert child.exitcode == 0


def output_of(program, *arguments):
    path = Path(__file__).parent / program
    environment = {**os.environ, "LASTLAYER_NUM_THREADS": "2"}
    command = [sys.executable, str(path), *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


posix_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@posix_signals
def test_trap_37_no_signal_is_lost(team_of_two):
    """Wherever it arrives: in the kernels, on the way into Python from C, while waiting, or between two calls."""
    kinds = ("SIGINT", "SIGALRM", "SIGTERM")
    assert output_of("signals_at_work.py", team_of_two, "300", *kinds) == 3 * ["300", "300", "0", "0", "True"]


@posix_signals
def test_trap_37_whatever_is_raised_while_waiting_the_others_have_ended(team_of_two):
    """Else the caller's arrays would still be written to after the call."""
    assert output_of("signals_in_a_burst.py", team_of_two) == ["True", "True", "True", "0"]


def test_a_failed_call_lets_go_of_the_callers_arrays():
    class Array:
        pass

    held = Array()
    gone = weakref.ref(held)

    def work(start, stop, held=held):
        raise ValueError("a block failed")

    gc.disable()
    try:
        with pytest.raises(ValueError, match="a block failed"):
            _threads.run_blocks(work, 100, items_per_block=1)
        del work, held
        for _ in range(500):  # a thread of the pool may be about to let go
            if gone() is None:
                break
            time.sleep(0.01)
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize("team_of_two", ["own"], indirect=True)  # a process of its own chooses its teams
def test_trap_28_a_forked_child_that_is_lent_threads_later():
    program = """if True:
    import os, signal, torch, numpy as np, lastlayer as ll
    torch.zeros(3000, 3000).add_(1)
    ll.softmax(np.zeros(3))
    child = os.fork()
    if not child:
        signal.alarm(60)
        from lastlayer.torch._team import threads_of_torch
        from lastlayer._threads import borrow
        borrow(threads_of_torch())
        ll.softmax(np.zeros((4000, 1000), np.float32))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=120)


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="there is no other core to go to"
)
def test_a_worker_leaves_a_core_that_is_taken_and_may_use_all_as_before():
    def look():
        before, allowed = _threads._core(), os.sched_getaffinity(0)
        cores = {before}
        _threads._leave_taken_core(cores)
        return before, cores, allowed == os.sched_getaffinity(0)

    with ThreadPoolExecutor(1) as pool:
        before, cores, unchanged = pool.submit(look).result()
    assert len(cores) == 2
    assert before in cores
    assert unchanged

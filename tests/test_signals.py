import gc
import sys
import threading
import weakref

import pytest

from lastlayer._signals import held_locks, primed, release, wait_for_all


def test_what_is_raised_inside_is_kept_and_not_raised():
    failures = []

    def fail():
        raise KeyboardInterrupt

    assert next(primed(fail, failures), None) is None
    assert [type(failure) for failure in failures] == [KeyboardInterrupt]


def test_what_succeeds_says_so():
    called = []
    assert next(primed(lambda: called.append(1), [])) is True
    assert called == [1]


def test_what_is_never_called_or_has_ended_is_dropped_in_silence(monkeypatch):
    printed, failures = [], []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)

    def nothing():
        pass

    gone = weakref.ref(nothing)
    never, ended = primed(nothing, failures), primed(nothing, failures)
    next(ended)
    gc.disable()
    try:
        del never, ended, nothing
        assert gone() is None
    finally:
        gc.enable()
    assert printed == failures == []


@pytest.mark.parametrize("come", [0, 1, 3])
def test_waiting_ends_when_all_that_came_have_ended_and_late_ones_find_no_seat(come):
    locks = held_locks(3)
    seats = iter(locks)
    taken = [next(seats) for _ in range(come)]
    ended, waiting = [], wait_for_all(seats, locks)

    def work(seat):
        ended.append(seat)
        release(seat)

    threads = [threading.Thread(target=work, args=(seat,)) for seat in taken]
    for thread in threads:
        thread.start()
    assert not any(waiting)
    assert sorted(ended) == sorted(taken)
    assert next(seats, None) is None
    for thread in threads:
        thread.join()


def test_locks_are_used_again():
    first = held_locks(2)
    any(wait_for_all(iter(first), first))
    again = held_locks(2)
    assert sorted(first) == sorted(again)
    any(wait_for_all(iter(again), again))

"""A program that sends several signals to itself while one block is still at work, each handler raising.

python signals_in_a_burst.py TEAM prints the signals whose handlers ran, those whose exceptions arrived, the first that
left the call, whether every block had ended by then, and how many were printed by Python and lost.
"""

import os
import signal
import sys
import threading
import time

from lastlayer import _threads

NAMES = ["SIGALRM", "SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"]
ran, arrived, lost = [], [], []
ended = ended_at_exit = False
entered = threading.Event()


def handler(number, frame):
    ran.append(signal.Signals(number).name)
    raise RuntimeError(ran[-1])


def work(start, stop):
    global ended
    if threading.current_thread() is threading.main_thread():
        entered.wait()
        return
    entered.set()
    for name in NAMES:
        time.sleep(0.02)
        os.kill(os.getpid(), getattr(signal, name))
    for name in NAMES:  # again, all at once
        os.kill(os.getpid(), getattr(signal, name))
    time.sleep(0.1)
    ended = True


def call():
    global ended_at_exit
    try:
        _threads.run_blocks(work, 2, items_per_block=1)
    finally:
        ended_at_exit = ended  # without a call, after which a handler could run


def caught(function, depth):
    """Call function() inside more of `try` than there may be exceptions."""
    try:
        if depth:
            caught(function, depth - 1)
        else:
            function()
        for _ in range(1000):
            pass  # what still waits arrives here
    except RuntimeError as failure:
        while failure is not None:
            arrived.append(failure)
            failure = failure.__context__


if __name__ == "__main__":
    if sys.argv[1] != "own":
        from lastlayer._threads import borrow
        from lastlayer.torch._team import threads_of_torch

        borrow(threads_of_torch())
    sys.unraisablehook = lost.append
    for name in NAMES:
        signal.signal(getattr(signal, name), handler)
    caught(call, 2 * len(NAMES))
    names = {str(failure) for failure in arrived}
    print(sorted(set(ran)) == sorted(NAMES), names == set(ran), ended_at_exit, len(lost))

"""A program that sends signals to itself while blocks of rows are at work, and counts what became of them.

python signals_at_work.py TEAM TRIALS KIND... prints a line for each KIND of signal. It is sent as often as TRIALS, one
after the other at random times: how many handlers raised, how many of those exceptions arrived, how many were printed
by Python and lost, how often a block was still at work when one arrived, and whether the handler is what it was.
"""

import os
import queue
import random
import signal
import sys
import threading
import time

import numpy as np

from lastlayer import _threads


class TimeOutError(Exception):
    """What a handler of SIGALRM raises."""


KINDS = {"SIGINT": KeyboardInterrupt, "SIGALRM": TimeOutError, "SIGTERM": SystemExit}


def call_of(team):
    """The function that a signal interrupts."""
    if team == "own":
        return blocks_at_work
    import torch

    import lastlayer.torch as lt
    from lastlayer._threads import borrow
    from lastlayer.torch._team import threads_of_torch

    borrow(threads_of_torch())
    logits = torch.randn(40_000, 10)
    torch.testing.assert_close(lt.softmax(logits, 1), torch.softmax(logits, 1))

    def call():
        blocks_at_work()
        lt.softmax(logits, 1)

    return call


def interrupt(call, kind, trials):
    lost, raised, arrived, still_at_work = [], 0, 0, 0
    sys.unraisablehook = lost.append

    def handler(number, frame):
        nonlocal raised
        raised += 1
        raise KINDS[kind]

    number = getattr(signal, kind)
    signal.signal(number, handler)
    delays = queue.SimpleQueue()
    threading.Thread(target=send, args=(number, delays), daemon=True).start()
    random_numbers = random.Random(0)
    for trial in range(trials):
        delay = random_numbers.uniform(1e-5, 1e-3)
        try:
            delays.put(delay)
            while raised == trial:
                call()
        except KINDS[kind]:
            arrived += 1
            still_at_work += len(at_work)
    print(raised, arrived, len(lost), still_at_work, signal.getsignal(number) is handler)


def send(number, delays):
    while True:
        time.sleep(delays.get())
        os.kill(os.getpid(), number)


at_work = set()
rows = np.random.default_rng(0).normal(size=(400, 300))


def blocks_at_work():
    _threads.run_blocks(block, 400, items_per_block=1, blocks_per_thread=2)


def block(start, stop):
    others = threading.current_thread() is not threading.main_thread()
    if others:
        at_work.add(start)
    rows[start:stop].sum()
    if others:
        at_work.discard(start)


if __name__ == "__main__":
    interrupted = call_of(sys.argv[1])
    for name in sys.argv[3:]:
        interrupt(interrupted, name, int(sys.argv[2]))

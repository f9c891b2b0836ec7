"""The machine's own floors, and how contenders are timed beside each other: A B A B, medians."""

import statistics
import time

import numpy as np

from lastlayer._threads import num_threads, run_blocks

_REST = 0.01


def interleaved(contenders, rounds):
    """Time each contender once a round, in turn and back, and return the seconds of every round.

    A machine that slows down for a while slows all of them alike; the first round, which warms caches up and compiles,
    does not count. A short rest before each lets the threads of the one before fall asleep: OpenMP's keep spinning for
    some milliseconds, on the core that the next contender needs.

    Args:
      contenders: a dict of names to functions without arguments.
      rounds: how many rounds count.
    Returns: a dict of names to lists of seconds.
    """
    seconds = {name: [] for name in contenders}
    for round_number in range(rounds + 1):
        for name, function in contenders.items() if round_number % 2 else reversed(contenders.items()):
            time.sleep(_REST)
            start = time.perf_counter()
            function()
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def medians(seconds):
    """The median of each contender's seconds."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def copy(source, target):
    """Copy rows on every core: the least that a function which reads and writes its rows can take."""
    run_blocks(lambda start, stop: np.copyto(target[start:stop], source[start:stop]), len(source), items_per_block=1)


def read(source):
    """Read rows on every core: the least that a function with a small result can take."""
    run_blocks(lambda start, stop: source[start:stop].max(), len(source), items_per_block=1)


def measured_floors():
    """Copy bandwidth and the rate of a float32 matrix product, of this machine, now."""
    source = np.ones((64, 1 << 20), np.float32)
    target = np.empty_like(source)
    left = np.ones((2048, 2048), np.float32)
    product = np.empty_like(left)
    seconds = medians(
        interleaved({"copy": lambda: copy(source, target), "sgemm": lambda: np.matmul(left, left, out=product)}, 5)
    )
    return {
        "threads": num_threads(),
        "copy_gigabytes_per_second": 2 * source.nbytes / seconds["copy"] / 1e9,
        "sgemm_gigaflops": 2 * len(left) ** 3 / seconds["sgemm"] / 1e9,
    }

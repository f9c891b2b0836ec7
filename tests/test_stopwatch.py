import itertools
import subprocess
import sys

import pytest

from lastlayer import _stopwatch
from lastlayer._stopwatch import compiled_for, compiling_seconds, stopwatch
from lastlayer.kernels._compile import compiled


def test_a_stopwatch_stands_still_while_kernels_are_compiled(monkeypatch):
    clock = itertools.count(10)
    monkeypatch.setattr(_stopwatch.time, "perf_counter", lambda: next(clock))
    before, seconds = compiling_seconds(), stopwatch()
    compiled_for(0.25)
    assert seconds() == 0.75
    assert compiling_seconds() - before == pytest.approx(0.25)


def test_kernels_tell_how_long_they_were_compiled(monkeypatch):
    clock = itertools.count()
    before = compiling_seconds()
    monkeypatch.setattr(_stopwatch.time, "perf_counter", lambda: next(clock))
    inner = compiled(lambda x: x + 1, inline=True)
    assert compiled(lambda x: inner(x) + 1)(1) == 3
    monkeypatch.undo()
    # Once for the outermost function, not again for what is compiled inside.
    assert 1 <= compiling_seconds() - before <= next(clock)


FIT = """
import numpy, lastlayer
from lastlayer._stopwatch import compiling_seconds
X, y = numpy.random.default_rng(0).normal(size=(60, 3)), numpy.arange(60) % 3
import time
began = time.perf_counter()
head = lastlayer.SoftmaxClassifier().fit(X, y)
print(time.perf_counter() - began, compiling_seconds(), head.optimum_.seconds)
"""


def test_a_fit_on_a_cold_cache_does_not_report_the_compiler_as_its_own_time(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    output = subprocess.run([sys.executable, "-c", FIT], check=True, stdout=subprocess.PIPE, text=True).stdout
    whole, compiling, reported = map(float, output.split())
    assert compiling > 0
    assert 0 < reported <= whole - compiling

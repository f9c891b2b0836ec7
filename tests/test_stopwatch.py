import itertools
import time

import numba
import numpy as np
import pytest

import lastlayer as ll
from lastlayer import _stopwatch
from lastlayer._stopwatch import compiled_for, compiling_seconds, stopwatch
from lastlayer.kernels._compile import compiled
from lastlayer.solvers import softmax_regression


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


def test_a_fit_does_not_report_the_compiler_as_its_own_time(monkeypatch):
    minimise = softmax_regression._minimise

    def compile_and_minimise(*arguments):
        assert numba.njit(lambda x: x + 1)(1) == 2
        return minimise(*arguments)

    monkeypatch.setattr(softmax_regression, "_minimise", compile_and_minimise)
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 3
    before, began = compiling_seconds(), time.perf_counter()
    head = ll.SoftmaxClassifier().fit(X, y)
    whole, compiling = time.perf_counter() - began, compiling_seconds() - before
    assert compiling > 0
    assert 0 < head.optimum_.seconds <= whole - compiling

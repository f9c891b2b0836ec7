"""Seconds of work: without those in which kernels are compiled, once on a machine, and of no interest later."""

import time
from collections.abc import Callable

_compiling = 0.0


def compiled_for(seconds: float) -> None:
    """Tell every stopwatch that kernels were compiled for so many seconds."""
    global _compiling
    _compiling += seconds


def compiling_seconds() -> float:
    """The seconds that this process has spent on compiling kernels so far."""
    return _compiling


def stopwatch() -> Callable[[], float]:
    """Start a stopwatch: calling it gives the seconds since, without those spent on compiling kernels."""
    began = time.perf_counter() - _compiling
    return lambda: time.perf_counter() - _compiling - began

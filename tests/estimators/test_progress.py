import io
import os
import sys

import pytest

from lastlayer.estimators.progress import FitProgress
from lastlayer.solvers import Optimum


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        return 2


def optimum(iterations):
    return Optimum(
        objective=0.5,
        gradient_norm=1e-3,
        gap=0.1,
        iterations=iterations,
        seconds=0.0,
        stopped="converged",
        expected=0.05,
    )


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_the_line_that_renews_itself_never_wraps(monkeypatch, columns):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((columns, 24)))
    line = FitProgress()
    for iterations in range(3):
        line(optimum(iterations))
    line.close(optimum(2))
    *renewed, last = sys.stderr.getvalue().split("\r")[1:]
    assert len(renewed) == 3
    assert all(len(text.removesuffix("\x1b[K")) < columns and "\n" not in text for text in renewed)
    # What stays is whole.
    state = "iteration    2  objective 0.500000  gradient 1.0e-03"
    assert last == f"{state}  {optimum(2).certificate()}  converged\033[K\n"


def test_lines_that_stay_come_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr("time.monotonic", iter([0.0, 0.0, 1.0, 3.0, 3.0]).__next__)
    line = FitProgress()
    for iterations in range(2):
        line(optimum(iterations))
    line.close(optimum(2))
    assert [text[:14] for text in capsys.readouterr().err.splitlines()] == ["iteration    0", "iteration    2"]

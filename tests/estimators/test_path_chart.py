"""A path of C as text, on wide and narrow terminals."""

import numpy as np
import pytest

from lastlayer.estimators.c_path import CPath
from lastlayer.estimators.path_chart import path_chart


def path(losses, chosen=None, followed=None):
    losses = np.array(losses, float)[:, None]
    best = int(losses.argmin())
    followed = np.ones(losses.shape, bool) if followed is None else np.array(followed)[:, None]
    Cs, zeros = np.geomspace(0.01, 100, len(losses)), np.zeros(losses.shape, np.int64)
    return CPath(Cs, losses, np.ones(1), losses[:, 0], zeros, followed, best, best if chosen is None else chosen)


def test_as_it_looks():
    chart = path_chart(path([3.0, 1.5, 1.0, 1.1, 1.25], chosen=3, followed=[1, 1, 1, 1, 0]), width=40)
    assert chart.splitlines() == [
        "   C  log-loss",
        "0.01    3.0000  |                      >",
        " 0.1    1.5000  |           o",
        "   1    1.0000  |+",
        "  10    1.1000  |  *",
        " 100   >1.2500  |     o",
    ]


@pytest.mark.parametrize("width", [30, 40, 80, 200])
@pytest.mark.parametrize("count", [1, 2, 10, 96, 1000])
def test_lines_fit_and_the_chosen_one_is_among_them(width, count):
    losses = 1 + np.abs(np.linspace(-3, 2, count))
    lines = path_chart(path(losses), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 30
    assert sum(line.endswith("*") for line in lines) == 1
    assert all(line.isascii() for line in lines)


def test_equal_log_losses_stand_at_the_left():
    assert [line[-2:] for line in path_chart(path([1.0, 1.0, 1.0])).splitlines()[1:]] == ["|*", "|o", "|o"]


def test_infinite_log_losses_are_beyond_the_edge():
    assert path_chart(path([np.inf, 1.0, 2.0])).splitlines()[1].endswith(" >")

import math

import pytest

from lastlayer.solvers.trial_step import trial_step


def of(function):
    """An attempt that notes the steps it was asked for."""
    tried = []

    def attempt(t):
        tried.append(t)
        return f"point {t}", *function(t)

    return attempt, tried


def parabola(best):
    return lambda t: ((t - best) ** 2, 2 * (t - best))


@pytest.mark.parametrize("best", [1e-3, 0.1, 0.6, 1.0, 1.5, 4.0, 40.0])
def test_it_ends_where_the_slope_is_flatter(best):
    attempt, tried = of(parabola(best))
    found = trial_step(attempt, best**2, -2 * best)
    assert found is not None
    point, t = found
    assert point == f"point {t}"
    assert abs(t - best) <= 0.7 * best
    assert tried[0] == 1.0
    assert len(tried) <= 6
    if 0.6 <= best <= 3:
        assert tried == [1.0]


def test_the_lowest_point_is_kept_where_none_is_flat():
    def steep(t):
        return abs(t - 0.9) - 0.9, -1.0 if t < 0.9 else 1.0

    attempt, tried = of(steep)
    found = trial_step(attempt, 0.0, -1.0)
    assert found is not None
    assert found[1] == min(tried, key=lambda t: steep(t)[0])
    assert len(tried) == 6


def test_no_lower_point_is_none():
    attempt, tried = of(lambda t: (1.0 + t, 1.0))
    assert trial_step(attempt, 1.0, -1e-30) is None
    assert len(tried) == 6
    attempt, tried = of(lambda t: (math.nan, math.nan))
    assert trial_step(attempt, 1.0, -1.0) is None
    assert all(math.isfinite(t) and t > 0 for t in tried)

"""The step to the least of a convex function of one variable."""

import math

import pytest

from lastlayer.solvers.exact_step import exact_step


@pytest.mark.parametrize("best", [1e-3, 0.5, 1.0, 7.0, 400.0])
def test_a_parabola_and_a_sharper_function(best):
    for function in (
        lambda t: ((t - best) ** 2, 2 * (t - best), 2.0),
        lambda t: (math.cosh(min(700, (t - best) / best)), math.sinh(min(700, (t - best) / best)) / best, 1 / best**2),
    ):
        t, value = exact_step(function, function(0.0)[0])
        least, start = function(best)[0], function(0.0)[0]
        assert value == function(t)[0]
        assert value - least <= 0.05 * (start - least)


def test_values_beyond_reach_are_stepped_back_from():
    def function(t):
        return (math.inf, math.nan, math.nan) if t > 0.1 else ((t - 0.05) ** 2, 2 * (t - 0.05), 2.0)

    t, value = exact_step(function, function(0.0)[0])
    assert 0 < t <= 0.1
    assert value < function(0.0)[0]


def test_a_slope_that_rounding_hides_ends_without_infinite_steps():
    seen = []

    def function(t):
        seen.append(t)
        return 1.0, -1e-30, 1.0

    assert exact_step(function, 1.0) == (0.0, 1.0)
    assert all(math.isfinite(t) for t in seen)

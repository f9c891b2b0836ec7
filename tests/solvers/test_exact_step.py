"""The step to the least of a convex function of one variable."""

import math

import numpy as np
import pytest

from lastlayer.solvers.exact_step import exact_step, exact_steps


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


def test_many_functions_take_the_steps_that_each_takes_alone():
    best = np.array([0.5, 7.0, 1e-3, 400.0])

    def value(k, t):
        return (t - best[k]) ** 2 + (t / best[k]) ** 4, 2 * (t - best[k]) + 4 * t**3 / best[k] ** 4, 2.0

    steps = exact_steps(
        lambda which, steps: np.array([value(k, t) for k, t in zip(which, steps, strict=True)]), best**2
    )
    alone = [exact_step(lambda t, k=k: value(k, t), best[k] ** 2)[0] for k in range(len(best))]
    np.testing.assert_array_equal(steps, alone)
    assert exact_steps(lambda which, steps: np.empty((0, 3)), np.empty(0)).shape == (0,)

"""Following a path, with a search whose optima are known in closed form, and choosing from it."""

import math
import warnings

import numpy as np
import pytest

from lastlayer.estimators import CPath, PathEndWarning
from lastlayer.estimators.c_path import FoldPath, Judged, checked_Cs, checked_rule, chosen_C, follow, warn_of_end

CURVATURES, TARGET = np.array([1.0, 0.1, 0.01]), np.array([3.0, -2.0, 1.0])


class RidgeSearch:
    """sum of h (w - target)² / 2 + penalty ||w||² / 2, in steps that go nine tenths of the way to the optimum."""

    def __init__(self):
        self.weight, self.penalty = np.zeros((1, 3)), math.nan
        self.advances = 0

    def set_penalty(self, penalty):
        self.penalty = penalty

    def optimum(self):
        return CURVATURES * TARGET / (CURVATURES + self.penalty)

    def predicted_share(self):
        gap = (self.weight - self.optimum())[0]
        return float((CURVATURES + self.penalty) @ gap**2) / float(CURVATURES @ TARGET**2)

    def advance(self):
        self.weight = self.weight + 0.9 * (self.optimum() - self.weight)
        self.advances += 1
        return True

    def head(self):
        return self.weight, np.zeros(1)


def distance(target):
    """Judges a head by its distance from another target, as from what noise has hidden."""
    return lambda weight, intercept: Judged(1.0 + float(((weight - target) ** 2).sum()), 0.1)


def exact(Cs, judge):
    shrunk = [CURVATURES * TARGET / (CURVATURES + 1 / C) for C in Cs]
    return np.array([judge(weight, 0.0).log_loss for weight in shrunk])


def followed(Cs, judge, tol=1e-12):
    search = RidgeSearch()
    path = follow(*(search, Cs, lambda C: 1 / C, judge), tol=tol, max_iter=100, report=lambda C, log_loss: None)
    return search, path


def test_knots_are_followed_to_their_optimum():
    Cs, judge = np.geomspace(1e-3, 1e3, 7), distance(TARGET)
    search, path = followed(Cs, judge)
    np.testing.assert_allclose(path.log_losses, exact(Cs, judge), rtol=1e-4)
    assert path.followed.all()
    assert path.iterations.sum() == search.advances
    np.testing.assert_array_equal(path.errors, 0.1)
    assert judge(path.weight, path.intercept).log_loss == path.log_losses.min()


def test_heads_between_knots_take_no_iteration_and_are_close():
    Cs, judge = np.geomspace(1e-6, 1e6, 96), distance(0.7 * TARGET)
    search, path = followed(Cs, judge)
    interpolated = path.iterations == 0
    assert interpolated.sum() >= 70
    expected = exact(Cs, judge)
    near = expected < 1.05 * expected.min()
    np.testing.assert_allclose(path.log_losses[near], expected[near], rtol=0.03)
    assert abs(int(path.log_losses.argmin()) - int(expected.argmin())) <= 2
    assert search.advances < 150


def test_what_is_far_above_the_least_is_not_followed():
    Cs, judge = np.geomspace(1e-3, 1e3, 7), distance(0.0)
    _, path = followed(Cs, judge)
    assert path.log_losses.argmin() == 0
    far = exact(Cs, judge) > 2
    assert not path.followed[far].any()
    assert (path.iterations[far] == 1).all()
    assert (path.log_losses[far] > 1.1 * path.log_losses[0]).all()


def test_a_log_loss_that_falls_is_followed_however_far_it_was():
    """The judge prefers little or large weights, and nothing between."""
    Cs = np.geomspace(1e-3, 1e4, 8)
    judge = lambda weight, intercept: Judged(2.0 + math.sin(2.2 * float(np.abs(weight).sum())), 0.1)  # noqa: E731
    _, path = followed(Cs, judge)
    expected = exact(Cs, judge)
    assert path.log_losses.argmin() == expected.argmin() > 2
    assert path.log_losses.min() == pytest.approx(expected.min(), rel=1e-3)


def test_a_looser_tol_takes_fewer_iterations():
    Cs, judge = np.geomspace(1e-3, 1e3, 7), distance(TARGET)
    assert followed(Cs, judge, tol=1e-4)[0].advances < followed(Cs, judge)[0].advances / 2


def test_max_iter_is_that_of_each_value():
    search = RidgeSearch()
    path = follow(
        *(search, np.array([1.0, 100.0]), lambda C: 1 / C, distance(TARGET)),
        tol=1e-12,
        max_iter=2,
        report=lambda C, log_loss: None,
    )
    assert path.iterations.tolist() == [2, 2]
    assert not path.followed.any()


def fold(losses, errors=0.0):
    n = len(losses)
    return FoldPath(
        np.array(losses, float),
        np.full(n, errors),
        np.ones(n, np.int64),
        np.ones(n, bool),
        np.zeros((2, 1)),
        np.zeros(2),
    )


def test_the_least_mean_is_weighted_by_held_out_rows():
    Cs, folds = np.array([1.0, 2.0, 3.0]), [fold([3.0, 1.0, 2.0]), fold([1.0, 3.0, 1.5])]
    path = chosen_C(Cs, folds, [1.0, 3.0], "least")
    np.testing.assert_allclose(path.mean_log_losses, [1.5, 2.5, 1.625])
    assert (path.best, path.chosen) == (0, 0)
    assert chosen_C(Cs, folds, [3.0, 1.0], "least").chosen == 1
    np.testing.assert_allclose(path.standard_errors, [1.0, 1.0, 0.25])  # |a - b| / 2, of two


def test_one_standard_error_takes_the_least_c_within_it():
    Cs = np.array([0.1, 1.0, 10.0, 100.0])
    losses = np.array([[2.0, 2.4], [1.0, 1.4], [0.9, 1.3], [1.0, 1.5]])
    path = chosen_C(Cs, [fold(column) for column in losses.T], [1.0, 1.0], "one_standard_error")
    assert (path.best, path.chosen) == (2, 1)  # 1.2 <= 1.1 + 0.2
    one = chosen_C(Cs, [fold([2.0, 1.3, 1.1, 1.2], errors=0.1)], [5.0], "one_standard_error")
    assert (one.best, one.chosen) == (2, 2)
    np.testing.assert_array_equal(one.standard_errors, 0.1)
    assert chosen_C(Cs, [fold([2.0, 1.3, 1.1, 1.2], errors=0.2)], [5.0], "one_standard_error").chosen == 1


def test_of_equal_log_losses_the_least_c():
    assert chosen_C(np.array([1.0, 2.0, 3.0]), [fold([2.0, 1.0, 1.0])], [1.0], "least").chosen == 1


def test_a_number_stands_for_the_values_of_logistic_regression_cv_and_those_between():
    values = checked_Cs(10)
    np.testing.assert_allclose(values[::2], np.logspace(-4, 4, 10))
    np.testing.assert_allclose(values[1::2] ** 2, values[:-2:2] * values[2::2])
    np.testing.assert_array_equal(checked_Cs(1), [1e-4])
    np.testing.assert_array_equal(checked_Cs([10, 1, 0.1, 1]), [0.1, 1.0, 10.0])
    assert checked_rule("one_standard_error") == "one_standard_error"


@pytest.mark.parametrize(
    ("Cs", "error", "message"),
    [
        (0, ValueError, "Cs: received 0, expected a whole number"),
        (2.5, ValueError, "Cs: received 2.5, expected a whole number"),
        ([], TypeError, "Cs: received float64 of shape"),
        (["a"], TypeError, "Cs: received <U1 of shape"),
        ([[1.0]], TypeError, "Cs: received float64 of shape"),
        ([1.0, -2.0], ValueError, "Cs: has -2.0, expected finite numbers greater than 0."),
        ([1.0, np.inf], ValueError, "Cs: has inf"),
        ([1.0, np.nan], ValueError, "Cs: has nan"),
    ],
)
def test_values_that_are_refused(Cs, error, message):
    with pytest.raises(error) as refusal:
        checked_Cs(Cs)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize("rule", ["most", None, 1])
def test_a_rule_that_is_none(rule):
    with pytest.raises(ValueError, match=r"rule: received .*, expected 'least' or 'one_standard_error'"):
        checked_rule(rule)


def path_of(losses):
    return chosen_C(np.geomspace(0.01, 100, len(losses)), [fold(losses)], [1.0], "least")


def test_the_best_at_an_end_is_warned_of_with_what_to_try():
    with pytest.warns(
        PathEndWarning, match=r"0.5, is that of C=100, the largest .* try Cs=np.geomspace\(10, 1e\+06, 11\)"
    ):
        warn_of_end(path_of([2.0, 1.0, 0.5]), stacklevel=1)
    with pytest.warns(PathEndWarning, match=r"C=0.01, the least of the path.*np.geomspace\(1e-06, 0.1, 11\)"):
        warn_of_end(path_of([0.5, 1.0, 2.0]), stacklevel=1)


def test_a_flat_path_wants_larger_values_or_other_features():
    with pytest.warns(
        PathEndWarning, match=r"hardly differ from C=0.01 to C=100, expected a least.*geomspace\(100, 1e\+10"
    ):
        warn_of_end(path_of([1.0, 1.0005, 1.0001]), stacklevel=1)


@pytest.mark.parametrize("losses", [[2.0, 1.0, 1.5], [1.0]])
def test_no_warning_within_the_path_or_of_a_single_value(losses):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_end(path_of(losses), stacklevel=1)


def test_the_record_is_frozen():
    path = path_of([2.0, 1.0, 1.5])
    assert isinstance(path, CPath)
    with pytest.raises(AttributeError):
        path.chosen = 0  # pyright: ignore[reportAttributeAccessIssue]

import numpy as np
import pytest
import scipy.optimize
import scipy.special

from lastlayer.solvers.certificate import duality_gap

NUM_CLASSES, NUM_FEATURES, PENALTY = 3, 4, 0.05


def problem(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, NUM_FEATURES))
    X -= X.mean(axis=0)
    targets = np.eye(NUM_CLASSES)[rng.integers(0, NUM_CLASSES, 40)]
    return X, targets


def objective(X, targets, weight, intercept):
    loss = -(targets * scipy.special.log_softmax(X @ weight.T + intercept, axis=1)).sum(axis=1).mean()
    return loss, loss + 0.5 * PENALTY * (weight**2).sum()


def gap(X, targets, weight, intercept, free):
    residual = (scipy.special.softmax(X @ weight.T + intercept, axis=1) - targets) / len(X)
    return duality_gap(
        objective(X, targets, weight, intercept)[0],
        weight,
        intercept if free else None,
        residual.T @ X,
        residual.sum(axis=0),
        targets.T @ X / len(X),
        targets.mean(axis=0),
        PENALTY,
    )


def optimum(X, targets, free):
    size = NUM_CLASSES * NUM_FEATURES

    def parts(flat):
        return flat[:size].reshape(NUM_CLASSES, NUM_FEATURES), flat[size:] if free else np.zeros(NUM_CLASSES)

    start = np.zeros(size + NUM_CLASSES * free)
    found = scipy.optimize.minimize(lambda x: objective(X, targets, *parts(x))[1], start, method="BFGS", tol=1e-9)
    return found.fun, parts(found.x)


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_bounds_the_distance_of_any_head(free, seed):
    X, targets = problem(seed)
    least, (best_weight, best_intercept) = optimum(X, targets, free)
    rng = np.random.default_rng(seed)
    for distance in (0.0, 1e-3, 0.1, 3.0):
        weight = best_weight + distance * rng.standard_normal(best_weight.shape)
        intercept = best_intercept + free * distance * rng.standard_normal(NUM_CLASSES)
        bound = gap(X, targets, weight, intercept, free)
        assert bound >= objective(X, targets, weight, intercept)[1] - least - 1e-9
    assert gap(X, targets, best_weight, best_intercept, free) < 1e-7


def test_at_the_worst_it_is_the_objective_itself():
    X, targets = problem(0)
    weight = 50 * np.random.default_rng(5).standard_normal((NUM_CLASSES, NUM_FEATURES))
    bound = gap(X, targets, weight, np.zeros(NUM_CLASSES), True)
    assert bound <= objective(X, targets, weight, np.zeros(NUM_CLASSES))[1] * (1 + 1e-12)


@pytest.mark.parametrize(
    ("broken", "free"),
    [
        *((part, free) for part in ("loss", "weight", "gradient", "huge gradient", "huge weight") for free in (0, 1)),
        ("residual_sum", 1),
    ],
)
def test_trap_36_nan_and_overflow_are_no_bound_of_zero(broken, free):
    X, targets = problem(0)
    parts = {
        "loss": np.log(NUM_CLASSES),
        "weight": np.zeros((NUM_CLASSES, NUM_FEATURES)),
        "gradient": np.zeros((NUM_CLASSES, NUM_FEATURES)),
        "residual_sum": np.zeros(NUM_CLASSES),
    }
    name = broken.removeprefix("huge ")
    parts[name] = np.nan if name == "loss" else np.full_like(parts[name], 1e200 if "huge" in broken else np.nan)
    with np.errstate(all="ignore"):
        bound = duality_gap(
            parts["loss"],
            parts["weight"],
            np.zeros(NUM_CLASSES) if free else None,
            parts["gradient"],
            parts["residual_sum"],
            targets.T @ X / len(X),
            targets.mean(axis=0),
            PENALTY,
        )
    assert bound == np.inf


def test_without_a_penalty_there_is_no_bound():
    zeros, shares = np.zeros((NUM_CLASSES, NUM_FEATURES)), np.full(NUM_CLASSES, 1 / NUM_CLASSES)
    assert duality_gap(1.0, zeros, None, zeros, np.zeros(NUM_CLASSES), zeros, shares, 0.0) == np.inf


@pytest.mark.parametrize("free", [True, False])
def test_bounds_of_heads_side_by_side_are_those_of_each(free):
    rng = np.random.default_rng(3)
    shape = (6, NUM_CLASSES, NUM_FEATURES)
    weight, gradient, sums = rng.standard_normal((3, *shape))
    intercept, shares = rng.standard_normal(shape[:2]), rng.dirichlet(np.ones(NUM_CLASSES), 6)
    residual = rng.dirichlet(np.ones(NUM_CLASSES), 6) - shares
    residual[0], loss, penalty = 0, rng.random(6), np.array([0.1, 0.2, 0.3, 0.0, 1.0, 2.0])
    loss[4] = np.nan
    parts = [loss, weight, intercept if free else None, gradient, residual, sums, shares, penalty]
    together = duality_gap(*parts)
    each = [duality_gap(*(None if part is None else part[i] for part in parts)) for i in range(6)]
    np.testing.assert_allclose(together, each, rtol=1e-13)
    assert np.isinf(together).tolist() == [False, False, False, True, True, False]


def test_intercepts_that_lack_less_than_a_rounding_keep_the_bound():
    # Half a unit of rounding too much of one class: what would have to be mixed in is rounded away.
    bound = duality_gap(
        np.log(2),
        np.zeros((2, 1)),
        np.zeros(2),
        np.zeros((2, 1)),
        np.array([1e-17, 0.0]),
        np.zeros((2, 1)),
        np.array([0.5, 0.5]),
        PENALTY,
    )
    assert bound == pytest.approx(0.0, abs=1e-15)

import numpy as np

from lastlayer.solvers.lbfgs import StepHistories, StepHistory


def quadratic(size, seed):
    factor = np.random.default_rng(seed).standard_normal((size, size))
    return factor @ factor.T + np.eye(size)


def test_without_history_it_is_the_preconditioned_gradient():
    np.testing.assert_array_equal(StepHistory().direction(np.array([1.0, -2.0]), lambda g: 3.0 * g), [-3.0, 6.0])


def test_reproduces_the_inverse_hessian_of_a_quadratic_along_conjugate_steps():
    # After as many conjugate steps as there are parameters, BFGS holds the exact inverse (Nocedal & Wright, thm 6.4).
    hessian = quadratic(5, 0)
    _, directions = np.linalg.eigh(hessian)
    history = StepHistory(size=5)
    for step in directions.T:
        history.add(step, hessian @ step)
    gradient = np.random.default_rng(1).standard_normal(5)
    direction = history.direction(gradient, lambda g: g)
    np.testing.assert_allclose(direction, -np.linalg.solve(hessian, gradient), rtol=1e-10)


def test_the_last_pair_fulfils_the_secant_equation():
    hessian, rng = quadratic(6, 2), np.random.default_rng(3)
    history = StepHistory(size=3)
    for _ in range(5):
        step = rng.standard_normal(6)
        history.add(step, hessian @ step)
    np.testing.assert_allclose(history.direction(hessian @ step, lambda g: 0.1 * g), -step, rtol=1e-10)


def test_a_pair_without_curvature_is_left_out():
    history = StepHistory()
    history.add(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    history.add(np.array([1.0, 0.0]), np.array([-1.0, 0.0]))
    np.testing.assert_array_equal(history.direction(np.array([1.0, 1.0]), lambda g: g), [-1.0, -1.0])


def test_the_gradient_is_left_alone():
    history, gradient = StepHistory(), np.array([1.0, 2.0])
    history.add(np.array([1.0, 0.0]), np.array([2.0, 0.5]))
    history.direction(gradient, lambda g: g)
    np.testing.assert_array_equal(gradient, [1.0, 2.0])


def test_many_histories_give_the_directions_that_each_gives_alone():
    rng, alone, together = np.random.default_rng(4), [StepHistory(size=3) for _ in range(3)], StepHistories(size=3)
    hessians = [quadratic(6, seed) for seed in range(3)]
    for turn in range(5):
        steps = rng.standard_normal((3, 6))
        changes = np.array([hessian @ step for hessian, step in zip(hessians, steps, strict=True)])
        if turn == 2:
            changes[1] = -changes[1]  # a pair without meaning, which StepHistory does not remember
        together.add(steps, changes)
        for history, step, change in zip(alone, steps, changes, strict=True):
            history.add(step, change)
    gradients = rng.standard_normal((3, 6))
    kept = np.array([True, False, True])
    together.keep(kept)
    found = together.direction(gradients[kept], lambda g: 0.3 * g)
    expected = [alone[k].direction(gradients[k], lambda g: 0.3 * g) for k in (0, 2)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert StepHistories().direction(gradients, lambda g: 2.0 * g).tolist() == (-2.0 * gradients).tolist()


def test_a_ridge_makes_the_pairs_those_of_the_other_function():
    hessian, rng = quadratic(6, 4), np.random.default_rng(5)
    ridge = np.diag([0.7] * 4 + [0.0] * 2)
    before, after = StepHistory(size=3), StepHistory(size=3)
    for step in rng.standard_normal((5, 6)):
        before.add(step, hessian @ step)
        after.add(step, (hessian + ridge) @ step)
    before.add_ridge(0.7, 4)
    gradient = rng.standard_normal(6)
    np.testing.assert_allclose(
        before.direction(gradient, lambda g: 2 * g), after.direction(gradient, lambda g: 2 * g), rtol=1e-12
    )


def test_a_pair_whose_curvature_a_negative_ridge_takes_away_is_forgotten():
    history = StepHistory()
    history.add(np.array([1.0, 0.0]), np.array([0.5, 0.0]))
    history.add_ridge(-0.5, 2)
    np.testing.assert_array_equal(history.direction(np.array([1.0, 1.0]), lambda g: g), [-1.0, -1.0])


def test_ridges_of_many_histories_are_those_of_each_alone():
    rng = np.random.default_rng(6)
    alone, together, ridges = [StepHistory(size=3) for _ in range(2)], StepHistories(size=3), np.array([0.7, 0.0])
    for step in rng.standard_normal((4, 2, 6)):
        change = np.array([quadratic(6, seed) @ row for seed, row in enumerate(step)])
        together.add(step, change)
        for history, *pair in zip(alone, step, change, strict=True):
            history.add(*pair)
    together.add_ridge(ridges, 4)
    gradient = rng.standard_normal((2, 6))
    for history, ridge in zip(alone, ridges.tolist(), strict=True):
        history.add_ridge(ridge, 4)
    expected = [history.direction(row, lambda g: 0.3 * g) for history, row in zip(alone, gradient, strict=True)]
    np.testing.assert_allclose(together.direction(gradient, lambda g: 0.3 * g), expected, rtol=1e-10)

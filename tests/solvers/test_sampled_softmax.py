import tracemalloc

import numpy as np
import pytest

import lastlayer as ll
from lastlayer.linear import DenseFeatures
from lastlayer.solvers import SampledSoftmaxRegression, descend


@pytest.fixture
def one_thread(monkeypatch):
    """The same heads as on many, of steps that are too small to be worth more."""
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "1")


def labelled(rows=3000, columns=8, classes=60, seed=0):
    rng = np.random.default_rng(seed)
    centres = 1.5 * rng.standard_normal((classes, columns))
    labels = rng.choice(classes, rows, p=(p := 1 / np.arange(1, classes + 1)) / p.sum())
    return (centres[labels] + rng.standard_normal((rows, columns))).astype(np.float32), labels


def problem_of(X, labels, *, weight=None, candidates=20, penalty=1e-3, seed=0, sampler=None, num_classes=60):
    weight = np.ones(len(labels)) if weight is None else weight
    return SampledSoftmaxRegression(
        *(DenseFeatures(X), labels, weight, num_classes, penalty),
        fit_intercept=True,
        num_candidates=candidates,
        sampler=sampler,
        seed=seed,
    )


def test_a_pass_takes_every_row_once_and_none_that_is_held_out():
    problem = problem_of(*labelled())
    for number in (0, 1):
        first = 1 + number * problem.steps_per_pass
        rows = np.concatenate([problem.minibatch(t) for t in range(first, first + problem.steps_per_pass)])
        np.testing.assert_array_equal(np.sort(rows), np.setdiff1d(np.arange(3000), problem.held_out))
    assert len(problem.held_out) == 200
    assert not np.array_equal(problem.minibatch(1), problem.minibatch(1 + problem.steps_per_pass))


@pytest.mark.parametrize(("rows", "held"), [(10, 2), (500, 100), (5000, 200), (50_000, 1000)])
def test_how_many_rows_are_held_out(rows, held):
    assert len(problem_of(*labelled(rows)).held_out) == held


def test_an_interval_costs_at_least_four_times_its_evaluation():
    few = problem_of(*labelled(3000))
    assert few.steps_per_interval >= few.steps_per_pass
    many = problem_of(*labelled(3000), num_classes=100_000)
    evaluation = 2 * len(many.held_out) * 100_000
    assert many.steps_per_interval * 6 * many.rows_per_step * 21 >= 4 * evaluation


def test_rows_of_weight_0_are_in_no_step():
    X, labels = labelled()
    weight = np.ones(3000)
    weight[1000:] = 0
    problem = problem_of(X, labels, weight=weight)
    assert problem.rows.max() < 1000
    assert problem.held_out.max() < 1000


@pytest.mark.usefixtures("one_thread")
def test_its_estimate_of_the_gradient_of_the_penalised_loss_is_all_but_unbiased():
    # At the optimum of F the mean gradient of sampled losses is the one that the penalty balances.
    X, labels = labelled()
    X = X.astype(np.float64)
    head = ll.SoftmaxClassifier(C=0.1, tol=1e-8).fit(X, labels)
    problem = problem_of(X, labels, candidates=30)
    total, draws = 0.0, 200
    for step in range(1, draws + 1):
        result = ll.sampled_cross_entropy_value_and_grad(
            *(X, head.coef_, labels, problem.candidates(step)),
            bias=head.intercept_,
            sample_weight=np.full(3000, 1 / 3000),
        )
        total += float(np.vdot(result.weight.values, head.coef_[result.weight.indices])) / draws
    balanced = -float(np.vdot(head.coef_, head.coef_)) / (0.1 * 3000)
    assert total == pytest.approx(balanced, rel=0.05)


@pytest.mark.usefixtures("one_thread")
def test_it_comes_near_the_optimum():
    X, labels = labelled(4000)
    held = slice(3000, 4000)
    exact = ll.SoftmaxClassifier(C=1.0).fit(X[:3000], labels[:3000])
    problem = problem_of(X[:3000], labels[:3000], penalty=1 / 3000, seed=1)
    weight, intercept, optimum, failure = descend(problem, problem.start(), tol=1e-3, max_passes=100)
    found = ll.linear_cross_entropy(X[held], weight, labels[held], bias=intercept).mean()
    best = ll.linear_cross_entropy(X[held], exact.coef_, labels[held], bias=exact.intercept_).mean()
    assert found < 1.05 * best
    assert (optimum.stopped, failure) == ("held_out", None)
    assert optimum.gap == np.inf
    assert np.isnan(optimum.gradient_norm)


def test_a_start_from_a_head_begins_there():
    X, labels = labelled()
    exact = ll.SoftmaxClassifier(C=1.0).fit(X, labels)
    problem = problem_of(X, labels)
    state = problem.start((exact.coef_, exact.intercept_))
    basis_rows = problem.features.take(np.arange(100)) - state.mean
    z = basis_rows @ (state.axes * state.scale)
    np.testing.assert_allclose(z @ state.weight.T + state.bias, X[:100] @ exact.coef_.T + exact.intercept_, atol=1e-3)


def test_max_passes_cut_an_interval_short():
    X, labels = labelled()
    problem = problem_of(X, labels)
    problem.steps_per_interval = 10 * problem.steps_per_pass
    state = problem.start()
    *_, optimum, _ = descend(problem, state, tol=1e-4, max_passes=2)
    assert (optimum.iterations, optimum.stopped, state.steps) == (2, "max_iter", 2 * problem.steps_per_pass)


def test_an_interrupt_before_the_first_evaluation_gives_the_average_so_far(monkeypatch):
    X, labels = labelled()
    problem, minibatch = problem_of(X, labels), SampledSoftmaxRegression.minibatch

    def interrupted(self, step):
        if step == 30:
            raise KeyboardInterrupt
        return minibatch(self, step)

    monkeypatch.setattr(SampledSoftmaxRegression, "minibatch", interrupted)
    state = problem.start()
    weight, _, optimum, _ = descend(problem, state, tol=1e-4, max_passes=2)
    assert optimum.stopped == "interrupted"
    assert state.steps == 29
    assert state.best_log_loss < np.log(60)
    assert weight.any()


def test_memory_of_steps_does_not_grow_with_the_classes():
    X, labels = labelled(4000, columns=64)
    peaks = []
    for num_classes in (1000, 200_000):
        problem = problem_of(X, labels, num_classes=num_classes)
        problem.held_out = problem.held_out[:1]
        problem.steps_per_interval = problem.steps_per_pass
        state = problem.start()
        descend(problem, state, tol=1e-4, max_passes=1)
        tracemalloc.start()
        descend(problem, state, tol=1e-4, max_passes=2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Less than a third of the weights, which are float32: nothing (K, D), and nothing (N, K).
    assert peaks[1] - peaks[0] < 200_000 * 64 * 4 / 3

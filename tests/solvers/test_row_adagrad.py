import numpy as np
import pytest

from lastlayer.losses import ClassRows
from lastlayer.solvers import RowAdaGrad
from tests.oracles import row_adagrad as oracle

K, D, STEPS = 40, 5, 30


def case(seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    weight, bias = rng.standard_normal((K, D)).astype(dtype), rng.standard_normal(K)
    steps = []
    for _ in range(STEPS):
        classes = np.sort(rng.choice(K - 2, 6, replace=False))  # the last two are never touched
        steps.append((classes, rng.standard_normal((6, D)).astype(dtype), rng.standard_normal(6).astype(dtype)))
    return weight, bias, steps, rng.random(D) + 0.5, 0.1 * rng.random(D)


def descended(weight, bias, steps, metric, penalty, with_bias=True, average=True, settle_at=()):
    start, squares = (weight.copy(), bias.copy()), np.full(K, 0.25)
    mean = (weight.copy(), bias.copy()) if average else None
    descent = RowAdaGrad(*start, mean, squares, np.zeros(K, np.int64), steps=0, rate=0.7)
    for t, (classes, of_weight, of_bias) in enumerate(steps, 1):
        descent.step(ClassRows(classes, of_weight), of_bias if with_bias else None, metric, penalty)
        if t in settle_at:
            descent.settle(metric, penalty)
    if average:
        descent.settle(metric, penalty)
    return descent


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_what_its_definition_says(dtype, with_bias):
    weight, bias, steps, metric, penalty = case(0, dtype)
    descent = descended(weight, bias, steps, metric, penalty, with_bias)
    settings = {"rate": 0.7, "metric": metric, "penalty": penalty, "with_bias": with_bias}
    expected = oracle.descend(weight, bias, np.full(K, 0.25), steps, **settings)
    found = descent.weight, descent.bias, *descent.average, descent.squares
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12 if dtype == np.float64 else 1e-4, atol=1e-5 * (dtype == "f4"))
    assert descent.weight.dtype == dtype


def test_no_average_is_the_same_iterate():
    weight, bias, steps, metric, penalty = case(1)
    one = descended(weight, bias, steps, metric, penalty, average=False)
    other = descended(weight, bias, steps, metric, penalty)
    touched = np.unique(np.concatenate([classes for classes, _, _ in steps[-1:]]))
    np.testing.assert_array_equal(one.weight[touched], other.weight[touched])
    np.testing.assert_array_equal(one.bias, other.bias)


def test_without_a_penalty_it_does_not_matter_when_rows_are_settled():
    weight, bias, steps, metric, _ = case(2)
    one = descended(weight, bias, steps, metric, np.zeros(D))
    other = descended(weight, bias, steps, metric, np.zeros(D), settle_at=(3, 4, 17))
    np.testing.assert_array_equal(one.weight, other.weight)
    np.testing.assert_allclose(one.average[0], other.average[0], rtol=1e-12, atol=1e-15)


def test_rows_that_were_never_touched_stay():
    weight, bias, steps, metric, penalty = case(3)
    descent = descended(weight, bias, steps, metric, 0 * penalty)
    np.testing.assert_array_equal(descent.weight[-2:], weight[-2:])
    np.testing.assert_allclose(descent.average[0][-2:], weight[-2:], rtol=1e-15)


def test_the_same_on_any_number_of_threads(monkeypatch):
    rng = np.random.default_rng(4)
    gradient = rng.standard_normal((3000, 100)).astype(np.float32)
    results = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        weight = np.zeros((5000, 100), np.float32)
        average = weight.copy(), np.zeros(5000)
        descent = RowAdaGrad(
            weight, np.zeros(5000), average, np.ones(5000), np.zeros(5000, np.int64), steps=0, rate=1.0
        )
        for start in (0, 1000):
            classes = np.arange(start, start + 3000)
            descent.step(ClassRows(classes, gradient), gradient[:, 0], np.ones(100), np.full(100, 0.01))
        descent.settle(np.ones(100), np.full(100, 0.01))
        results.append((weight, average[0], average[1]))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)

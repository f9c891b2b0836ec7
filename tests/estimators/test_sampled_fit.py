"""SoftmaxClassifier(candidates=S): near the exact fit, the same on any machine's threads, a sentence for bad input."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import lastlayer as ll
from lastlayer.estimators import fold
from lastlayer.samplers import AllClassesWarning, LogUniform, Uniform, Unigram


def labelled(rows=4000, columns=8, classes=50, seed=0):
    rng = np.random.default_rng(seed)
    centres = 1.5 * rng.standard_normal((classes, columns))
    labels = rng.integers(0, classes, rows)
    return (centres[labels] + rng.standard_normal((rows, columns))).astype(np.float32), labels


# For what holds after any number of passes.
a_few_passes = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """The same heads as on many, of steps that are too small to be worth more."""
    monkeypatch.setenv("LASTLAYER_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def data():
    X, y = labelled(6000)
    return X[:4000], y[:4000], X[4000:], y[4000:]


@pytest.fixture(scope="module")
def few():
    return labelled(1200, classes=20)


def log_loss(model, X, y):
    return -model.predict_log_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)].mean()


@pytest.mark.parametrize(
    "sampler",
    [
        None,
        *(
            pytest.param(sampler, marks=pytest.mark.thorough)
            for sampler in (Uniform(50), LogUniform(50), Unigram(np.ones(50), distinct=False))
        ),
    ],
)
def test_it_comes_near_the_exact_fit(data, sampler):
    X, y, held_X, held_y = data
    exact = ll.SoftmaxClassifier().fit(X, y)
    sampled = ll.SoftmaxClassifier(candidates=25, sampler=sampler, tol=3e-3).fit(X, y)
    assert log_loss(sampled, held_X, held_y) < 1.1 * log_loss(exact, held_X, held_y)
    assert sampled.score(held_X, held_y) > exact.score(held_X, held_y) - 0.02
    assert sampled.coef_.dtype == np.float32
    assert sampled.optimum_.stopped == "held_out"
    assert sampled.training_.monitor_rows == 200
    assert sampled.training_.monitor_log_loss < 1.2 * log_loss(exact, held_X, held_y)


@pytest.mark.parametrize("options", [{"class_weight": "balanced"}, {"fit_intercept": False, "standardize": True}])
def test_options_mean_what_they_mean_in_an_exact_fit(data, options):
    X, y, held_X, held_y = data
    scales = np.geomspace(0.3, 3, X.shape[1]).astype(np.float32)
    X, held_X, kept = X * scales, held_X * scales, (y % 2 == 0) | (np.arange(len(y)) % 5 == 0)
    exact = ll.SoftmaxClassifier(C=0.1, **options).fit(X[kept], y[kept])
    sampled = ll.SoftmaxClassifier(C=0.1, candidates=25, tol=1e-2, **options).fit(X[kept], y[kept])
    assert log_loss(sampled, held_X, held_y) < 1.05 * log_loss(exact, held_X, held_y)
    assert bool(sampled.intercept_.any()) == options.get("fit_intercept", True)


def test_sample_weights_count_rows(data):
    X, y, held_X, held_y = data
    weight = np.where(y < 25, 4.0, 0.25)
    exact = ll.SoftmaxClassifier().fit(X, y, weight)
    sampled = ll.SoftmaxClassifier(candidates=25, tol=3e-3).fit(X, y, weight)
    frequent = held_y < 25
    for rows in (frequent, ~frequent):
        found, best = (log_loss(model, held_X[rows], held_y[rows]) for model in (sampled, exact))
        assert found == pytest.approx(best, rel=0.1)


@a_few_passes
def test_trap_30_rows_of_weight_0_change_nothing(data):
    X, y, *_ = data
    weight = np.where(np.arange(len(y)) < 3000, 1.0, 0.0)
    with_them = ll.SoftmaxClassifier(candidates=10, max_iter=3).fit(X, y, weight)
    without = ll.SoftmaxClassifier(candidates=10, max_iter=3).fit(X[:3000], y[:3000])
    np.testing.assert_array_equal(with_them.coef_, without.coef_)


@a_few_passes
def test_the_same_head_for_one_seed_on_any_number_of_threads(few, monkeypatch):
    X, y = few
    heads = []
    for threads, seed in (("1", 7), ("2", 7), ("5", 7), ("2", 8)):
        monkeypatch.setenv("LASTLAYER_NUM_THREADS", threads)
        heads.append(ll.SoftmaxClassifier(candidates=10, max_iter=3, random_state=seed).fit(X, y).coef_)
    np.testing.assert_array_equal(heads[0], heads[1])
    np.testing.assert_array_equal(heads[0], heads[2])
    assert (heads[0] != heads[3]).any()


@a_few_passes
def test_sparse_and_float64_and_fortran_features(few):
    X, y = few
    dense = ll.SoftmaxClassifier(candidates=10, max_iter=5).fit(X, y)
    for other in (sp.csr_array(X), np.asfortranarray(X)):
        model = ll.SoftmaxClassifier(candidates=10, max_iter=5).fit(other, y)
        np.testing.assert_allclose(model.coef_, dense.coef_, atol=1e-4)
    double = ll.SoftmaxClassifier(candidates=10, max_iter=5).fit(X.astype(np.float64), y)
    assert double.coef_.dtype == np.float64
    assert log_loss(double, X, y) == pytest.approx(log_loss(dense, X, y), rel=2e-2)


def test_names_and_two_classes():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3))
    y = np.where(X[:, 0] + 0.5 * rng.standard_normal(2000) > 0.2, "yes", "no")
    model = ll.SoftmaxClassifier(candidates=1).fit(X, y)
    exact = ll.SoftmaxClassifier().fit(X, y)
    assert model.coef_.shape == (1, 3)
    assert log_loss(model, X, np.array(y)) < 1.05 * log_loss(exact, X, np.array(y))


def test_trap_21_as_many_candidates_as_classes_are_the_full_softmax_and_it_says_so_once(data):
    X, y, *_ = data
    with pytest.warns(AllClassesWarning, match="candidates: received 50 for 50 classes, so the full softmax") as said:
        model = ll.SoftmaxClassifier(candidates=50).fit(X, y)
    assert len(said) == 1
    np.testing.assert_array_equal(model.coef_, ll.SoftmaxClassifier().fit(X, y).coef_)
    assert model.optimum_.stopped == "converged"


def test_warm_start_goes_on_from_the_last_head(data):
    X, y, held_X, held_y = data
    model = ll.SoftmaxClassifier(candidates=10, tol=1e-2, warm_start=True).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        again = clone(model).set_params(max_iter=1).fit(X, y)
        cold = log_loss(again, held_X, held_y)
        model.set_params(max_iter=1).fit(X, y)
    assert log_loss(model, held_X, held_y) < cold


def test_few_rows_and_a_class_of_one():
    X = np.random.default_rng(0).standard_normal((12, 3))
    model = ll.SoftmaxClassifier(candidates=2).fit(X, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3])
    assert model.classes_.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_trap_26_max_iter_says_so(data):
    X, y, *_ = data
    with pytest.warns(ConvergenceWarning, match="max_iter=1 passes ended before the held-out log-loss.*raise max_iter"):
        model = ll.SoftmaxClassifier(candidates=10, max_iter=1).fit(X, y)
    assert model.n_iter_.tolist() == [1]
    assert model.optimum_.stopped == "max_iter"


def test_the_progress_line_shows_the_held_out_log_loss(data, capsys):
    X, y, *_ = data
    model = ll.SoftmaxClassifier(candidates=10, tol=1e-2, verbose=1).fit(X, y)
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"held-out log-loss {model.training_.monitor_log_loss:.6f}" in last
    assert last.endswith("held_out")
    assert "nan" not in last


def test_an_interrupt_keeps_the_best_head_so_far(data, monkeypatch):
    X, y, held_X, held_y = data

    def interrupt(progress, optimum):
        if optimum.iterations == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("lastlayer.estimators.progress.FitProgress.__call__", interrupt)
    model = ll.SoftmaxClassifier(candidates=10, verbose=1)
    with pytest.warns(ll.FitInterrupted, match=r"interrupted in pass 3 at the best head so far \(held-out log-loss"):
        model.fit(X, y)
    assert model.score(held_X, held_y) > 0.5


@a_few_passes
def test_saved_loaded_cloned_and_folded(few, tmp_path):
    X, y = few
    model = ll.SoftmaxClassifier(candidates=10, sampler=Uniform(20), max_iter=3, random_state=3).fit(X, y)
    assert isinstance(clone(model).sampler, Uniform)
    model.save(tmp_path / "head")
    loaded = ll.load(tmp_path / "head")
    assert loaded.get_params() == {**model.get_params(), "sampler": None}
    assert loaded.training_ == model.training_
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), ll.SoftmaxClassifier(candidates=10, max_iter=3)).fit(X, y)
    np.testing.assert_allclose(fold(pipeline).predict_proba(X), pipeline.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"candidates": 0}, ValueError, "candidates: received 0, expected a whole number of at least 1"),
        ({"candidates": 2.5}, ValueError, "candidates: received 2.5"),
        ({"candidates": True}, ValueError, "candidates: received True"),
        ({"candidates": 5, "sampler": "uniform"}, TypeError, "sampler: received str, expected a Sampler such as"),
        (
            {"candidates": 5, "sampler": Uniform(49)},
            ValueError,
            "sampler: is one of 49 classes, expected one",
        ),
        (
            {"candidates": 5, "sampler": Unigram([0.0] + [1.0] * 49)},
            ValueError,
            "sampler: never draws class 0 of classes_",
        ),
        ({"sampler": Uniform(50)}, ValueError, "sampler: received .* without candidates"),
        ({"checkpoint": "x"}, ValueError, "checkpoint: received 'x' without candidates"),
        ({"candidates": 5, "checkpoint": 3}, TypeError, "checkpoint: received 3, expected the path of a file"),
    ],
)
def test_bad_parameters(data, parameters, error, message):
    X, y, *_ = data
    with pytest.raises(error, match=message):
        ll.SoftmaxClassifier(**parameters).fit(X, y)

"""SoftmaxClassifier: the optimum of scikit-learn's objective, labels of every kind, and one sentence for bad input."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import lastlayer as ll
from lastlayer.estimators import FitInterrupted
from tests.oracles import softmax_regression as oracle


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0, 2: 0.25}])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_same_argmin_as_logistic_regression(digits, classes, class_weight, fit_intercept):
    X, y = digits
    X, y = X[y < classes], y[y < classes]
    if classes == 2 and isinstance(class_weight, dict):
        class_weight = {0: 3.0}
    weight = np.random.default_rng(0).uniform(0, 2, len(y))
    settings = {"C": 0.5, "class_weight": class_weight, "fit_intercept": fit_intercept}
    ours = ll.SoftmaxClassifier(tol=1e-7, **settings).fit(X, y, sample_weight=weight)
    theirs = LogisticRegression(tol=1e-10, max_iter=10_000, **settings).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=2e-3)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=2e-4)


@pytest.mark.parametrize("C", [0.1, 1.0, 100.0])
def test_float32_ends_at_or_below_logistic_regression_by_a_float64_evaluator(digits, C):
    X, y = digits
    X, y = (X[::3] * 16).astype(np.float32), y[::3]
    ours = ll.SoftmaxClassifier(C=C).fit(X, y)
    theirs = LogisticRegression(C=C, max_iter=10_000).fit(X, y)
    ones = np.ones(len(y))
    reached = oracle.objective(X, y, ones, ours.coef_, ours.intercept_, C)
    assert reached <= oracle.objective(X, y, ones, theirs.coef_, theirs.intercept_, C) * (1 + 1e-6)
    assert ours.coef_.dtype == ours.intercept_.dtype == np.float32
    assert reached == pytest.approx(ours.optimum_.objective, rel=1e-5)


@pytest.mark.parametrize(
    "names",
    [
        np.array(["ant", "bee", "cow"]),
        np.array(["ant", "bee", "cow"], dtype=object),
        np.array([-3, 7, 1_000_000_007]),
        np.array([3, 7, 9], dtype=np.uint8),
    ],
)
def test_labels_of_every_kind_survive_fit_save_and_load(names, tmp_path):
    X, which = np.random.default_rng(0).standard_normal((60, 4)), np.arange(60) % 3
    X[:, :3] += 2 * np.eye(3)[which]
    model = ll.SoftmaxClassifier().fit(X, names[which]).calibrate(X, names[which])
    assert model.score(X, names[which]) > 0.8
    model.save(tmp_path / "head.safetensors", header={"note": [1, None, "é"]})
    loaded = ll.load(tmp_path / "head.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.classes_.tolist() == sorted(names.tolist())
    assert loaded.header_ == {"note": [1, None, "é"]}
    assert loaded.optimum_ == model.optimum_
    assert loaded.get_params() == model.get_params()


def test_boolean_labels_are_two_classes_and_one_weight_vector():
    X = np.linspace(-2, 2, 50)[:, None]
    model = ll.SoftmaxClassifier().fit(X, X[:, 0] > 0.3)
    assert model.coef_.shape == (1, 1)
    assert model.classes_.tolist() == [False, True]
    assert model.decision_function(X).shape == (50,)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], ll.sigmoid(model.decision_function(X)), rtol=1e-12)


def test_trap_24_calibration_leaves_a_right_binary_model_alone():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40_000, 1))
    y = rng.random(40_000) < ll.sigmoid(2 * X[:, 0])
    model = ll.SoftmaxClassifier(C=1e6).fit(X[:20_000], y[:20_000]).calibrate(X[20_000:], y[20_000:])
    assert model.beta_ == pytest.approx(1, abs=0.05)


def test_probabilities_follow_beta_and_scores_do_not(digits):
    X, y = digits
    model = ll.SoftmaxClassifier(C=0.01).fit(X[:1000], y[:1000])
    before = model.decision_function(X)
    model.calibrate(X[1000:], y[1000:])
    assert model.beta_ > 1.5
    np.testing.assert_array_equal(model.decision_function(X), before)
    np.testing.assert_allclose(model.predict_proba(X), ll.softmax(before, beta=model.beta_), rtol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X), ll.log_softmax(before, beta=model.beta_), rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 10])
def test_top_k_is_the_head_of_the_sorted_probabilities(digits, classes):
    X, y = digits
    X, y = X[y < classes], np.array(list("abcdefghij"))[y[y < classes]]
    model = ll.SoftmaxClassifier().fit(X, y)
    probabilities = model.predict_proba(X)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
    top = model.predict_top_k(X, 2)
    np.testing.assert_array_equal(top.labels, model.classes_[order])
    np.testing.assert_allclose(top.probabilities, np.take_along_axis(probabilities, order, 1), rtol=1e-12)


def test_sparse_features_give_the_same_head(digits):
    X, y = digits
    dense = ll.SoftmaxClassifier(tol=1e-6).fit(X, y)
    for sparse in (sp.csr_matrix(X), sp.csr_array(X), sp.csc_array(X)):
        model = ll.SoftmaxClassifier(tol=1e-6).fit(sparse, y)
        np.testing.assert_allclose(model.coef_, dense.coef_, atol=2e-3)
        np.testing.assert_allclose(model.predict_proba(sparse), dense.predict_proba(X), atol=1e-3)


# In float64 the rows that the bound keeps are as many bytes again.
@pytest.mark.parametrize(("tol", "share"), [(1e-6, 0.6), (1e-9, 1.2)])
def test_fitting_copies_no_features(tol, share):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40_000, 200), dtype=np.float32), rng.integers(0, 3, 40_000)
    for features in (X, np.asfortranarray(X)):
        ll.SoftmaxClassifier(tol=tol).fit(features[:500], y[:500])  # compiled before memory is traced
        tracemalloc.start()
        with pytest.warns(ConvergenceWarning):
            ll.SoftmaxClassifier(max_iter=3, tol=tol).fit(features, y)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < share * X.nbytes


def test_half_precision_features_are_fitted_in_float32(digits):
    X, y = digits
    model = ll.SoftmaxClassifier().fit(X.astype(np.float16), y)
    assert model.coef_.dtype == np.float32
    assert model.predict_proba(X.astype(np.float16)).dtype == np.float32


@pytest.mark.parametrize("kind", ["dense", "sparse", "memmap"])
@pytest.mark.parametrize("standardize", [False, True])
def test_float32_features_reach_a_tol_that_float32_would_hide(digits, kind, standardize, tmp_path):
    X, y = digits[0].astype(np.float32), digits[1]
    settings = {"C": 100.0, "tol": 1e-9, "standardize": standardize}
    X = sp.csr_array(X) if kind == "sparse" else X
    exact = ll.SoftmaxClassifier(**settings).fit(X.astype(np.float64), y)
    if kind == "memmap":
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = ll.SoftmaxClassifier(**settings).fit(X, y)
    assert (model.coef_.dtype, model.intercept_.dtype, model.optimum_.stopped) == (np.float32, np.float32, "converged")
    np.testing.assert_allclose(model.coef_, exact.coef_, rtol=1e-6, atol=1e-6 * np.abs(exact.coef_).max())
    assert model.optimum_.gap < 1e-7 * model.optimum_.objective


def test_warm_start_goes_on_where_the_last_fit_ended(digits):
    X, y = digits
    model = ll.SoftmaxClassifier(warm_start=True, max_iter=1000).fit(X, y)
    first = model.n_iter_[0]
    assert model.fit(X, y).n_iter_[0] == 0
    assert model.set_params(C=1.1).fit(X, y).n_iter_[0] < first
    assert model.fit(X[y < 3], y[y < 3]).coef_.shape == (3, 64)


def test_trap_26_a_limit_says_which_and_what_to_change(digits):
    X, y = digits
    with pytest.warns(
        ConvergenceWarning, match=r"max_iter=2 was reached .* at most .* above the optimum.*raise max_iter"
    ):
        model = ll.SoftmaxClassifier(max_iter=2).fit(X, y)
    assert model.optimum_.stopped == "max_iter"
    assert model.n_iter_[0] == 2


def test_verbose_shows_objective_and_gradient(digits, capsys):
    ll.SoftmaxClassifier(verbose=1).fit(*digits)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "objective" in shown.err
    assert "gradient" in shown.err
    assert shown.err.endswith("converged\n")


@pytest.mark.parametrize("terminal", [True, False])
def test_the_progress_line_ends_with_the_bound_of_the_summary_and_shows_no_other(digits, capsys, monkeypatch, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    model = ll.SoftmaxClassifier(verbose=1).fit(*digits)
    shown = capsys.readouterr().err
    assert shown.count("above the optimum") == 1
    assert f"at most {model.optimum_.gap:.1e} above the optimum  converged" in shown
    assert "gap" not in shown


def test_interrupt_keeps_a_usable_head(digits, monkeypatch):
    X, y = digits

    def interrupt(progress, optimum):
        if optimum.iterations == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("lastlayer.estimators.progress.FitProgress.__call__", interrupt)
    model = ll.SoftmaxClassifier(verbose=1)
    with pytest.warns(FitInterrupted, match="after 3 iterations"):
        model.fit(X, y)
    assert model.optimum_.stopped == "interrupted"
    assert model.score(X, y) > 0.9


@pytest.mark.thorough
def test_a_real_sigint_stops_a_fit_in_another_process():
    program = (
        "import numpy as np, lastlayer as ll\n"
        "rng = np.random.default_rng(0)\n"
        "X, y = rng.standard_normal((20000, 60)), rng.integers(0, 50, 20000)\n"
        "model = ll.SoftmaxClassifier(C=1e9, tol=1e-300, max_iter=10**9, verbose=1).fit(X, y)\n"
        "print(model.optimum_.stopped, model.score(X, y) > 0.02)\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", program], **pipes) as child:
        assert "objective" in child.stderr.readline()  # the fit is under way
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate()
    assert out == "interrupted True\n"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"C": 0}, "C: received 0, expected a number greater than 0, or inf"),
        ({"C": -1.0}, "C: received -1.0"),
        ({"C": float("nan")}, "C: received nan"),
        ({"tol": 0.0}, "tol: received 0.0"),
        ({"max_iter": 0}, "max_iter: received 0, expected a whole number of at least 1"),
        ({"class_weight": {5: 1.0}}, "class_weight: 5 is no class of y"),
        ({"class_weight": {0: -1.0}}, "class_weight: 0 has -1.0"),
    ],
)
def test_parameters_out_of_range(digits, parameters, message):
    X, y = digits
    with pytest.raises(ValueError, match=message):
        ll.SoftmaxClassifier(**parameters).fit(X[y < 2], y[y < 2])


@pytest.mark.parametrize("value", ["no", None, 2, float("nan"), np.ones(2, bool)])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ll.SoftmaxClassifier, "fit_intercept"),
        (ll.SoftmaxClassifier, "standardize"),
        (ll.SoftmaxClassifier, "warm_start"),
        (ll.SoftmaxClassifierCV, "fit_intercept"),
        (ll.SoftmaxClassifierCV, "standardize"),
        (ll.SigmoidClassifier, "fit_intercept"),
        (ll.SigmoidClassifier, "standardize"),
        (ll.SigmoidClassifier, "warm_start"),
        (ll.SigmoidClassifierCV, "fit_intercept"),
        (ll.SigmoidClassifierCV, "standardize"),
    ],
)
def test_what_is_neither_true_nor_false_is_refused(kind, name, value):
    with pytest.raises(TypeError, match=f"{name}: received .*, expected True or False"):
        kind(**{name: value}).fit(np.eye(4), [0, 1, 0, 1])


def test_0_and_1_are_false_and_true():
    X, y = np.array([[0.0], [1.0], [1.5], [3.0]]), [0, 1, 0, 1]
    assert ll.SoftmaxClassifier(fit_intercept=np.int64(0)).fit(X, y).intercept_.tolist() == [0.0]
    assert ll.SoftmaxClassifier(fit_intercept=np.True_).fit(X, y).intercept_[0] != 0


@pytest.mark.parametrize("kind", [ll.SoftmaxClassifier, ll.SoftmaxClassifierCV])
@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ({0: 1, 1: 0}, TypeError, "y: received a dict, expected labels in order, one for each row of X"),
        ((k % 2 for k in range(4)), TypeError, "y: received a generator"),
        ("abab", TypeError, "y: received a str"),
        (["a", None, "b", "a"], ValueError, "y: row 1 is null, expected a label; leave such rows out"),
    ],
)
def test_what_holds_no_labels_in_order(kind, y, error, message):
    with pytest.raises(error, match=message):
        kind().fit(np.eye(4), y)


def test_a_null_of_pandas_is_named():
    pandas = pytest.importorskip("pandas")
    y = pandas.Series(["a", "b", None, "a"], dtype="string")
    with pytest.raises(ValueError, match="y: row 2 is null, expected a label; leave such rows out"):
        ll.SoftmaxClassifier().fit(np.eye(4), y)


def test_bad_data():
    X, y = np.ones((6, 2)), np.array([0, 1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ll.SoftmaxClassifier().fit(X, y[:5])
    with pytest.raises(ValueError, match=r"y: only one class, .* in 6 rows"):
        ll.SoftmaxClassifier().fit(X, np.zeros(6, int))
    with pytest.raises(ValueError, match="NaN"):
        ll.SoftmaxClassifier().fit(np.full((6, 2), np.nan), y)
    with pytest.raises(ValueError, match=r"sample_weight: row 2 is -1\.0"):
        ll.SoftmaxClassifier().fit(X, y, sample_weight=[1, 1, -1, 1, 1, 1])
    model = ll.SoftmaxClassifier().fit(np.eye(6), y)
    with pytest.raises(ValueError, match=r"y: row 1 is 7, expected one of the 2 classes"):
        model.calibrate(np.eye(6), [0, 7, 0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"y: shape is \(5,\), expected \(6,\)"):
        model.calibrate(np.eye(6), y[:5])


def test_load_refuses_a_header_that_does_not_fit_its_tensors(tmp_path):
    from lastlayer.storage import UnreadableHead, read_head, write_head

    known = ("coef", "intercept", "classes")
    path = tmp_path / "head.safetensors"
    ll.SoftmaxClassifier().fit(np.eye(6), [0, 1, 2, 0, 1, 2]).save(path)
    tensors, header = read_head(path, known)
    for change in (
        {"estimator": "Other"},
        {"beta": -1.0},
        {"beta": "hot"},
        {"beta": True},
        {"beta": 10**4000},
        {"beta": 1e305},
        {"training": {"rows": "many"}},
        {"training": {"surprise": 2}},
        {"parameters": {"C": 1.0, "surprise": 2}},
        {"optimum": {}},
    ):
        write_head(path, tensors, json.loads(json.dumps({**header, **change})))
        with pytest.raises(UnreadableHead, match=os.fspath(path)):
            ll.load(path)
    for change in ({"coef": tensors["coef"][:2]}, {"intercept": tensors["intercept"][:1]}):
        write_head(path, {**tensors, **change}, header)
        with pytest.raises(UnreadableHead, match="3 classes, but weights of shape"):
            ll.load(path)


def test_feature_names_are_kept(tmp_path):
    import pandas

    X = pandas.DataFrame({"width": [0.0, 1, 0, 1], "height": [1.0, 1, 0, 0]})
    model = ll.SoftmaxClassifier().fit(X, ["a", "b", "a", "b"])
    model.save(tmp_path / "head.safetensors")
    loaded = ll.load(tmp_path / "head.safetensors")
    assert loaded.feature_names_in_.tolist() == ["width", "height"]
    assert loaded.predict(X).tolist() == ["a", "b", "a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(X.rename(columns={"width": "depth"}))


def test_warm_start_without_the_intercept_of_the_last_fit(digits):
    X, y = digits
    model = ll.SoftmaxClassifier(warm_start=True, tol=1e-6).fit(X, y)
    model.set_params(fit_intercept=False).fit(X, y)
    cold = ll.SoftmaxClassifier(fit_intercept=False, tol=1e-6).fit(X, y)
    assert not model.intercept_.any()
    assert model.optimum_.objective == pytest.approx(cold.optimum_.objective, rel=1e-6)


def test_trap_28_a_fit_in_a_forked_child_and_two_at_once(digits):
    X, y = digits
    alone = ll.SoftmaxClassifier().fit(X, y)
    with ThreadPoolExecutor(4) as pool:
        for model in pool.map(lambda _: ll.SoftmaxClassifier().fit(X, y), range(8)):
            np.testing.assert_allclose(model.coef_, alone.coef_, atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads, which is the point
        child = multiprocessing.get_context("fork").Process(target=_fit_as_before, args=(X, y, alone.coef_))
        child.start()
    child.join()
    assert child.exitcode == 0


def _fit_as_before(X, y, coef):
    np.testing.assert_allclose(ll.SoftmaxClassifier().fit(X, y).coef_, coef, atol=1e-6)


def test_names_of_many_classes_raise_no_warning():
    X = np.repeat(np.eye(30), 2, axis=0)
    names = np.array([f"class {k}" for k in range(30)])
    assert ll.SoftmaxClassifier(C=100.0).fit(X, np.repeat(names, 2)).score(X, np.repeat(names, 2)) == 1


def test_infinite_c_is_no_penalty_as_in_scikit_learn():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    y = (X @ rng.standard_normal((4, 3)) + rng.gumbel(size=(300, 3))).argmax(axis=1)
    model = ll.SoftmaxClassifier(C=np.inf, tol=1e-8).fit(X, y)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-4)
    assert model.optimum_.gap == np.inf


def test_infinite_c_on_separable_classes_ends_with_a_warning():
    X, y = np.repeat(np.eye(3), 5, axis=0), np.repeat(["a", "b", "c"], 5)
    with pytest.warns(ConvergenceWarning, match=r"C=inf, and a head can separate the classes.*pass a finite C"):
        model = ll.SoftmaxClassifier(C=np.inf).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.score(X, y) == 1


def test_infinite_c_is_kept_in_the_file(tmp_path):
    X = np.random.default_rng(0).standard_normal((60, 3))
    model = ll.SoftmaxClassifier(C=np.inf).fit(X, np.arange(60) % 2)
    model.save(tmp_path / "m")
    loaded = ll.load(tmp_path / "m")
    assert np.isposinf(loaded.C)
    assert loaded.optimum_ == model.optimum_


@pytest.mark.parametrize("C", [0, -np.inf, np.nan])
def test_c_is_greater_than_zero(C):
    with pytest.raises(ValueError, match=r"C: received .*, expected a number greater than 0, or inf"):
        ll.SoftmaxClassifier(C=C).fit([[0.0], [1.0]], [0, 1])


def test_trap_36_a_column_of_1e155_is_refused_by_name_not_called_optimal(digits):
    X, y = digits
    X = X.astype(np.float64)
    X[:, 20] *= 1e155
    with pytest.raises(ValueError, match=r"X: column 20 has values whose squares are beyond float64.*scale the column"):
        ll.SoftmaxClassifier().fit(X, y)


def test_a_calibration_on_fewer_rows_than_classes_is_told_to_whoever_asked_for_it(digits):
    X, y = digits
    head = ll.SoftmaxClassifier().fit(X, y)
    wrong = head.predict(X) != y
    rows = np.concatenate([np.flatnonzero(wrong)[:1], np.flatnonzero(~wrong)[:4]])
    with pytest.warns(ll.TemperatureWarning, match="calibrate: 5 rows, fewer than the 10 classes") as caught:
        head.calibrate(X[rows], y[rows])
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(ll.TemperatureWarning, match="calibrate: every label is its row's largest logit"):
        head.calibrate(X[rows[1:]], y[rows[1:]])


def test_a_row_of_weight_0_is_absent_from_a_calibration(digits):
    X, y = digits
    head = ll.SoftmaxClassifier().fit(X[:1000], y[:1000])
    odd = np.append(y[1000:], 77)
    beta = head.calibrate(X[1000:], y[1000:]).beta_
    weight = np.append(np.ones(len(y) - 1000), 0.0)
    assert head.calibrate(np.vstack([X[1000:], X[:1]]), odd, weight).beta_ == pytest.approx(beta, rel=1e-12)
    assert head.training_.held_out_rows == len(y) - 1000


def test_weights_and_a_penalty_beyond_the_numbers():
    X, y = np.eye(20), np.arange(20) % 2
    with pytest.raises(ValueError, match="sample_weight: the weights sum to more than float64 holds"):
        ll.SoftmaxClassifier().fit(X, y, np.full(20, 1e307))
    with pytest.raises(ValueError, match="C: received 1e-310, expected a larger number"):
        ll.SoftmaxClassifier(C=1e-310).fit(X, y)

"""SigmoidClassifier against OneVsRestClassifier(LogisticRegression()): seconds to at least the same objective a label.

Both fit the same float32 features; the objective of each label is evaluated in float64 by code that is no part of
either. Where there are many labels scikit-learn fits every tenth or so, and its time is taken for all of them. A label
that ends above scikit-learn's objective counts as a failure.

`--f1` shows what thresholds that are chosen on goemotions' dev rows give on its test rows, and, for the choice of the
smoothing, what those of one half of the dev rows give on the other.
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

import lastlayer as ll
from benchmarks.floors import measured_floors, medians
from lastlayer.decision import choose_thresholds

# Labels that scikit-learn fits, at most, and rounds.
_MOST_LABELS, _ROUNDS = 28, 3
_SMOOTHING = (0.0, 1.0, 2.0, 5.0)


def measure(*, quick, f1=False):
    if f1:
        return measure_f1(quick)
    floors = measured_floors()
    print(f"{floors['threads']} threads, SGEMM {floors['sgemm_gigaflops']:.0f} GFLOP/s\n")
    print(
        "data                 C     N x D x K           sklearn   lastlayer   ratio  objective against sklearn's, worst"
    )
    ll.SigmoidClassifier().fit(np.eye(8, dtype=np.float32), np.eye(8, dtype=int))  # compiled
    results = []
    for name, load in PROBLEMS.items():
        data = load(quick)
        if data is None:
            print(f"{name}: its file is not there")
            continue
        results += [{"data": name, **measure_problem(name, *data, C, 1 if quick else _ROUNDS)} for C in (1.0, 10.0)]
    return {"floors": floors, "results": results}


def measure_problem(name, X, Y, C, rounds):
    chosen = np.unique(np.linspace(0, Y.shape[1] - 1, min(_MOST_LABELS, Y.shape[1])).astype(int))
    columns = [np.asarray(Y[:, [k]].todense()).ravel() for k in chosen]
    # Each label as OneVsRestClassifier fits it.
    contenders = {
        "sklearn": lambda: [LogisticRegression(C=C, max_iter=10_000).fit(X, column) for column in columns],
        "lastlayer": lambda: ll.SigmoidClassifier(C=C).fit(X, Y),
    }
    seconds, models = {key: [] for key in contenders}, {}
    for _ in range(rounds):
        for key, fit in contenders.items():
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                models[key] = fit()
            seconds[key].append(time.perf_counter() - start)
    median = medians(seconds)
    median["sklearn"] *= Y.shape[1] / len(chosen)
    ours, above = models["lastlayer"], []
    for k, column, theirs in zip(chosen, columns, models["sklearn"], strict=True):
        found = objective(X, column, ours.coef_[k], ours.intercept_[k], C)
        above.append(found / objective(X, column, theirs.coef_[0], theirs.intercept_[0], C) - 1)
    ratio, worst = median["sklearn"] / median["lastlayer"], max(above)
    shape = "x".join(map(str, (*X.shape, Y.shape[1])))
    print(
        f"{name:18} {C:4g}  {shape:18} {median['sklearn']:8.2f} s  {median['lastlayer']:8.2f} s  {ratio:6.1f}  "
        f"{'FAILED: ' if worst > 1e-6 else ''}{worst:+.1e}  (at most {ours.optimum_.gap / ours.optimum_.objective:.0e} "
        f"above the optimum, relatively{f'; {len(chosen)} labels timed' if len(chosen) < Y.shape[1] else ''})",
        flush=True,
    )
    return {
        "C": C,
        "shape": [*map(int, X.shape), int(Y.shape[1])],
        "seconds": median,
        "labels_timed": len(chosen),
        "ratio": ratio,
        "worst_above_sklearn": worst,
        "gap": ours.optimum_.gap,
        "objective": ours.optimum_.objective,
        "iterations": [optimum.iterations for optimum in ours.optima_],
    }


def objective(X, y, weight, intercept, C):
    """scikit-learn's objective of one label, in float64."""
    weight = np.asarray(weight, np.float64)
    scores = X.astype(np.float64) @ weight + float(intercept)
    losses = np.logaddexp(0, np.where(y, -scores, scores))
    return float(losses.mean() + weight @ weight / (2 * C * len(y)))


def measure_f1(quick):
    """Micro and macro F1 on the test rows: one threshold for all, and one a label of smoothed counts."""
    loaded = _goemotions()
    if loaded is None:
        print("goemotions: its file is not there")
        return {"results": []}
    print("C      log-loss  one threshold: micro, macro   one a label, by smoothing: macro; on halves of dev: macro")
    results = []
    for C in (1.0, 10.0) if quick else (0.3, 1.0, 3.0, 10.0, 30.0, 100.0):
        model = ll.SigmoidClassifier(C=C).fit(*loaded["train"]).calibrate(*loaded["dev"])
        (dev, answers), (test, truth) = (
            (model.predict_proba(X), _indicator(model.classes_, lists)) for X, lists in (loaded["dev"], loaded["test"])
        )
        rule = choose_thresholds(dev, answers)
        shared = _f1(rule.apply(test), truth)
        each = {s: _f1(_smoothed(dev, answers, s).apply(test), truth) for s in _SMOOTHING}
        halves = _on_halves(model, *loaded["dev"], 2 if quick else 10)
        log_loss = ll.evaluate_labels(test, truth).log_loss
        results.append(
            {
                "C": C,
                "log_loss": log_loss,
                "shared_threshold": rule.threshold,
                "shared": shared,
                "each": {str(s): value for s, value in each.items()},
                "on_halves_of_dev": {str(s): value for s, value in halves.items()},
            }
        )
        macros = "  ".join(f"{s:g}: {each[s][1]:.4f}; {halves[s]:.4f}" for s in _SMOOTHING)
        print(f"{C:5g}  {log_loss:.5f}   {rule.threshold:.3f}: {shared[0]:.4f}, {shared[1]:.4f}   {macros}", flush=True)
    return {"results": results}


def _on_halves(model, X, lists, rounds):
    """Mean macro F1 of one half of the rows, where the other half has calibrated and chosen the thresholds."""
    answers, rng, found = _indicator(model.classes_, lists), np.random.default_rng(0), {s: [] for s in _SMOOTHING}
    for _ in range(rounds):
        order = rng.permutation(len(X))
        for ours, others in (np.array_split(order, 2), np.array_split(order, 2)[::-1]):
            model.calibrate(X[ours], [lists[i] for i in ours])
            p, judged = model.predict_proba(X[ours]), model.predict_proba(X[others])
            for s, macros in found.items():
                macros.append(_f1(_smoothed(p, answers[ours], s).apply(judged), answers[others])[1])
    return {s: float(np.mean(macros)) for s, macros in found.items()}


def _smoothed(p, answers, smoothing):
    return choose_thresholds(p, answers, per_label=True, smoothing=smoothing)


def _f1(predicted, truth):
    right, all_of_both = (predicted & truth).sum(axis=0), predicted.sum(axis=0) + truth.sum(axis=0)
    return float(2 * right.sum() / all_of_both.sum()), float((2 * right / np.maximum(all_of_both, 1)).mean())


def _indicator(classes, lists):
    return np.array([[name in row for name in classes] for row in map(set, lists)])


def _goemotions():
    """Features and lists of labels of its three parts, or None."""
    import polars as pl

    folder = os.environ.get("LASTLAYER_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(folder, "goemotions.parquet")
    if not path.exists():
        return None
    frame = pl.read_parquet(path)
    parts = {name: frame.filter(pl.col("split") == name) for name in ("train", "dev", "test")}
    return {
        name: (np.array(part["embedding"].to_list(), np.float32), part["emotions"].to_list())
        for name, part in parts.items()
    }


def goemotions(quick):
    loaded = _goemotions()
    if loaded is None:
        return None
    X, lists = loaded["train"]
    rows = slice(0, 4000 if quick else None)
    return X[rows], _sparse(lists[rows])


def words(quick):
    """The words of the same comments, weighed by how rare they are: sparse features."""
    import polars as pl
    from sklearn.feature_extraction.text import TfidfVectorizer

    folder = os.environ.get("LASTLAYER_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(folder, "goemotions.parquet")
    if not path.exists():
        return None
    frame = pl.read_parquet(path, columns=["text", "emotions", "split"]).filter(pl.col("split") == "train")
    frame = frame.head(4000) if quick else frame
    X = TfidfVectorizer(min_df=5, dtype=np.float32).fit_transform(frame["text"].to_list())
    return sp.csr_array(X), _sparse(frame["emotions"].to_list())


def _sparse(lists):
    names = sorted({name for row in lists for name in row})
    return sp.csr_array(_indicator(np.array(names), lists))


def thousand(quick):
    """A thousand labels, from rare to common."""
    rng = np.random.default_rng(0)
    rows, columns, labels = (2000, 60, 100) if quick else (16_000, 500, 1000)
    X = rng.standard_normal((rows, columns)).astype(np.float32)
    scores = X @ rng.standard_normal((columns, labels)).astype(np.float32) / np.sqrt(columns)
    return X, sp.csr_array(scores + rng.standard_normal(scores.shape) - rng.uniform(0.5, 3, labels) > 0)


def correlated(quick):
    """Features whose variances span four orders of magnitude."""
    rng = np.random.default_rng(1)
    rows = 2000 if quick else 20_000
    X = rng.standard_normal((rows, 128)) * np.geomspace(1, 0.01, 128)
    X = (X @ np.linalg.qr(rng.standard_normal((128, 128)))[0]).astype(np.float32)
    scores = X @ rng.standard_normal((128, 40)) * 2
    return X, sp.csr_array(scores + rng.logistic(size=scores.shape) > 1)


PROBLEMS = {"goemotions": goemotions, "goemotions words": words, "1000 labels": thousand, "correlated": correlated}

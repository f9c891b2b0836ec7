"""SoftmaxClassifierCV: a path of C against single fits and against scikit-learn's LogisticRegressionCV.

A single fit is counted twice, at C = 1, where it is quick, and at the C that the path chooses. Both contenders fit the
same float32 rows, in 5 folds with Cs=10 by log-loss, at their defaults; both heads are judged on other rows.
"""

import time
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegressionCV

import lastlayer as ll
from benchmarks.fit import clinc150, digits, embeddings, isotropic
from benchmarks.floors import measured_floors, medians

# What CLIP's linear probes sweep (Radford et al. 2021, appendix A.3).
_CLIP = np.geomspace(1e-6, 1e6, 96)


def measure(*, quick):
    floors = measured_floors()
    ll.SoftmaxClassifierCV(Cs=1, cv=2).fit(np.eye(8, dtype=np.float32), np.arange(8) % 4)  # compiled
    results = []
    for name, load in PROBLEMS.items():
        data = load(quick)
        if data is None:
            print(f"{name}: its file is not there")
            continue
        results.append({"data": name, **measure_problem(name, *data, rounds=1 if quick else 3)})
    return {"floors": floors, "results": results}


def measure_problem(name, train, held_out, *, rounds):
    """Seconds and held-out log-losses of one problem, as a dict; the table is printed."""
    X, y = train
    chosen = timed(lambda: ll.SoftmaxClassifierCV().fit(X, y))[1]
    twenty = np.logspace(-4, 4, 20)
    contenders = {
        "fit, C = 1": lambda: ll.SoftmaxClassifier().fit(X, y),
        "fit, chosen C": lambda: ll.SoftmaxClassifier(C=chosen.C_).fit(X, y),
        "Cs=10, cv=5": lambda: ll.SoftmaxClassifierCV().fit(X, y),
        "20 values, validation": lambda: ll.SoftmaxClassifierCV(Cs=twenty).fit(X, y, validation=held_out),
        "96 values, validation": lambda: ll.SoftmaxClassifierCV(Cs=_CLIP).fit(X, y, validation=held_out),
    }
    seconds, heads = {key: [] for key in [*contenders, "LogisticRegressionCV"]}, {}
    for _ in range(rounds):
        for key, fit in contenders.items():
            took, heads[key] = timed(fit)
            seconds[key].append(took)
    peer = LogisticRegressionCV(Cs=10, cv=5, scoring="neg_log_loss")
    took, heads["LogisticRegressionCV"] = timed(lambda: peer.fit(X, y))
    seconds["LogisticRegressionCV"].append(took)
    median = medians(seconds)
    losses = {key: log_loss(head, *held_out) for key, head in heads.items()}
    values = {key: float(np.ravel(getattr(head, "C_", head.get_params().get("C")))[0]) for key, head in heads.items()}
    iterations = {key: int(head.path_.iterations.sum()) for key, head in heads.items() if hasattr(head, "path_")}
    shape = [*map(int, X.shape), len(chosen.classes_)]
    print(f"\n{name}: {' x '.join(map(str, shape))}, judged on {len(held_out[1])} rows")
    print(f"{'':24}{'seconds':>9}{'fits, C = 1':>13}{'fits, C':>9}{'C':>10}{'log-loss':>10}{'iterations':>12}")
    for key, took in median.items():
        print(
            f"{key:24}{took:9.2f}{took / median['fit, C = 1']:13.1f}{took / median['fit, chosen C']:9.1f}"
            f"{values[key]:10.3g}{losses[key]:10.4f}{iterations.get(key, ''):>12}",
            flush=True,
        )
    ratio = median["LogisticRegressionCV"] / median["Cs=10, cv=5"]
    print(f"LogisticRegressionCV takes {ratio:.1f} times as long")
    return {
        "shape": shape,
        "seconds": median,
        "log_losses": losses,
        "C": values,
        "iterations": iterations,
        "ratio": ratio,
        "rounds": rounds,
    }


def timed(fit):
    """Seconds that a fit takes, and what it returns."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = fit()
    return time.perf_counter() - start, fitted


def log_loss(head, X, y):
    """The mean log-loss of a head, in float64."""
    scores = X.astype(np.float64) @ head.coef_.astype(np.float64).T + head.intercept_
    return float(np.mean(ll.cross_entropy(scores, np.searchsorted(head.classes_, y))))


def intents(quick):
    """The train rows of CLINC150, judged on its validation rows."""
    import polars as pl

    train = clinc150(quick)
    known = pl.col("intent") != "out_of_scope"
    held_out = embeddings("clinc150.parquet", (pl.col("split") == "val") & known, pl.col("intent"))
    return None if train is None or held_out is None else (train, held_out)


def with_a_fifth_held_out(load):
    """A loader of the rows that `load` gives, a fifth of them to judge on."""

    def split(quick):
        data = load(quick)
        if data is None:
            return None
        held = np.random.default_rng(0).random(len(data[1])) < 0.2
        return tuple(array[~held] for array in data), tuple(array[held] for array in data)

    return split


PROBLEMS = {
    "clinc150": intents,
    "digits": with_a_fifth_held_out(digits),
    "isotropic": with_a_fifth_held_out(isotropic),
}

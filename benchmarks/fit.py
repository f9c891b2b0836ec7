"""SoftmaxClassifier against scikit-learn's LogisticRegression: seconds to at least the same objective.

Both fit the same float32 features at their default tolerance; the objective of both is evaluated in float64 by code
that is no part of either. A fit that ends above scikit-learn's objective counts as a failure, however quick.
"""

import math
import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import lastlayer as ll
from benchmarks.floors import measured_floors, medians

_PENALTIES = (0.1, 1.0, 100.0)
# Seconds of one problem after which it gets no further round.
_PATIENCE = 40.0


def measure(*, quick):
    floors = measured_floors()
    print(
        f"{floors['threads']} threads, copy {floors['copy_gigabytes_per_second']:.1f} GB/s, "
        f"SGEMM {floors['sgemm_gigaflops']:.0f} GFLOP/s\n"
    )
    print("data              C     N x D x K          sklearn    lastlayer   ratio  objective against sklearn's")
    ll.SoftmaxClassifier().fit(np.eye(8, dtype=np.float32), np.arange(8) % 4)  # compiled
    results = []
    for name, (load, counted) in PROBLEMS.items():
        data = load(quick)
        if data is None:
            print(f"{name}: its file is not there")
            continue
        for C in _PENALTIES:
            results.append({"data": name, "counted": counted, **measure_problem(name, *data, C, 1 if quick else 3)})
    summary = summarise(results)
    return {"floors": floors, "results": results, "summary": summary}


def measure_problem(name, X, y, C, rounds):
    contenders = {
        "sklearn": lambda: LogisticRegression(C=C, max_iter=10_000).fit(X, y),
        "lastlayer": lambda: ll.SoftmaxClassifier(C=C).fit(X, y),
    }
    seconds, models, began = {key: [] for key in contenders}, {}, time.perf_counter()
    for _ in range(rounds):
        for key, fit in contenders.items():
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                models[key] = fit()
            seconds[key].append(time.perf_counter() - start)
        if time.perf_counter() - began > _PATIENCE:
            break
    median = medians(seconds)
    objectives = {key: objective(X, y, model, C) for key, model in models.items()}
    above = objectives["lastlayer"] / objectives["sklearn"] - 1
    result = {
        "C": C,
        "shape": [*map(int, X.shape), len(models["sklearn"].classes_)],
        "seconds": median,
        "ratio": median["sklearn"] / median["lastlayer"],
        "objectives": objectives,
        "above_sklearn": above,
        "iterations": {key: int(model.n_iter_[0]) for key, model in models.items()},
        "gap": models["lastlayer"].optimum_.gap,
        "expected_gap": models["lastlayer"].optimum_.expected,
        "rounds": len(seconds["sklearn"]),
    }
    shape = "x".join(map(str, result["shape"]))
    verdict = "FAILED: " if above > 1e-6 else ""
    print(
        f"{name:16} {C:5g}  {shape:16} {median['sklearn']:8.3f} s  {median['lastlayer']:8.3f} s  "
        f"{result['ratio']:5.1f}  {verdict}{above:+.1e}  "
        f"({result['iterations']['sklearn']} and {result['iterations']['lastlayer']} iterations; at most "
        f"{result['gap']:.0e} above the optimum)",
        flush=True,
    )
    return result


def objective(X, y, model, C):
    """scikit-learn's objective of a fitted model, in float64."""
    labels = np.searchsorted(model.classes_, y)
    weight, intercept = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    total = 0.0
    for start in range(0, len(y), 4096):
        scores = X[start : start + 4096].astype(np.float64) @ weight.T + intercept
        top = scores.max(axis=1)
        log_sum = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top
        total += float((log_sum - scores[np.arange(len(scores)), labels[start : start + 4096]]).sum())
    return float(total + (weight**2).sum() / (2 * C)) / len(y)


def summarise(results):
    summary = {}
    for label, counted in (("the claim's problems", True), ("held-out problems", False)):
        chosen = [r for r in results if r["counted"] is counted]
        if not chosen:
            continue
        mean = math.exp(sum(math.log(r["ratio"]) for r in chosen) / len(chosen))
        slowest = min(chosen, key=lambda r: r["ratio"])
        failed = sum(int(r["above_sklearn"] > 1e-6) for r in chosen)
        summary[label] = {"geometric_mean": mean, "least": slowest["ratio"], "above_sklearn": failed}
        print(
            f"\n{label}: geometric mean of ratios {mean:.1f}, least {slowest['ratio']:.1f} "
            f"({slowest['data']}, C={slowest['C']:g}); {failed} of {len(chosen)} end above scikit-learn's objective"
        )
    return summary


def digits(quick):
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


def clinc150(quick):
    import polars as pl

    return embeddings(
        "clinc150.parquet", (pl.col("split") == "train") & (pl.col("intent") != "out_of_scope"), pl.col("intent")
    )


def goemotions(quick):
    import polars as pl

    return embeddings("goemotions.parquet", pl.col("split") == "dev", pl.col("emotions").list.first())


def embeddings(file, rows, label):
    """Embeddings (N, D) float32 and labels of some rows of a data file, or None where it is not there."""
    import polars as pl

    shared = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    path = Path(os.environ.get("LASTLAYER_DATA", shared)) / file
    if not path.exists():
        return None
    frame = pl.scan_parquet(path).filter(rows).select("embedding", label.alias("label")).collect()
    return np.ascontiguousarray(frame["embedding"].to_numpy(), dtype=np.float32), frame["label"].to_numpy().astype(str)


def anisotropic(quick):
    """Gaussian features whose standard deviations span a factor of 30, with a common mean; labels by Gumbel noise."""
    rows, columns, classes = (6000, 64, 20) if quick else (30_000, 256, 50)
    rng = np.random.default_rng(0)
    deviations = np.geomspace(3, 0.1, columns)
    rotation = np.linalg.qr(rng.standard_normal((columns, columns)))[0]
    along = rng.standard_normal((rows, columns))
    scores = (along * np.sqrt(deviations)) @ rng.standard_normal((columns, classes)) * 0.5
    labels = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    return ((along * deviations) @ rotation + 2 * rng.standard_normal(columns)).astype(np.float32), labels


def pixels(quick):
    """Non-negative, smooth, correlated features in [0, 1], many of them 0: four shapes a class and common noise."""
    rows, side, classes = (6000, 28, 10) if quick else (60_000, 28, 10)
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    shapes = [gaussian_filter(rng.standard_normal((side, side)), 3).ravel() for _ in range(4 * classes)]
    noise = [gaussian_filter(rng.standard_normal((side, side)), 2).ravel() for _ in range(60)]
    labels = rng.integers(0, classes, rows)
    X = 12 * np.array(shapes)[4 * labels + rng.integers(0, 4, rows)] - 0.5
    X += 1.5 * rng.standard_normal((rows, 60)) @ np.array(noise) + 0.1 * rng.standard_normal((rows, side * side))
    return np.clip(X, 0, 1).astype(np.float32), labels


def isotropic(quick):
    """Independent features of equal variance, where no preconditioner can help."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((6000, 100)).astype(np.float32)
    scores = X @ rng.standard_normal((100, 30)) * 0.3
    return X, (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


PROBLEMS = {
    "digits": (digits, True),
    "clinc150": (clinc150, True),
    "anisotropic": (anisotropic, True),
    "pixels": (pixels, True),
    "goemotions dev": (goemotions, False),
    "isotropic": (isotropic, False),
}

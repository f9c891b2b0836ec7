"""Prediction sets over many splits of held-out rows, and the time that thresholds of 1,000 labels take against sorts.

Each split chooses sets on one half of the rows and judges them on the other: coverage, classes in a set, sets without
any, and the coverage of the fifth of the rows that the model is least sure of. Beside the library's sets, by the
probability of each class, stand adaptive ones by the sum of the probabilities down to it (Romano, Sesia & Candes 2020),
as they are and with half of its own by chance, and regularised ones (Angelopoulos et al. 2021).
"""

import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import lastlayer as ll
from benchmarks.floors import medians
from lastlayer.decision import choose_prediction_sets, choose_thresholds, linear_top_k

_COVERAGES, _SPLITS, _ROUNDS = (0.9, 0.95), 200, 5
# Penalty a class, and the rank from which on it is due.
_REGULARISED = (0.01, 5)


def measure(*, quick):
    return {
        "sets": measure_sets(20 if quick else _SPLITS),
        "thresholds": measure_thresholds(quick),
        "many_classes": measure_many_classes(100_000 if quick else 1_000_000),
    }


def measure_sets(splits):
    print(f"{splits} splits         target  sets                   coverage        classes  empty  least sure fifth")
    results = []
    for name, load in DATA.items():
        loaded = load()
        if loaded is None:
            print(f"{name}: its file is not there")
            continue
        p, labels = loaded
        others = adaptive_scores(p, np.random.default_rng(0))
        for coverage in _COVERAGES:
            rng, judged = np.random.default_rng(1), {}
            for _ in range(splits):
                chosen, rest = np.array_split(rng.permutation(len(p)), 2)
                for kind, sets in _sets(p, labels, others, chosen, rest, coverage):
                    judged.setdefault(kind, []).append(_judge(sets, labels[rest], p[rest]))
            for kind, figures in judged.items():
                mean, deviation = np.mean(figures, axis=0), np.std(figures, axis=0)
                missed = kind in _EXACT and abs(mean[0] - coverage) > 0.005
                print(
                    f"{name:20} {coverage:4g}   {kind:22} {mean[0]:.4f} ± {deviation[0]:.4f}  {mean[1]:6.2f}  "
                    f"{mean[2]:.3f}  {mean[3]:.3f}{'  FAILED' if missed else ''}",
                    flush=True,
                )
                keys = ("coverage", "classes", "empty", "least_sure_fifth")
                results.append({"data": name, "target": coverage, "sets": kind, "splits": splits})
                results[-1] |= dict(zip(keys, mean.tolist(), strict=True)) | {"deviation": float(deviation[0])}
    return results


_EXACT = ("probability", "probability, drawn")


def _sets(p, labels, others, chosen, rest, coverage):
    for kind, options in (
        ("probability", {}),
        ("probability, drawn", {"randomised": True}),
        ("probability, by class", {"class_conditional": True, "rare": "always"}),
    ):
        rule = choose_prediction_sets(p[chosen], labels[chosen], coverage=coverage, **options)
        yield kind, rule.apply(p[rest])
    rank = int(np.ceil((len(chosen) + 1) * coverage - 1e-9))
    for kind, scores in others.items():
        yield kind, scores[rest] <= np.sort(scores[chosen, labels[chosen]])[rank - 1]


def _judge(sets, labels, p):
    covered, sizes = sets[np.arange(len(labels)), labels], sets.sum(axis=1)
    unsure = np.argsort(p.max(axis=1))[: len(p) // 5]
    return covered.mean(), sizes.mean(), (sizes == 0).mean(), covered[unsure].mean()


def adaptive_scores(p, rng):
    """(N, K) scores, of which a set holds the smallest, by name."""
    order = np.argsort(-p, axis=1)
    ranked = np.take_along_axis(p, order, axis=1).astype(np.float64)
    sums = np.cumsum(ranked, axis=1)
    drawn = sums - ranked * rng.random((len(p), 1))
    penalty, rank = _REGULARISED
    found = {
        "adaptive": sums,
        "adaptive, drawn": drawn,
        "regularised, drawn": drawn + penalty * np.maximum(np.arange(1, p.shape[1] + 1) - rank, 0),
    }
    for name, scores in found.items():
        found[name] = np.empty_like(scores)
        np.put_along_axis(found[name], order, scores, axis=1)
    return found


def measure_thresholds(quick):
    rng = np.random.default_rng(0)
    shape = (10_000, 1000) if quick else (100_000, 1000)
    p = rng.beta(0.3, 3, shape).astype(np.float32)
    targets = sp.csc_array(rng.random(shape, dtype=np.float32) < p)
    contenders = {
        "sort": lambda: np.sort(p, axis=0),
        "one a label": lambda: choose_thresholds(p, targets, per_label=True),
        "one for all": lambda: choose_thresholds(p, targets),
        "one a label, precision": lambda: choose_thresholds(p, targets, precision=0.5, per_label=True),
    }
    choose_thresholds(p[:99], np.eye(99, shape[1]), per_label=True), choose_thresholds(p[:99], np.eye(99, shape[1]))
    seconds = {name: [] for name in contenders}
    for _ in range(2 if quick else _ROUNDS):
        for name, contender in contenders.items():
            start = time.perf_counter()
            contender()
            seconds[name].append(time.perf_counter() - start)
    median = medians(seconds)
    print(f"\nthresholds of {shape[0]} x {shape[1]}, float32")
    for name, value in median.items():
        print(f"{name:24} {value:6.2f} s  {value / median['sort']:5.2f} sorts")
    return {
        "shape": shape,
        "seconds": median,
        "sorts": {name: value / median["sort"] for name, value in median.items()},
    }


def measure_many_classes(num_classes):
    """Sets of a linear head, from the probability of each label and the most probable classes: no (N, K) array."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((num_classes, 64), dtype=np.float32)
    labels = rng.integers(0, num_classes, 1500)
    features = 1.2 * weight[labels] + rng.standard_normal((1500, 64), dtype=np.float32)
    weight *= 0.5
    chosen, rest = slice(0, 1000), slice(1000, None)
    tracemalloc.start()
    start = time.perf_counter()
    own = np.exp(-ll.linear_cross_entropy(features[chosen], weight, labels[chosen]))
    stored = sp.csr_array((own, (np.arange(1000), labels[chosen])), shape=(1000, num_classes))
    rule = choose_prediction_sets(stored, labels[chosen], coverage=0.8)
    top = linear_top_k(features[rest], weight, min(rule.largest_set, 50))
    sets = rule.apply_top_k(*top, num_classes=num_classes)
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    covered = np.asarray(sets[np.arange(sets.shape[0]), labels[rest]]).mean()
    figures = {
        "classes": num_classes,
        "threshold": rule.threshold,
        "classes_a_set": sets.nnz / sets.shape[0],
        "covered": float(covered),
        "seconds": seconds,
        "megabytes": peak / 1e6,
    }
    print(
        f"\nsets of {num_classes} classes: threshold {rule.threshold:.4f}, "
        f"{figures['classes_a_set']:.2f} classes a set, {covered:.3f} covered, {seconds:.1f} s, "
        f"{peak / 1e6:.0f} MB beyond the head"
    )
    return figures


def intents():
    """CLINC150's rows of a known intent that no head has seen, and how probable each intent is to one of C = 10."""
    path = _path("clinc150.parquet")
    if path is None:
        return None
    import polars as pl

    frame = pl.read_parquet(path).filter(pl.col("intent") != "out_of_scope")
    parts = [frame.filter(pl.col("split") == "train"), frame.filter(pl.col("split") != "train")]
    (X, y), (held_out, labels) = ((np.array(part["embedding"].to_list(), np.float32), part["intent"]) for part in parts)
    head = ll.SoftmaxClassifier(C=10).fit(X, y.to_numpy())
    return head.predict_proba(held_out), np.searchsorted(head.classes_, labels.to_numpy())


def wideresnet():
    path = _path("wideresnet-cifar100.npz")
    if path is None:
        return None
    with np.load(path) as data:
        return data["predictions"], data["ground_truth"].ravel().astype(int)


def _path(name):
    folder = os.environ.get("LASTLAYER_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(folder, name) if Path(folder, name).exists() else None


DATA = {"clinc150": intents, "wideresnet-cifar100": wideresnet}

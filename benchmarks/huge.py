"""An exact fit of the shape of ImageNet's features, 1,281,167 x 2048 x 1000: passes, seconds, and the gap.

The features are synthetic, as a network's pooled ones: not negative, with a covariance whose eigenvalues fall as 1 / j,
and classes in families that share most of their mean. They are scaled so that C = 1 is about the best choice for new
rows, and its accuracy that of a linear probe. They are written as parquet shards once, block by block, and read into
one array. One pass is two products with all features, X W' and R'X.
"""

import resource
import time
from pathlib import Path

import numpy as np
import polars as pl
from scipy.fft import dct

import lastlayer as ll
from benchmarks.floors import measured_floors
from lastlayer.solvers import coarse_steps, logit_line

# Rows, features, classes.
IMAGENET, ANALOGUE, QUICK = (1_281_167, 2048, 1000), (80_000, 512, 250), (8000, 128, 50)
SHARDS = Path(__file__).parent / "results" / "shards"
_SHARD = 20_000
# How far a class's mean lies from its family's and a family's from the common one, in deviations of the noise were they
# spread evenly over the directions; and the classes of a family.
_OF_CLASS, _OF_FAMILY, _FAMILY = 3.5, 3.5, 20
# Mean and standard deviation of a feature before it is cut off at 0.
_MEAN, _DEVIATION = 0.1, 0.15


def measure(*, quick, rows=None, features=None, classes=None, large=False, penalties=(1.0,), tol=1e-4, max_iter=1000):
    """Measure, print a table, and return the figures."""
    default = IMAGENET if large else QUICK if quick else ANALOGUE
    shape = tuple(given or usual for given, usual in zip((rows, features, classes), default, strict=True))
    floors = measured_floors()
    pass_seconds = 4 * np.prod(shape, dtype=float) / floors["sgemm_gigaflops"] / 1e9
    print(
        f"{' x '.join(map(str, shape))}: SGEMM {floors['sgemm_gigaflops']:.0f} GFLOP/s, so a pass takes "
        f"{pass_seconds:.1f} s at least"
    )
    began = time.perf_counter()
    paths = written_shards(*shape)
    written = time.perf_counter()
    X, y = read_shards(paths, shape)
    seconds = {"write": written - began, "read": time.perf_counter() - written}
    print(f"shards {seconds['write']:.1f} s, reading {seconds['read']:.1f} s")
    fits = [measured_fit(X, y, C, tol, max_iter, pass_seconds) for C in penalties]
    return {"floors": floors, "shape": shape, "seconds": seconds, "seconds_a_pass": pass_seconds, "fits": fits}


def measured_fit(X, y, C, tol, max_iter, pass_seconds):
    """The figures of one fit through the library, with logits that are not kept, as at the full size."""
    estimator, points = ll.SoftmaxClassifier(C=C, tol=tol, max_iter=max_iter), []
    kept, swept = logit_line._MOST_BYTES_KEPT, logit_line.LogitLine._swept
    counted = {"passes": 0.0}

    def counting(line, t, features, gradient):
        counted["passes"] += (1.0 if gradient is not None else 0.5) * line._num_rows / len(X)
        found = swept(line, t, features, gradient)
        note(found[0])
        return found

    def note(loss):
        points.append({"passes": counted["passes"], "seconds": time.perf_counter() - began, "loss": loss})
        print(f"{points[-1]['passes']:6.1f} {points[-1]['seconds']:9.1f} {loss:9.5f}", flush=True)

    def counting_coarse(steps, t):
        counted["passes"] += steps._labels.size / len(X)
        found = stepped(steps, t)
        note(found[0])
        return found

    stepped = coarse_steps.CoarseSteps.step
    logit_line._MOST_BYTES_KEPT, logit_line.LogitLine._swept = 0, counting
    coarse_steps.CoarseSteps.step = counting_coarse
    print(f"\nC = {C:g}\n  pass   seconds      loss")
    began = time.perf_counter()
    try:
        estimator.fit(X, y)
    finally:
        logit_line._MOST_BYTES_KEPT, logit_line.LogitLine._swept = kept, swept
        coarse_steps.CoarseSteps.step = stepped
    seconds, optimum = time.perf_counter() - began, estimator.optimum_
    shown = slice(None, None, max(1, len(X) // 20_000))
    result = {
        "C": C,
        "tol": tol,
        "max_iter": max_iter,
        "seconds": seconds,
        "seconds_in_passes_at_least": pass_seconds * counted["passes"],
        "passes": counted["passes"],
        "iterations": optimum.iterations,
        "objective": optimum.objective,
        "relative_gap": optimum.gap / optimum.objective,
        "relative_expected": optimum.expected / optimum.objective,
        "stopped": optimum.stopped,
        "accuracy": float(estimator.score(X[shown], y[shown])),
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "points": points,
    }
    # What is no pass: class sums, the curvature, directions and, most of all, the bound in the end.
    last = points[-1]["seconds"] if points else 0.0
    print(
        f"{seconds:.1f} s, of which {seconds - last:.1f} after the last pass; {optimum.stopped} after "
        f"{optimum.iterations} iterations, {counted['passes']:.1f} passes; objective {optimum.objective:.6f}, "
        f"certified within {result['relative_gap']:.1e} of it ({result['relative_expected']:.1e} expected); accuracy "
        f"on training rows {result['accuracy']:.3f}; peak {result['peak_gigabytes']:.1f} GB"
    )
    return result


def written_shards(num_rows, num_features, num_classes):
    """The paths of the shards of one shape, written where they are missing."""
    folder = SHARDS / f"{num_rows}x{num_features}x{num_classes}"
    folder.mkdir(parents=True, exist_ok=True)
    population, paths = None, []
    for number, first in enumerate(range(0, num_rows, _SHARD)):
        paths.append(folder / f"{number:04}.parquet")
        if paths[-1].exists():
            continue
        population = Population(num_features, num_classes) if population is None else population
        X, y = population.shard(number, min(_SHARD, num_rows - first))
        partial = paths[-1].with_suffix(".partial")
        columns = {"features": pl.Series(X, dtype=pl.Array(pl.Float32, num_features)), "label": y}
        pl.DataFrame(columns).write_parquet(partial, compression="uncompressed", statistics=False)
        partial.replace(paths[-1])
    return paths


def read_shards(paths, shape):
    """Features (N, D) float32 and labels (N,) int64 of all shards, one after the other into one array."""
    X, y, first = np.empty(shape[:2], np.float32), np.empty(shape[0], np.int64), 0
    for path in paths:
        shard = pl.read_parquet(path)
        rows = slice(first, first + shard.height)
        X[rows], y[rows] = shard["features"].to_numpy(), shard["label"].to_numpy()
        first = rows.stop
    return X, y


class Population:
    """Where the rows of one shape come from; a shard depends on its number and the shape alone."""

    def __init__(self, num_features, num_classes):
        self.num_features, self.num_classes = num_features, num_classes
        rng = np.random.default_rng((num_features, num_classes))
        variances = 1 / np.arange(1, num_features + 1)
        self._deviations = np.sqrt(variances * num_features / variances.sum()).astype(np.float32)
        families = rng.standard_normal((-(-num_classes // _FAMILY), num_features), np.float32) * np.float32(_OF_FAMILY)
        means = rng.standard_normal((num_classes, num_features), np.float32) * np.float32(_OF_CLASS)
        # Classes lie apart along the leading directions above all, as those of a network that was trained to tell them.
        leading = 1 / np.sqrt(1 + np.arange(num_features, dtype=np.float32))
        leading /= np.sqrt(np.square(leading).sum())
        self._means = (means + families[np.arange(num_classes) // _FAMILY]) * leading
        self._order, self._signs = rng.permutation(num_features), rng.choice(np.float32([-1, 1]), num_features)

    def shard(self, number, num_rows):
        """Features (num_rows, D) float32 and labels (num_rows,) int32 of one shard."""
        rng = np.random.default_rng((self.num_features, self.num_classes, number))
        labels = rng.integers(0, self.num_classes, num_rows, np.int32)
        features = rng.standard_normal((num_rows, self.num_features), np.float32)
        features += self._means[labels]
        features *= self._deviations
        # An orthogonal matrix that costs no product: every feature has a part of every direction.
        features = dct((features * self._signs)[:, self._order], norm="ortho", axis=1, workers=-1, overwrite_x=True)
        features *= np.float32(_DEVIATION)
        features += np.float32(_MEAN)
        return np.maximum(features, 0, out=features), labels

"""A fit on Ray against one process of as many threads: the same head, how much longer, and what dies meanwhile.

Every size is drawn from a softmax model and written to two parquet files. A fit on Ray has workers of one thread each;
beside it stands one process of as many threads. `seconds` is the search itself; reading the files and starting workers
stand apart. A model of what its questions cost, fitted to some sizes, is checked on another before it is carried on.

With --pairs: one fit of some 20 s on one worker and on two, each in turn with one process, again and again.
With --labels: fits of many labels a row on two workers, each in turn with one process of two threads.
With --kills: kill -9 of a worker at a random moment, of the driver, and of a node of a cluster of three.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.optimize import nnls

import lastlayer as ll

# Rows, features and classes: the model of costs is fitted to all but the last.
_SIZES = [(40_000, 64, 20), (160_000, 64, 20), (40_000, 64, 100), (40_000, 256, 20), (100_000, 128, 50)]
_QUICK = [(10_000, 32, 10), (40_000, 32, 10), (10_000, 32, 40), (10_000, 96, 10), (20_000, 64, 20)]
# A fit of 14 to 21 s in one process on the two cores where it was measured.
_LONG = (1_200_000, 256, 100)
# Workers keep the logits of each in a machine of 24 GB.
_LARGE = [(400_000, 256, 100), (1_000_000, 256, 100), (400_000, 256, 400), (400_000, 768, 100), (600_000, 512, 200)]
# What nobody has run: rows, features, classes, machines, cores of each, and bytes a second between two. An iteration
# takes about two products whether logits are kept or not, as they are not here with one worker a machine.
_BEYOND = (10**9, 1024, 1000, 64, 32, 1.25e9)
# Questions that multiply a worker's rows with a head, or their residuals, and those that go through its logits.
_PRODUCTS, _PASSES = ("set_direction", "step"), ("evaluate", "step", "add_offset")
# How far off, on a size that it was not fitted to, a model of costs may be that is carried further.
_TRUSTED = 0.25
# Rows, features and labels.
_LABELS = [(60_000, 256, 300), (400_000, 128, 20)]
_QUIET = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}


def measure(*, quick, kills=False, large=False, pairs=None, labels=False):
    if labels:
        return measure_labels(quick, pairs or 3)
    if kills:
        return {"kills": measure_kills(quick)}
    if pairs is not None:
        return measure_pairs(quick, pairs)
    sizes = _LARGE if large else _QUICK if quick else _SIZES
    import ray

    cores = os.cpu_count() or 1
    workers = [count for count in (1, 2, 4) if count <= max(2, cores)]
    ray.init(address="local", num_cpus=max(workers), **_QUIET)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            paths, X, y = written(Path(folder), *size)
            results += [measure_size(size, paths, X, y, count) for count in workers]
    ray.shutdown()
    checked = [run for run in results if tuple(run["size"]) == sizes[-1]]
    model = CostModel.of([run for run in results if run not in checked])
    print(f"model of costs: {model}")
    for run in results:
        run["asked"], run["predicted"] = seconds_asked(run), model.seconds(run)
    for run in checked:
        print(
            f"{run['workers']} workers, a size not fitted: questions took {run['asked']:.2f} s, by the model of costs "
            f"{run['predicted']:.2f} s"
        )
    off = max(abs(run["predicted"] / run["asked"] - 1) for run in checked)
    document = {"results": results, "model": model._asdict(), "off": off}
    if off > _TRUSTED:
        print(f"not extrapolated: the model of costs is {off:.0%} off a size that it was not fitted to; see --large")
        return document
    return {**document, "extrapolated": extrapolated(model, checked[-1])}


def written(folder, num_rows, num_features, num_classes, dtype=np.float32):
    """Two files of rows of a softmax model, and the rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((num_rows, num_features)).astype(dtype)
    head = (rng.standard_normal((num_classes, num_features)) / np.sqrt(num_features) * 2).astype(dtype)
    y = (X @ head.T + rng.gumbel(size=(num_rows, num_classes)).astype(dtype)).argmax(axis=1)
    paths = [folder / f"part-{k}.parquet" for k in range(2)]
    for path, part in zip(paths, np.array_split(np.arange(num_rows), 2), strict=True):
        pl.DataFrame({"x": pl.Series(X[part]), "label": y[part]}).write_parquet(path, row_group_size=16_384)
    return paths, X, y


def measure_size(size, paths, X, y, count, *, threads=1, tol=1e-6, ray_first=False):
    """One size on `count` workers, and in one process of as many threads as they have, as a dict; a line is printed."""
    seen = []

    def by_workers():
        with watched(seen):
            return timed(lambda: fit(paths, tol=tol, num_workers=count, cpus_per_worker=threads))

    def by_threads():
        os.environ["LASTLAYER_NUM_THREADS"] = str(count * threads)
        try:
            return timed(lambda: ll.SoftmaxClassifier(tol=tol).fit(X, y))
        finally:
            del os.environ["LASTLAYER_NUM_THREADS"]

    if ray_first:
        (on_ray, of_ray), (alone, of_alone) = by_workers(), by_threads()
    else:
        (alone, of_alone), (on_ray, of_ray) = by_threads(), by_workers()
    coef = np.abs(of_alone.coef_).max()
    iterations = of_ray.optimum_.iterations
    traffic = {name: vars(cost) for name, cost in seen[0].traffic.items()}
    run = {
        "size": size,
        "workers": count,
        "threads": threads,
        "seconds": of_ray.optimum_.seconds,
        "seconds_alone": of_alone.optimum_.seconds,
        "whole": on_ray,
        "whole_alone": alone,
        "iterations": iterations,
        "iteration": of_ray.optimum_.seconds / max(1, iterations),
        "not_computing": sum(cost["seconds"] - cost["slowest"] for cost in traffic.values()),
        "unequal": sum(cost["slowest"] - cost["mean"] for cost in traffic.values()),
        "difference": float(np.abs(of_ray.coef_ - of_alone.coef_).max() / coef),
        "gap": of_ray.optimum_.gap,
        "gap_alone": of_alone.optimum_.gap,
        "bytes_an_iteration": sum(cost["sent"] + cost["received"] for cost in traffic.values()) / max(1, iterations),
        "traffic": traffic,
    }
    shape, more = " x ".join(map(str, size)), run["seconds"] / run["seconds_alone"] - 1
    print(
        f"{shape:>24} {count} workers of {threads}: {run['seconds']:7.2f} s, one process {run['seconds_alone']:7.2f} s "
        f"({more:+.0%}), {iterations} iterations of {run['bytes_an_iteration'] / 1e6:.2f} MB, "
        f"{run['not_computing']:.2f} s not computing, "
        f"{run['unequal']:.2f} s by unequal work, difference {run['difference']:.1e}",
        flush=True,
    )
    return run


class CostModel(NamedTuple):
    """What questions to workers of one thread take, in seconds.

    product: a multiplication and an addition of a row with a head, or of a residual with a row. logit: one that a
    question goes through. question: all but the computing of the slowest worker.
    """

    product: float
    logit: float
    question: float

    def __str__(self):
        return (
            f"{self.product * 1e12:.3g} ps a product, {self.logit * 1e9:.3g} ns a logit, "
            f"{self.question * 1e3:.3g} ms a question"
        )

    @classmethod
    def of(cls, runs):
        """The median of what a question takes, and of computing the least squares of the relative errors, >= 0."""
        question = float(np.median([run["not_computing"] / times_asked(run) for run in runs]))
        computing = [sum(cost["slowest"] for cost in run["traffic"].values()) for run in runs]
        matrix = np.array([computed(run) for run in runs]) / np.array(computing)[:, None]
        scale = matrix.max(axis=0)
        product, logit = nnls(matrix / scale, np.ones(len(runs)))[0] / scale
        return cls(float(product), float(logit), question)

    def seconds(self, run):
        """What the questions of a run take."""
        products, logits = computed(run)
        return products * self.product + logits * self.logit + times_asked(run) * self.question


def computed(run):
    """Products of a worker, and logits that it goes through, in all questions of a run."""
    rows, features, classes = run["size"]
    asked = {name: cost["times"] for name, cost in run["traffic"].items()}
    products, passes = (sum(asked.get(name, 0) for name in names) for names in (_PRODUCTS, _PASSES))
    logits = rows * classes / run["workers"]
    return products * logits * features, passes * logits


def times_asked(run):
    return sum(cost["times"] for cost in run["traffic"].values())


def seconds_asked(run):
    return sum(cost["seconds"] for cost in run["traffic"].values())


def extrapolated(model, like):
    """What the model says of a fit that nobody has run: an extrapolation, in which cores and networks are assumed.

    Beside the questions there is the solver's own work, and the start on a sample.

    Args:
      model: CostModel.
      like: a run, whose iterations ask as many questions.
    """
    rows, features, classes, machines, cores, bandwidth = _BEYOND
    run = {**like, "size": (rows, features, classes), "workers": machines * cores}
    whole, (products, logits) = model.seconds(run) / like["iterations"], computed(run)
    moved = features * classes * (4 + 8) * np.log2(machines) / bandwidth
    iteration = whole + moved
    print(
        f"EXTRAPOLATED, not measured: {rows:.0e} x {features} x {classes} on {machines} machines of {cores} cores, if "
        f"cores scale and the network moves {bandwidth / 1e9:.2f} GB/s: {iteration:.1f} s an iteration, of these "
        f"{products * model.product / like['iterations']:.1f} s products, "
        f"{logits * model.logit / like['iterations']:.1f} s exponentials, {moved:.2f} s moving the head, "
        f"{times_asked(like) * model.question / like['iterations']:.2f} s messages"
    )
    return {"size": [rows, features, classes], "machines": machines, "cores": cores, "iteration": iteration}


def measure_pairs(quick, pairs):
    """One fit by two workers, by one of two threads, and in one process of two threads, `pairs` times, in turn."""
    import ray

    size = _QUICK[-1] if quick else _LONG
    ray.init(address="local", num_cpus=2, **_QUIET)
    with tempfile.TemporaryDirectory() as folder:
        paths, X, y = written(Path(folder), *size)
        kinds = [
            [measure_size(size, paths, X, y, workers, threads=2 // workers, ray_first=k % 2 == 1) for workers in (1, 2)]
            for k in range(pairs)
        ]
    ray.shutdown()
    return {"pairs": [median_of(list(runs)) for runs in zip(*kinds, strict=True)]}


def measure_labels(quick, pairs):
    """Many labels a row by two workers, and in one process of two threads, `pairs` times, in turn."""
    import ray

    import lastlayer.ray as lr

    results = []
    ray.init(address="local", num_cpus=2, **_QUIET)
    with tempfile.TemporaryDirectory() as folder:
        for size in [(10_000, 32, 20)] if quick else _LABELS:
            path, X, lists = written_lists(Path(folder), *size)
            for _ in range(pairs):
                os.environ["LASTLAYER_NUM_THREADS"] = "2"
                _, alone = timed(lambda X=X, lists=lists: ll.SigmoidClassifier(tol=1e-6).fit(X, lists))
                del os.environ["LASTLAYER_NUM_THREADS"]
                options = {"labels": "labels", "tol": 1e-6, "num_workers": 2, "cpus_per_worker": 1}
                _, model = timed(lambda path=path, options=options: lr.fit_labels(path, **options))
                one, other = model.optimum_, alone.optimum_
                difference = float(np.abs(model.coef_ - alone.coef_).max() / np.abs(alone.coef_).max())
                more = one.seconds / other.seconds - 1
                results.append({"size": size, "seconds": one.seconds, "seconds_alone": other.seconds, "more": more})
                results[-1] |= {"difference": difference, "gap": one.gap, "gap_alone": other.gap}
                print(
                    f"{' x '.join(map(str, size)):>24} labels, 2 workers of 1: {one.seconds:7.2f} s, one process "
                    f"{other.seconds:7.2f} s ({more:+.0%}), difference {difference:.1e}",
                    flush=True,
                )
    ray.shutdown()
    print(f"{len(results)} pairs: median {np.median([run['more'] for run in results]):+.1%}")
    return {"labels": results}


def written_lists(folder, num_rows, num_features, num_labels):
    """A file of rows with lists of labels, and the rows."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((num_rows, num_features)).astype(np.float32)
    head = (rng.standard_normal((num_labels, num_features)) / np.sqrt(num_features) * 2).astype(np.float32)
    answers = X @ head.T + rng.logistic(size=(num_rows, num_labels)).astype(np.float32) > 3
    lists, path = [np.flatnonzero(row).tolist() for row in answers], folder / f"lists-{num_rows}.parquet"
    pl.DataFrame({"x": pl.Series(X), "labels": lists}).write_parquet(path, row_group_size=16_384)
    return path, X, lists


def median_of(runs):
    """What pairs of a kind say together, as a dict; a line is printed."""
    more = [run["seconds"] / run["seconds_alone"] - 1 for run in runs]
    shares = {name: np.median([run[name] / run["seconds"] for run in runs]) for name in ("not_computing", "unequal")}
    print(
        f"{runs[0]['workers']} workers, {len(runs)} pairs: median {np.median(more):+.1%}, half of them "
        f"{np.quantile(more, 0.25):+.1%} to {np.quantile(more, 0.75):+.1%}; of the time on Ray "
        f"{shares['not_computing']:.1%} not computing, {shares['unequal']:.1%} by unequal work"
    )
    return {"runs": runs, "median": float(np.median(more)), **shares}


def measure_kills(quick):
    """How many fits are right after a kill -9, as a dict; every fit is printed."""
    import ray

    random = np.random.default_rng(int(time.time()))
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        paths, X, y = written(Path(folder), 60_000, 64, 20, np.float64)
        alone = ll.SoftmaxClassifier(tol=1e-8).fit(X, y)

        def right(coef):
            return bool(np.abs(coef - alone.coef_).max() <= 1e-7 * np.abs(alone.coef_).max())

        ray.init(address="local", num_cpus=3, **_QUIET)
        whole, model = timed(lambda: fit(paths, tol=1e-8, num_workers=2))
        search = model.optimum_.seconds
        results["worker"] = []
        while len(results["worker"]) < (4 if quick else 20):
            # Half of them while the search runs, the others at any moment.
            seen, searching = [], len(results["worker"]) % 2 == 1
            killer = Killer(seen, searching, random.uniform(0.0, search if searching else whole))
            with watched(seen), killer:
                whole, model = timed(lambda: fit(paths, tol=1e-8, num_workers=2))
            if killer.killed is None:
                continue
            run = {"searching": searching, "after": killer.after, "replaced": seen[0].replaced}
            results["worker"].append({**run, "right": right(model.coef_)})
            print("worker:", results["worker"][-1], flush=True)
        address = ray.get_runtime_context().gcs_address
        results["driver"] = []
        for number in range(2 if quick else 10):
            killed, coef = killed_driver(Path(folder), paths, address, number, random)
            results["driver"].append({"killed": killed, "right": right(coef)})
            print("driver:", results["driver"][-1], flush=True)
        ray.shutdown()
        results["node"] = [lost_node(paths, right) for _ in range(1 if quick else 2)]
    for what, runs in results.items():
        print(f"{what}: {sum(run['right'] for run in runs)} of {len(runs)} right")
    return results


def killed_driver(folder, paths, address, number, random):
    """Whether a driver was killed after its first checkpoint, before its end, and the head of one that goes on."""
    checkpoint, model = folder / f"checkpoint-{number}", folder / f"model-{number}.safetensors"
    command = [sys.executable, "-c", _DRIVER, *map(str, paths), str(checkpoint), str(model), address]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    driver = subprocess.Popen(command, **quiet)
    while not checkpoint.exists() and driver.poll() is None:
        time.sleep(0.001)
    time.sleep(random.uniform(0.0, 0.3))
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    killed = not model.exists()
    model.unlink(missing_ok=True)
    subprocess.run(command, check=True, **quiet)
    return killed, ll.load(model).coef_


_DRIVER = """
import sys
import lastlayer.ray as lr
if __name__ == "__main__":
    *data, checkpoint, model, address = sys.argv[1:]
    options = {"num_workers": 1, "cpus_per_worker": 1, "checkpoint": checkpoint, "address": address}
    lr.fit(data, label="label", tol=1e-8, **options).save(model)
"""


def lost_node(paths, right):
    """A fit on a simulated cluster of three nodes that loses one, as a dict."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    seen = []

    def lose():
        while not (seen and seen[0].traffic.get("step")):
            time.sleep(0.01)
        cluster.remove_node(nodes[0], allow_graceful=False)

    loser = threading.Thread(target=lose)
    loser.start()
    with watched(seen):
        seconds, model = timed(lambda: fit(paths, tol=1e-8, address=cluster.address))
    loser.join()
    cluster.shutdown()
    run = {"seconds": seconds, "replaced": seen[0].replaced, "right": right(model.coef_)}
    print("node:", run, flush=True)
    return run


class Killer:
    """Within: some seconds after a fit, or its search, has begun, one of its workers is killed, chosen by chance."""

    def __init__(self, seen, searching, after):
        self._seen, self._searching, self.after, self.killed = seen, searching, after, None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *failure):
        self._over.set()
        self._thread.join()

    def _run(self):
        while self._searching and not (self._seen and self._seen[0].traffic) and not self._over.wait(0.005):
            pass
        if not self._over.wait(self.after):
            self._kill()

    def _kill(self):
        workers = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_worker_of_ours(pid)]
        if workers:
            self.killed = int(np.random.default_rng().choice(workers))
            os.kill(self.killed, signal.SIGKILL)


def _is_worker_of_ours(pid):
    try:
        if not Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::ShardWorker"):
            return False
        while pid > 1 and pid != os.getpid():
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return False
    return pid == os.getpid()


@contextmanager
def watched(seen):
    """Within: the Workers of every fit are appended to `seen`."""
    from lastlayer.ray import fit_workers as module

    original = module.started_workers

    @contextmanager
    def started_workers(*arguments):
        with original(*arguments) as workers:
            seen.append(workers)
            yield workers

    module.started_workers = started_workers
    try:
        yield
    finally:
        module.started_workers = original


def fit(paths, **options):
    import lastlayer.ray as lr

    return lr.fit(paths, label="label", **{"cpus_per_worker": 1, **options})


def timed(function):
    """Seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = function()
    return time.perf_counter() - start, result

"""Features on a disk against features in memory: seconds of a fit once they are there, peak memory of a command.

Peak memory is what a process holds itself (RssAnon of Linux), without pages of files, which the system takes back as it
needs them. Each figure is of a process of its own; the fits alternate, and the ratio is that of the medians.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.floors import measured_floors

_CLASSES, _PIECE = 20, 250_000
# A fit of features that are there: in memory, or mapped within an allowance of half of them.
_FIT = """
import json, sys, time
import numpy as np
import lastlayer as ll
from lastlayer._memory import memory_allowance
path, dtype, rows, columns, allowed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
X = np.memmap(path, dtype, "r", shape=(rows, columns))
y = np.load(path.replace(dtype, "labels") + ".npy")
ll.SoftmaxClassifier().fit(X[:5000], y[:5000])
if allowed == float("inf"):
    X = np.array(X)
else:
    for first in range(0, rows, 100_000):  # what has just been spooled is in the system's pages
        X[first : first + 100_000].max()
start = time.perf_counter()
with memory_allowance(allowed):
    optimum = ll.SoftmaxClassifier().fit(X, y).optimum_
print(json.dumps([time.perf_counter() - start, optimum.iterations, optimum.objective, optimum.gap]))
"""


def measure(*, quick, large):
    rows, columns = (10_000_000, 64) if large else (200_000, 64) if quick else (5_000_000, 128)
    floors = measured_floors()
    with tempfile.TemporaryDirectory() as folder:
        files = _write(Path(folder), rows, columns)
        bytes_of_x = 4 * rows * columns
        print(f"{rows:,} x {columns} x {_CLASSES}, X in float32 {bytes_of_x / 1e9:.2f} GB", flush=True)
        results = [*_fits(Path(folder), rows, columns, rounds=1 if quick or large else 3)]
        results += [
            _command(files, Path(folder), name, ["--memory", memory, *more])
            for name, memory, more in (
                ("command in memory", "95%", []),
                ("command, X twice the memory", f"{bytes_of_x // 2}", []),
                ("the same, float16", f"{bytes_of_x // 2}", ["--spool-dtype", "float16"]),
            )
        ]
    return {"floors": floors, "rows": rows, "features": columns, "classes": _CLASSES, "results": results}


def _fits(folder, rows, columns, *, rounds):
    """Figures of fits of features that are there, and the ratios of their seconds to those in memory."""
    kinds = {
        "fit in memory": ("float32", "inf"),
        "fit of a spool": ("float32", str(2 * rows * columns)),
        "fit of a float16 spool": ("float16", str(2 * rows * columns)),
    }
    times, last = {name: [] for name in kinds}, {}
    for _ in range(rounds):
        for name, (dtype, allowed) in kinds.items():
            words = [str(folder / dtype), dtype, str(rows), str(columns), allowed]
            output, peak, _ = _watched([sys.executable, "-c", _FIT, *words])
            seconds, *known = json.loads(output)
            times[name].append(seconds)
            last[name] = {"iterations": known[0], "objective": known[1], "gap": known[2], "peak_bytes": peak}
    for name in kinds:
        seconds = statistics.median(times[name])
        ratio = seconds / statistics.median(times["fit in memory"])
        figures = last[name]
        print(
            f"{name:30} {seconds:7.1f} s ({ratio:.2f} of that in memory), {figures['iterations']} iterations, "
            f"{figures['peak_bytes'] / 1e9:.2f} GB at most, objective {figures['objective']:.6f}",
            flush=True,
        )
        yield {"name": name, "seconds": times[name], "ratio": ratio, **figures}


def _command(files, folder, name, options):
    """Figures of `lastlayer fit` from files to a calibrated model."""
    words = [sys.executable, "-m", "lastlayer", "fit", *map(str, files), "--json", "-o", str(folder / "m"), *options]
    output, peak, seconds = _watched(words)
    summary = json.loads(output)
    allowed = options[1]
    print(
        f"{name:30} {seconds:7.1f} s from files to the model, {summary['spooled_bytes'] / 1e9:.2f} GB spooled, "
        f"{peak / 1e9:.2f} GB at most"
        + (f" of {float(allowed) / 1e9:.2f} GB allowed" if allowed.isdigit() else "")
        + f", log-loss {summary['log_loss_after']:.6f}",
        flush=True,
    )
    return {"name": name, "options": options, "seconds": seconds, "peak_bytes": peak, "summary": summary}


def _watched(words):
    """What a command writes, the most bytes that it held, and its seconds."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start, peak = time.perf_counter(), 0
        process = subprocess.Popen(words, stdout=output, stderr=errors)
        while process.poll() is None:
            peak = max(peak, _held(process.pid))
            time.sleep(0.01)
        seconds = time.perf_counter() - start
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(errors.read().decode())
        output.seek(0)
        return output.read().decode(), peak, seconds


def _held(pid):
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def _write(folder, rows, columns):
    """The same rows as parquet files, as arrays of float32 and of float16, and the labels; returns the first."""
    import polars as pl

    rng = np.random.default_rng(0)
    weight = rng.standard_normal((columns, _CLASSES), dtype=np.float32) * np.float32(2.4 / columns**0.5)
    files, labels = [], []
    with (folder / "float32").open("wb") as wide, (folder / "float16").open("wb") as narrow:
        for start in range(0, rows, _PIECE):
            X = rng.standard_normal((min(_PIECE, rows - start), columns), dtype=np.float32)
            labels.append((X @ weight + rng.gumbel(size=(len(X), _CLASSES)).astype(np.float32)).argmax(axis=1))
            X.tofile(wide)
            X.astype(np.float16).tofile(narrow)
            files.append(folder / f"piece-{start:09}.parquet")
            embedding = pl.Series("embedding", X, dtype=pl.Array(pl.Float32, columns))
            pl.DataFrame([embedding, pl.Series("label", labels[-1])]).write_parquet(files[-1])
    np.save(folder / "labels.npy", np.concatenate(labels))
    return files

"""Rows of logits: softmax, log_softmax, cross-entropy and its gradient against torch and SciPy.

Everyone gets what their interface offers: an output array where there is one, all cores, logits that are warm. Torch's
gradient is its forward and backward pass. The floor of a function is a copy of the logits on all cores in the same
round, or for cross_entropy without gradient, which writes next to nothing, reading them once.
"""

import numpy as np
import scipy.special

import lastlayer as ll
from benchmarks.floors import copy, interleaved, measured_floors, medians, read
from benchmarks.peers import torch_functions
from benchmarks.sweep import DTYPES, measure_sweep

SHAPES = ((8192, 1000), (512, 32768), (64, 262_144), (16, 1_000_003), (1_000_000, 10))


def measure(*, quick, sweep=False, classes=None):
    """Measure every shape, or every count of classes, print a table, and return the figures."""
    if classes and not sweep:
        raise SystemExit("--classes: received without --sweep, which it belongs to.")
    if sweep:
        return measure_sweep(quick=quick, classes=classes)
    floors = measured_floors()
    print(
        f"copy {floors['copy_gigabytes_per_second']:.1f} GB/s, SGEMM {floors['sgemm_gigaflops']:.0f} GFLOP/s, "
        f"{floors['threads']} threads; medians of nanoseconds a logit, and how many times as long the peer takes\n"
    )
    print(f"{'':19}{'':9}{'':30}{'floor':>7}{'here':>7}{'of floor':>9}{'torch':>14}{'SciPy':>14}")
    results = []
    for num_rows, num_classes in SHAPES:
        for dtype in DTYPES:
            rows = max(2, num_rows // 8) if quick else num_rows
            for result in measure_shape(rows, num_classes, dtype, rounds=3 if quick else 15):
                results.append(result)
                print_line(result)
    return {"floors": floors, "rows": results}


def measure_shape(num_rows, num_classes, dtype, rounds):
    """The figures of each function for one shape and dtype: a list of dicts."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((num_rows, num_classes), dtype=dtype)
    labels = rng.integers(0, num_classes, num_rows)
    out = np.empty_like(logits)
    floor = {"copy": lambda: copy(logits, out), "read": lambda: read(logits)}
    theirs = torch_functions(logits, labels, out)
    functions = {
        "softmax": {
            "lastlayer": lambda: ll.softmax(logits, out=out),
            "scipy": lambda: scipy.special.softmax(logits, axis=-1),
        },
        "log_softmax": {
            "lastlayer": lambda: ll.log_softmax(logits, out=out),
            "scipy": lambda: scipy.special.log_softmax(logits, axis=-1),
        },
        "cross_entropy": {
            "lastlayer": lambda: ll.cross_entropy(logits, labels),
            "scipy": lambda: scipy.special.logsumexp(logits, axis=-1) - logits[np.arange(num_rows), labels],
        },
        "cross_entropy_value_and_grad": {
            "lastlayer": lambda: ll.cross_entropy_value_and_grad(logits, labels, out=out),
        },
    }
    results = []
    for name, ours in functions.items():
        floor_name = "read" if name == "cross_entropy" else "copy"
        contenders = {"floor": floor[floor_name], **ours, **({"torch": theirs[name]} if theirs else {})}
        seconds = interleaved(contenders, rounds)
        per_logit = {who: value / logits.size * 1e9 for who, value in medians(seconds).items()}
        results.append(
            {
                "rows": num_rows,
                "classes": num_classes,
                "dtype": np.dtype(dtype).name,
                "function": name,
                "nanoseconds_per_logit": per_logit,
                "fastest_nanoseconds_per_logit": {who: min(v) / logits.size * 1e9 for who, v in seconds.items()},
                "times_as_fast_as": {
                    who: value / per_logit["lastlayer"] for who, value in per_logit.items() if who in ("torch", "scipy")
                },
                "fraction_of_floor": per_logit["floor"] / per_logit["lastlayer"],
            }
        )
    return results


def print_line(result):
    """One line of the table."""
    times, ratios = result["nanoseconds_per_logit"], result["times_as_fast_as"]
    peers = "".join(
        f"{times[who]:7.2f} {ratios[who]:5.1f}x" if who in times else f"{'':14}" for who in ("torch", "scipy")
    )
    shape = f"{result['rows']} x {result['classes']}"
    print(
        f"{shape:19}{result['dtype']:9}{result['function']:30}{times['floor']:7.2f}{times['lastlayer']:7.2f}"
        f"{result['fraction_of_floor']:9.0%}{peers}",
        flush=True,
    )

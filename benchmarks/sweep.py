"""softmax and the gradient of cross-entropy over the number of classes, from 2 to 20,000, against torch.

Both write into an array that is there, on all cores; torch's gradient is its forward and backward pass, which allocates
what it needs. Most of the counts are on a logarithmic grid, and the others are such that nobody tunes for: primes,
multiples of 7 and powers of 10. Every pair is timed in turn, and every case that is lost stands in the summary.
"""

import math
import os

import numpy as np

import lastlayer as ll
from benchmarks.floors import interleaved, measured_floors, medians
from benchmarks.peers import torch_functions

DTYPES = (np.float32, np.float64)
# fmt: off
CLASSES = (
    2, 3, 5, 7, 10, 13, 16, 17, 23, 28, 37, 50, 64, 77, 95, 100, 128, 150, 200, 211, 300, 500, 777, 1000, 1500, 2500,
    5000, 10007, 20000,
)
# fmt: on
FUNCTIONS = ("softmax", "cross_entropy_value_and_grad")
LOGITS, FEWER_LOGITS = 8_000_000, 400_000
# Columns of a curve, and how far above the fastest round a median may be.
_COLUMNS, _UNSTEADY = 60, 1.5


def measure_sweep(*, quick, classes=None):
    """Measure every count of classes, print a table, the curves and a summary, and return the figures."""
    import torch

    floors, capability = measured_floors(), torch.backends.cpu.get_cpu_capability()
    total = FEWER_LOGITS if quick else LOGITS
    print(
        f"{total:,} logits, {floors['threads']} threads, torch with {capability}, Numba for "
        f"{os.environ.get('NUMBA_CPU_NAME', 'this processor')}; medians of nanoseconds a logit, and how many times as "
        "long torch takes\n"
    )
    heading = "".join(f"{name:>31}" for name in FUNCTIONS)
    print(f"{'':7}{'':9}{heading}\n{'classes':7}  {'':7}" + 2 * f"{'here':>15}{'torch':>8}{'ratio':>8}")
    results = []
    for dtype in DTYPES:
        for num_classes in classes or CLASSES:
            results.append(measure_count(num_classes, dtype, total, rounds=3 if quick else 11))
            print_line(results[-1])
    for name in FUNCTIONS:
        for dtype in DTYPES:
            print_curve(name, np.dtype(dtype).name, results)
    summary = summarise(results)
    print(f"{unsteady(results):.0%} of the medians are above {_UNSTEADY} times the fastest round: above a few percent")
    print("something was in the way, another process or threads that came late")
    return {"floors": floors, "torch_capability": capability, "sweep": results, "summary": summary}


def measure_count(num_classes, dtype, total, rounds):
    """The figures for one count of classes and dtype: a dict."""
    rng = np.random.default_rng(0)
    num_rows = max(2, total // num_classes)
    logits = rng.standard_normal((num_rows, num_classes), dtype=dtype)
    labels = rng.integers(0, num_classes, num_rows)
    out = np.empty_like(logits)
    theirs = torch_functions(logits, labels, out)
    ours = {
        "softmax": lambda: ll.softmax(logits, out=out),
        "cross_entropy_value_and_grad": lambda: ll.cross_entropy_value_and_grad(logits, labels, out=out),
    }
    nanoseconds, fastest = {}, {}
    for name in FUNCTIONS:
        seconds = interleaved({"lastlayer": ours[name], "torch": theirs[name]}, rounds)
        nanoseconds[name] = {who: value / logits.size * 1e9 for who, value in medians(seconds).items()}
        fastest[name] = {who: min(values) / logits.size * 1e9 for who, values in seconds.items()}
    return {
        "rows": num_rows,
        "classes": num_classes,
        "dtype": np.dtype(dtype).name,
        "nanoseconds_per_logit": nanoseconds,
        "fastest_nanoseconds_per_logit": fastest,
        "times_as_fast_as_torch": {name: each["torch"] / each["lastlayer"] for name, each in nanoseconds.items()},
    }


def unsteady(results):
    """The share of medians that are far above the fastest round of the same contender."""
    pairs = [
        (median, result["fastest_nanoseconds_per_logit"][name][who])
        for result in results
        for name in FUNCTIONS
        for who, median in result["nanoseconds_per_logit"][name].items()
    ]
    return sum(median > _UNSTEADY * fastest for median, fastest in pairs) / len(pairs)


def print_line(result):
    """One line of the table; an exclamation mark where torch is faster."""
    columns = ""
    for name in FUNCTIONS:
        times, ratio = result["nanoseconds_per_logit"][name], result["times_as_fast_as_torch"][name]
        columns += f"{times['lastlayer']:15.2f}{times['torch']:8.2f}{ratio:7.2f}{'!' if ratio < 1 else ' '}"
    print(f"{result['classes']:7}  {result['dtype']:7}{columns}", flush=True)


def print_curve(name, dtype, results):
    """Nanoseconds a logit over the classes, both contenders on one logarithmic scale."""
    chosen = [result for result in results if result["dtype"] == dtype]
    times = [result["nanoseconds_per_logit"][name] for result in chosen]
    least = min(min(each.values()) for each in times)
    most = max(max(each.values()) for each in times)

    def column(value):
        return round((_COLUMNS - 1) * math.log(value / least) / max(math.log(most / least), 1e-9))

    print(f"\n{name}, {dtype}: o lastlayer, x torch, * both; {least:.2f} to {most:.2f} nanoseconds a logit")
    for result, each in zip(chosen, times, strict=True):
        line = [" "] * _COLUMNS
        line[column(each["torch"])] = "x"
        line[column(each["lastlayer"])] = "o" if line[column(each["lastlayer"])] == " " else "*"
        print(f"{result['classes']:7} |{''.join(line)}|")


def summarise(results):
    """Of each function and dtype the geometric mean, the least ratio and the cases that torch wins."""
    summary = {}
    print()
    for name in FUNCTIONS:
        for dtype in DTYPES:
            of_dtype = np.dtype(dtype).name
            ratios = {r["classes"]: r["times_as_fast_as_torch"][name] for r in results if r["dtype"] == of_dtype}
            mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
            lost = {classes: ratio for classes, ratio in ratios.items() if ratio < 1}
            summary[f"{name} {of_dtype}"] = {"geometric_mean": mean, "least": min(ratios.values()), "lost": lost}
            where = ", ".join(f"{classes} ({ratio:.2f})" for classes, ratio in lost.items()) or "nowhere"
            print(f"{name}, {of_dtype}: geometric mean {mean:.2f}, least {min(ratios.values()):.2f}; slower at {where}")
    return summary

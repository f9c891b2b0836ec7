"""lastlayer.torch against torch.nn.functional, eager and compiled, on the CPU: forward, and forward with backward.

Logits are (N, K) with the classes last, and one batch of segmentation maps with the classes along dim 1. Backward
starts from a random upstream gradient, or for cross-entropy from the mean. Extra memory is the largest resident size
during one forward and backward pass, above what the process held before; the gradient itself counts for everyone.
"""

import math
import re
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

import lastlayer.torch as lt
from benchmarks.floors import interleaved, measured_floors, medians

SHAPES = ((8192, 1000), (512, 32768), (64, 262_144), (16, 1_000_003), (1_000_000, 10), (32, 21, 128, 128))
DTYPES = (torch.float32, torch.bfloat16)
FUNCTIONS = {
    "softmax": (lambda z, y: lt.softmax(z, 1), lambda z, y: F.softmax(z, 1)),
    "log_softmax": (lambda z, y: lt.log_softmax(z, 1), lambda z, y: F.log_softmax(z, 1)),
    "cross_entropy": (lambda z, y: lt.cross_entropy(z, y), lambda z, y: F.cross_entropy(z, y)),
}


def measure(*, quick):
    """Measure every shape, print a table, and return the figures."""
    floors = measured_floors()
    print(
        f"copy {floors['copy_gigabytes_per_second']:.1f} GB/s, {floors['threads']} threads; medians of nanoseconds a "
        "logit, how many times as long torch takes, and extra MB of forward and backward\n"
    )
    peers = f"{'eager':>14}{'compiled':>14}"
    print(f"{'':42}{'forward':>9}{peers}{'backward':>9}{peers}{'MB':>7}{'eager':>7}")
    results = []
    for shape in SHAPES:
        for dtype in DTYPES:
            for name in FUNCTIONS:
                small = (max(2, shape[0] // 8), *shape[1:]) if quick else shape
                results.append(measure_function(name, small, dtype, rounds=3 if quick else 11, compiled=not quick))
                print_line(results[-1])
    return {"floors": floors, "rows": results}


def measure_function(name, shape, dtype, rounds, *, compiled):
    """The figures of one function, shape and dtype: a dict."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).to(dtype)
    labels = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    upstream = torch.randn(shape, generator=generator).to(dtype) if name != "cross_entropy" else None
    ours, theirs = FUNCTIONS[name]
    contenders = {"lastlayer": ours, "eager": theirs}
    if compiled:
        torch._dynamo.reset()
        contenders["compiled"] = torch.compile(theirs, dynamic=False)
    per_logit = {}
    for passes, run in (("forward", forward), ("backward", forward_and_backward)):
        timed = {who: run(function, logits, labels, upstream) for who, function in contenders.items()}
        per_logit[passes] = {
            who: seconds / logits.numel() * 1e9 for who, seconds in medians(interleaved(timed, rounds)).items()
        }
    return {
        "function": name,
        "shape": list(shape),
        "dtype": str(dtype).removeprefix("torch."),
        "nanoseconds_per_logit": per_logit,
        "times_as_fast_as": {
            passes: {who: value / times["lastlayer"] for who, value in times.items() if who != "lastlayer"}
            for passes, times in per_logit.items()
        },
        "extra_megabytes": {
            who: extra_megabytes(forward_and_backward(function, logits, labels, upstream))
            for who, function in contenders.items()
            if who != "compiled"
        },
    }


def forward(function, logits, labels, upstream):
    def run():
        with torch.no_grad():
            function(logits, labels)

    return run


def forward_and_backward(function, logits, labels, upstream):
    leaf = logits.detach().requires_grad_()

    def run():
        leaf.grad = None
        function(leaf, labels).backward(upstream)

    return run


def extra_megabytes(run):
    """The largest resident size while `run` runs, above the one before; NaN where the system does not tell."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        before = _resident("VmRSS")
        run()
        return (_resident("VmHWM") - before) / 1e6
    except OSError:
        return math.nan


def _resident(field):
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def print_line(result):
    """One line of the table."""
    shape = " x ".join(map(str, result["shape"]))
    columns = ""
    for passes in ("forward", "backward"):
        times, ratios = result["nanoseconds_per_logit"][passes], result["times_as_fast_as"][passes]
        columns += f"{times['lastlayer']:9.2f}"
        for who in ("eager", "compiled"):
            columns += f"{times[who]:7.2f} {ratios[who]:5.2f}x" if who in times else f"{'':14}"
    extra = result["extra_megabytes"]
    print(
        f"{shape:20}{result['dtype']:9}{result['function']:14}{columns}{extra['lastlayer']:7.0f}{extra['eager']:7.0f}",
        flush=True,
    )

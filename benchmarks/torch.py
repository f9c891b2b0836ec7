"""lastlayer.torch against torch.nn.functional on the CPU; no call takes over 1.1 times PyTorch's and 3 microseconds.

`--window` measures instead where the compiled kernels win, and writes the table that they are chosen by; see
benchmarks/windows.py. Backward starts from a random upstream gradient, or for losses from their mean.
"""

import statistics
import time

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

import lastlayer.torch as lt
from benchmarks import windows

FUNCTIONS = {
    "softmax": (lambda z, y, d: lt.softmax(z, d), lambda z, y, d: F.softmax(z, d)),
    "log_softmax": (lambda z, y, d: lt.log_softmax(z, d), lambda z, y, d: F.log_softmax(z, d)),
    "cross_entropy": (lambda z, y, d: lt.cross_entropy(z, y), lambda z, y, d: F.cross_entropy(z, y)),
    "cross_entropy, smoothed": (
        lambda z, y, d: lt.cross_entropy(z, y, label_smoothing=0.1),
        lambda z, y, d: F.cross_entropy(z, y, label_smoothing=0.1),
    ),
    "binary_cross_entropy": (
        lambda z, y, d: lt.binary_cross_entropy_with_logits(z, (z > 0).to(z.dtype)),
        lambda z, y, d: F.binary_cross_entropy_with_logits(z, (z > 0).to(z.dtype)),
    ),
}
CLASSES = (2, 3, 5, 10, 16, 37, 100, 150, 300, 1000, 4096, 32768)
# Logits and the dimension of the classes: small batches, attention, images, and many logits of every width.
SHAPES = (
    ((32, 10), 1),
    ((256, 10), 1),
    ((4, 8, 64, 64), -1),
    ((16, 3, 64, 64), 1),
    *(((max(1, size // classes), classes), 1) for size in (200_000, 5_000_000) for classes in CLASSES),
)
_FACTOR, _SECONDS = 1.1, 3e-6


def measure(*, quick, window=False):
    """Measure every call, print a table with those that break the promise marked, and return the figures."""
    if window:
        return windows.measure(quick=quick)
    print(
        "medians of microseconds, lastlayer and PyTorch, and how many times as long PyTorch takes; ! breaks the promise"
    )
    print(f"\n{'':22}{'':26}{'forward':>28}{'forward and backward':>30}")
    results = []
    for shape, dim in SHAPES[: 8 if quick else None]:
        for name in FUNCTIONS:
            if not (name.startswith("cross") and dim == -1):
                results.append(measure_call(name, shape, dim, rounds=5 if quick else 15))
                print_line(results[-1])
    broken = sum(not passes["holds"] for result in results for passes in result["passes"].values())
    print(f"\n{broken} of {2 * len(results)} break the promise")
    return {"rows": results, "broken": broken}


def measure_call(name, shape, dim, rounds):
    """The figures of one function and shape: a dict."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator)
    labels = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    upstream = torch.randn(shape, generator=generator) if "softmax" in name else None
    passes = {}
    for which, run in (("forward", forward), ("backward", forward_and_backward)):
        ours, theirs = timed([run(function, logits, labels, dim, upstream) for function in FUNCTIONS[name]], rounds)
        holds = ours <= _FACTOR * theirs + _SECONDS
        passes[which] = {"lastlayer": ours, "torch": theirs, "times": theirs / ours, "holds": holds}
    return {"function": name, "shape": list(shape), "dim": dim, "passes": passes}


def timed(calls, rounds, least=2e-3):
    """The median seconds of each call, in turn and back, since memory that another call has left is quicker.

    A call that is short is repeated until `least` seconds are over.
    """
    repeats = []
    for call in calls:
        call()
        start = time.perf_counter()
        call()
        repeats.append(max(1, round(least / (time.perf_counter() - start))))
    seconds = [[] for _ in calls]
    each = list(zip(calls, repeats, seconds, strict=True))
    for number in range(rounds):
        for call, times, found in each if number % 2 else reversed(each):
            start = time.perf_counter()
            for _ in range(times):
                call()
            found.append((time.perf_counter() - start) / times)
    return [statistics.median(found) for found in seconds]


def forward(function, logits, labels, dim, upstream):
    return lambda: function(logits, labels, dim)


def forward_and_backward(function, logits, labels, dim, upstream):
    leaf = logits.detach().requires_grad_()

    def run():
        leaf.grad = None
        function(leaf, labels, dim).backward(upstream)

    return run


def print_line(result):
    """One line of the table."""
    columns = ""
    for passes in result["passes"].values():
        times = f"{passes['lastlayer'] * 1e6:12.1f}{passes['torch'] * 1e6:10.1f}"
        columns += f"{times}{passes['times']:6.2f}{' ' if passes['holds'] else '!'}"
    shape = " x ".join(map(str, result["shape"]))
    print(f"{shape:22}{result['function']:26}{columns}", flush=True)

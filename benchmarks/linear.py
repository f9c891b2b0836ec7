"""linear_cross_entropy, forward and backward, against torch's plain and chunked paths, and what stands on its tiles.

Torch's chunked path is taken at the best of several chunk sizes. The floor is 6 N D K operations at the rate of the
machine's own matrix product: three products, none of them twice. `--top-k` measures predict_top_k of many classes
against its one product, `--fit` an exact fit of 10,000 classes against its own.
"""

import gc
import statistics
import time
import tracemalloc

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

import lastlayer as ll
import lastlayer.torch as lt
from benchmarks.floors import interleaved, measured_floors, medians
from lastlayer.decision import linear_top_k

# Rows, features, classes: the sizes of the claim, and others that nobody tuned for.
CLAIMED = ((1024, 128, 200_000), (4096, 256, 50_000), (256, 64, 1_000_000), (8192, 768, 10_000), (20_000, 384, 150))
OTHERS = (
    (32, 64, 10),
    (100, 37, 1000),
    (1000, 100, 1000),
    (5000, 64, 10),
    (100_000, 32, 37),
    (513, 129, 5003),
    (64, 768, 50_257),
    (2048, 1024, 32_000),
    (7, 300, 300_007),
    (16, 2048, 128_256),
)
QUICK = ((256, 64, 20_000), (2000, 128, 150), (100, 37, 1000))
CHUNKS = (64, 256, 1024, 4096)


def measure(*, quick, top_k=False, fit=False):
    """Measure, print a table, and return the figures."""
    floors = measured_floors()
    print(f"SGEMM {floors['sgemm_gigaflops']:.0f} GFLOP/s, {floors['threads']} threads\n")
    if top_k:
        return {"floors": floors, "top_k": measured_top_k(quick)}
    if fit:
        return {"floors": floors, "fit": measured_fit(quick)}
    print("milliseconds forward and backward; times the best of torch takes; share of SGEMM; MB beyond gradients")
    columns = ("NumPy", "torch", "plain", "chunked")
    print(f"{'N x D x K':>22}{''.join(f'{name:>10}' for name in columns)}{'chunk':>7}{'ratio':>8}{'share':>8}{'MB':>6}")
    results = []
    for shape in QUICK if quick else (*CLAIMED, *OTHERS):
        results.append(measured_step(shape, rounds=2 if quick else 3))
        print_step(results[-1])
    return {"floors": floors, "steps": results}


def measured_step(shape, rounds):
    """The seconds of one size, of ours and of torch's, and our rate as a share of the SGEMM rate of the same rounds."""
    num_rows, num_features, num_classes = shape
    rng = np.random.default_rng(0)
    features = rng.standard_normal((num_rows, num_features), np.float32)
    weight = rng.standard_normal((num_classes, num_features), np.float32) * np.float32(2 / num_features**0.5)
    labels = rng.integers(0, num_classes, num_rows)
    tensors = [torch.from_numpy(array) for array in (features, weight, labels)]
    x, w = (tensor.clone().requires_grad_() for tensor in tensors[:2])
    scale = np.full(num_rows, 1 / num_rows)

    def of_torch(function, **options):
        def step():
            x.grad = w.grad = None
            function(x, w, tensors[2], **options).backward()

        return step

    contenders = {
        "lastlayer": lambda: ll.linear_cross_entropy_value_and_grad(features, weight, labels, sample_weight=scale),
        "lastlayer.torch": of_torch(lt.linear_cross_entropy),
        "plain": of_torch(F.linear_cross_entropy),
    }
    for chunk in CHUNKS:
        if chunk == CHUNKS[0] or chunk <= num_rows:
            options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=min(chunk, num_rows))
            contenders[f"chunks of {chunk}"] = of_torch(F.linear_cross_entropy, options=options)
    left = np.ones((2048, 2048), np.float32)
    product = np.empty_like(left)
    contenders["sgemm"] = lambda: np.matmul(left, left, out=product)
    one = time.perf_counter()
    contenders["plain"]()
    one = time.perf_counter() - one
    seconds = interleaved(contenders, max(rounds, min(200, int(0.3 / one))))
    middle = medians(seconds)
    chunked = min((name for name in middle if name.startswith("chunks")), key=middle.get)
    best = min(middle["plain"], middle[chunked])
    ours = min(middle["lastlayer"], middle["lastlayer.torch"])
    rate = 6 * num_rows * num_features * num_classes / ours
    return {
        "shape": shape,
        "seconds": middle,
        "fastest": {name: min(values) for name, values in seconds.items()},
        "best_chunk": chunked,
        "times_as_fast_as_torch": best / middle["lastlayer.torch"],
        "share_of_sgemm": rate / (2 * 2048**3 / middle["sgemm"]),
        "megabytes_beyond_gradients": megabytes(features, weight, labels),
    }


def megabytes(features, weight, labels):
    """The most memory, beside arguments and gradients, that a step takes."""
    gc.collect()
    tracemalloc.start()
    result = ll.linear_cross_entropy_value_and_grad(features, weight, labels)
    peak = tracemalloc.get_traced_memory()[1] - result.weight.nbytes - result.features.nbytes
    tracemalloc.stop()
    return peak / (1 << 20)


def print_step(result):
    """One line; where torch is faster, it is marked."""
    ms = {name: 1e3 * value for name, value in result["seconds"].items()}
    mark = "" if result["times_as_fast_as_torch"] >= 1 else " !"
    print(
        f"{' x '.join(map(str, result['shape'])):>22}{ms['lastlayer']:10.2f}{ms['lastlayer.torch']:10.2f}"
        f"{ms['plain']:10.2f}{ms[result['best_chunk']]:10.2f}{result['best_chunk'].split()[-1]:>7}"
        f"{result['times_as_fast_as_torch']:8.2f}{result['share_of_sgemm']:8.2f}"
        f"{result['megabytes_beyond_gradients']:6.0f}{mark}",
        flush=True,
    )


def measured_top_k(quick):
    """linear_top_k against its one product: seconds, the share of the SGEMM rate, and its memory."""
    num_rows, num_features, num_classes = (500, 64, 50_000) if quick else (10_000, 128, 1_000_000)
    rng = np.random.default_rng(0)
    features = rng.standard_normal((num_rows, num_features), np.float32)
    weight = rng.standard_normal((num_classes, num_features), np.float32)
    linear_top_k(features[:10], weight[:100], 10)
    seconds, rates = [], []
    for _ in range(3):
        start = time.perf_counter()
        linear_top_k(features, weight, 10)
        seconds.append(time.perf_counter() - start)
        rates.append(measured_floors()["sgemm_gigaflops"])
    tracemalloc.start()
    linear_top_k(features[: num_rows // 5], weight, 10)
    peak = tracemalloc.get_traced_memory()[1] / (1 << 20)
    tracemalloc.stop()
    middle = statistics.median(seconds)
    rate = 2e-9 * num_rows * num_features * num_classes / middle
    result = {
        "shape": [num_rows, num_features, num_classes],
        "k": 10,
        "seconds": seconds,
        "share_of_sgemm": rate / statistics.median(rates),
        "megabytes": peak,
    }
    print(f"top 10 of {num_classes:,} classes for {num_rows:,} rows of {num_features}: {middle:.2f} s, ", end="")
    print(f"{result['share_of_sgemm']:.2f} of SGEMM at {statistics.median(rates):.0f} GFLOP/s, {peak:.0f} MB")
    return result


def measured_fit(quick):
    """An exact fit against its own products, two an iteration."""
    num_rows, num_features, num_classes = (10_000, 64, 1000) if quick else (100_000, 128, 10_000)
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((num_classes, num_features), np.float32)
    labels = rng.integers(0, num_classes, num_rows)
    features = (0.3 * centres[labels] + rng.standard_normal((num_rows, num_features), np.float32)).astype(np.float32)
    start = time.perf_counter()
    head = ll.SoftmaxClassifier().fit(features, labels)
    seconds = time.perf_counter() - start
    rate = statistics.median(measured_floors()["sgemm_gigaflops"] for _ in range(3))
    iterations = int(head.n_iter_[0])
    least = 4e-9 * num_rows * num_features * num_classes * iterations / rate
    print(
        f"fit of {num_rows} x {num_features} x {num_classes}: {seconds:.1f} s, {iterations} iterations, {head.optimum_}"
    )
    print(f"their products at SGEMM {rate:.0f} GFLOP/s: {least:.1f} s; {seconds / least:.2f} times as long")
    return {
        "shape": [num_rows, num_features, num_classes],
        "seconds": seconds,
        "iterations": iterations,
        "times_its_products": seconds / least,
        "gap": head.optimum_.gap,
        "objective": head.optimum_.objective,
        "stopped": head.optimum_.stopped,
    }

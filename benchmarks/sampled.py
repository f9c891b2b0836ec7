"""Candidate sampling: what a step costs as classes climb, what drawing costs, and how biased the gradient is at each S.

A step is a draw of candidates and the loss with its gradients; its floor is 6 N D S operations at the rate of the
machine's own matrix product. The bias is that of the gradient of the weights, relative to the gradient of the full
softmax, for a head whose logits have a standard deviation of 2, with its 95 % interval.
"""

import numpy as np

import lastlayer as ll
from benchmarks.floors import interleaved, measured_floors, medians

# Of draws, for the interval of the bias.
_GROUPS = 20
CLASSES = (10_000, 1_000_000)
STEPS = {
    "sampled_cross_entropy": ll.sampled_cross_entropy_value_and_grad,
    "sampled_binary_cross_entropy": ll.sampled_binary_cross_entropy_value_and_grad,
}
# Forward and backward of the module with sparse gradients, where PyTorch is installed.
MODULE = "SampledLinearCrossEntropyLoss"


def measure(*, quick):
    """Measure, print three tables, and return the figures."""
    floors = measured_floors()
    print(f"SGEMM {floors['sgemm_gigaflops']:.0f} GFLOP/s, {floors['threads']} threads\n")
    return {
        "floors": floors,
        "steps": measured_steps(floors, rounds=3 if quick else 15),
        "draws": measured_draws(1_000_000 if quick else 10_000_000, rounds=5 if quick else 25),
        "bias": measured_bias(2000, draws=100 if quick else 400),
    }


def measured_steps(floors, rounds, num_rows=1024, num_features=128, num_candidates=8192):
    """Milliseconds of a step for each number of classes, all of them interleaved, and their ratio."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((num_rows, num_features), dtype=np.float32)
    steps, results = {}, []
    for num_classes in CLASSES:
        weight = rng.standard_normal((num_classes, num_features), dtype=np.float32) / num_features**0.5
        labels, sampler = rng.integers(0, num_classes, num_rows), ll.samplers.Uniform(num_classes, random_state=0)
        for name, function in STEPS.items():
            steps[name, num_classes] = lambda f=function, w=weight, y=labels, s=sampler: f(
                features, w, y, s.sample(num_candidates)
            )
        step = step_of_module(features, weight, labels, num_candidates)
        if step is not None:
            steps[MODULE, num_classes] = step
    seconds = interleaved(steps, rounds)
    middle = medians(seconds)
    least = 6e-9 * num_rows * num_features * num_candidates / floors["sgemm_gigaflops"]
    print(f"a step, N = {num_rows}, D = {num_features}, S = {num_candidates}: milliseconds")
    print(f"{'':34}{'matrix products':>16}" + "".join(f"{f'K = {k:,}':>16}" for k in CLASSES) + f"{'ratio':>8}")
    for name in dict.fromkeys(name for name, _ in steps):
        times = [middle[name, num_classes] for num_classes in CLASSES]
        shown = "".join(f"{1e3 * time:16.1f}" for time in times)
        print(f"{name:34}{1e3 * least:16.1f}{shown}{times[-1] / times[0]:8.2f}", flush=True)
        results.append(
            {
                "function": name,
                "rows": num_rows,
                "features": num_features,
                "candidates": num_candidates,
                "seconds": {str(k): time for k, time in zip(CLASSES, times, strict=True)},
                "fastest_seconds": {str(k): min(seconds[name, k]) for k in CLASSES},
                "seconds_of_matrix_products": least,
                "ratio": times[-1] / times[0],
            }
        )
    return results


def step_of_module(features, weight, labels, num_candidates):
    """A function that runs the module forward and backward; None without PyTorch."""
    try:
        import torch
    except ModuleNotFoundError:
        return None
    import lastlayer.torch as lt

    (num_classes, num_features), sampler = weight.shape, ll.samplers.Uniform(len(weight), random_state=0)
    head = lt.SampledLinearCrossEntropyLoss(
        num_features, num_classes, num_candidates=num_candidates, sampler=sampler, sparse=True, device="meta"
    )
    head.linear.weight = torch.nn.Parameter(torch.from_numpy(weight))
    input, target = torch.from_numpy(features.copy()).requires_grad_(), torch.from_numpy(labels)

    def step():
        input.grad = head.linear.weight.grad = None
        head(input, target).backward()

    return step


def measured_draws(num_classes, rounds, num_candidates=8192):
    """Milliseconds of a draw by each sampler."""
    counts = np.exp(2 * np.random.default_rng(0).standard_normal(num_classes))
    samplers = {}
    for distinct in (True, False):
        options = {"distinct": distinct, "random_state": 0}
        for sampler in (
            ll.samplers.Uniform(num_classes, **options),
            ll.samplers.LogUniform(num_classes, **options),
            ll.samplers.Unigram(counts, **options),
        ):
            samplers[type(sampler).__name__, distinct] = sampler
    seconds = interleaved({key: lambda s=s: s.sample(num_candidates) for key, s in samplers.items()}, rounds)
    print(f"\ndrawing {num_candidates} of {num_classes:,} classes: milliseconds, median and fastest")
    results = []
    for (name, distinct), values in seconds.items():
        middle, fastest = float(np.median(values)), min(values)
        print(
            f"{name:12}{'distinct' if distinct else 'repeated':12}{1e3 * middle:8.2f}{1e3 * fastest:8.2f}", flush=True
        )
        results.append(
            {
                "sampler": name,
                "distinct": distinct,
                "classes": num_classes,
                "candidates": num_candidates,
                "seconds": middle,
                "fastest_seconds": fastest,
            }
        )
    return results


def measured_bias(num_classes, draws, num_rows=64, num_features=32):
    """The bias of the weights' gradient at each S, relative to the full one, with its interval, for each sampler."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((num_rows, num_features))
    weight = 2 * rng.standard_normal((num_classes, num_features)) / num_features**0.5
    frequencies = 1.0 / np.arange(1, num_classes + 1)
    labels = rng.choice(num_classes, num_rows, p=frequencies / frequencies.sum())
    full = ll.cross_entropy_value_and_grad(features @ weight.T, labels).gradient.T @ features
    samplers = {
        "Uniform": ll.samplers.Uniform(num_classes, random_state=0),
        "LogUniform": ll.samplers.LogUniform(num_classes, random_state=0),
        "Unigram": ll.samplers.Unigram(frequencies, random_state=0),
    }
    print(f"\nbias of the gradient of (K = {num_classes}, D = {num_features}) weights, N = {num_rows}, in % of it")
    print(f"{'S':>6}" + "".join(f"{name:>20}" for name in samplers))
    results = []
    for num_candidates in (16, 64, 256, 1024):
        line = f"{num_candidates:6}"
        for name, sampler in samplers.items():
            bias, interval = bias_of(features, weight, labels, sampler, num_candidates, full, draws)
            line += f"{f'{100 * bias:.2f} +- {100 * interval:.2f}':>20}"
            results.append(
                {"sampler": name, "candidates": num_candidates, "bias": bias, "interval": interval, "draws": draws}
            )
        print(line, flush=True)
    return results


def bias_of(features, weight, labels, sampler, num_candidates, full, draws):
    """The norm of the mean error over that of the full gradient, and the half-width of its 95 % interval.

    The mean of the products of means of different groups of draws is the squared norm of the bias, to which chance adds
    nothing on average; its deviation is that of the jackknife over groups.
    """
    means = np.zeros((_GROUPS, full.size))
    for i in range(draws):
        found = ll.sampled_cross_entropy_value_and_grad(features, weight, labels, sampler.sample(num_candidates)).weight
        means[i % _GROUPS] += (found.to_dense(len(weight)) - full).reshape(-1)
    means *= _GROUPS / draws / np.linalg.norm(full)
    products = means @ means.T
    np.fill_diagonal(products, 0.0)
    of_groups, total = products.sum(1), products.sum()
    squared = total / (_GROUPS * (_GROUPS - 1))
    without = (total - 2 * of_groups) / ((_GROUPS - 1) * (_GROUPS - 2))
    deviation = np.sqrt((_GROUPS - 1) * without.var())
    bias = np.sqrt(max(0.0, squared))
    return float(bias), float(np.sqrt(max(0.0, squared + 1.96 * deviation)) - bias)

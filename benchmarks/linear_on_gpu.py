"""linear_cross_entropy against PyTorch's on a GPU: `python -m benchmarks.linear_on_gpu [--json FILE]`, in 3 minutes.

Forward and backward of the mean loss in bfloat16: medians of interleaved rounds, and the most memory that was allocated
beyond features and weights (so gradients are part of it: K D + N D numbers). What the products alone would take is
measured in the same run, and losses and gradients are held against float64.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

import lastlayer.torch as lt
from lastlayer.torch import _tiles

SIZES = ("4096x1024x32000", "8192x2304x256000")
MEGABYTE = 1 << 20


def variants(compiled):
    """What is measured: name -> loss of (features, weight, labels)."""
    function, tiles = lt.linear_cross_entropy, _tiles

    def with_scratch(megabytes):
        scratch = tiles.Scratch(elsewhere=megabytes * MEGABYTE)

        def run(x, w, y):
            before, tiles.SCRATCH = tiles.SCRATCH, scratch
            try:
                loss = function(x, w, y)
                loss.backward()
            finally:
                tiles.SCRATCH = before
            return loss

        return run

    def backward_of(loss_of):
        def run(x, w, y):
            loss = loss_of(x, w, y)
            loss.backward()
            return loss

        return run

    found = {"lastlayer": backward_of(function)}
    found.update({f"lastlayer, {megabytes} MB of scratch": with_scratch(megabytes) for megabytes in (128, 256, 1024)})
    theirs = getattr(F, "linear_cross_entropy", None)
    plain = theirs or (lambda x, w, y: F.cross_entropy(F.linear(x, w), y))
    found["torch plain" if theirs else "torch linear and cross_entropy"] = backward_of(plain)
    if theirs is not None:
        options = torch.nn.LinearCrossEntropyOptions
        found["torch chunked, default"] = backward_of(lambda x, w, y: theirs(x, w, y, options=options()))
        for chunk in (512, 2048):
            chosen = options(batch_chunk_size=chunk, chunking_method=None)
            found[f"torch chunked, {chunk} rows"] = backward_of(lambda x, w, y, o=chosen: theirs(x, w, y, options=o))
    if compiled:
        found["lastlayer, compiled"] = backward_of(torch.compile(function))
        found["torch plain, compiled"] = backward_of(torch.compile(plain))
    return found


def measure(size, device, rounds, seconds, compiled):
    """The figures of one size: a dict."""
    num_rows, num_features, num_classes = map(int, size.split("x"))
    generator = torch.Generator(device).manual_seed(0)
    make = {"device": device, "generator": generator}
    x = torch.randn(num_rows, num_features, dtype=torch.bfloat16, **make).requires_grad_()
    w = torch.empty(num_classes, num_features, dtype=torch.bfloat16, device=device)
    w.normal_(0.0, num_features**-0.5, generator=generator).requires_grad_()
    y = torch.randint(num_classes, (num_rows,), **make)
    y_kept = y.clone()
    results, runs = {}, {}
    reference = exact(x, w, y)
    for name, run in variants(compiled).items():
        x.grad = w.grad = None
        before = start_memory(device)
        try:
            loss = run(x, w, y)  # warm, and its memory
            memory = memory_since(device, before)
            errors = against(reference, loss.detach(), x, w)
        except Exception as failure:  # out of memory, or what this PyTorch has not: said in the table
            results[name] = {"failed": f"{type(failure).__name__}: {str(failure).splitlines()[0][:150]}"}
        else:
            results[name], runs[name] = {"memory_mb": memory, **errors}, run
        x.grad = w.grad = None
        if device == "cuda":
            torch.cuda.empty_cache()
    times, end = {name: [] for name in runs}, time.perf_counter() + seconds
    for number in range(rounds):
        for name, run in runs.items():
            x.grad = w.grad = None
            times[name].append(timed(lambda run=run: run(x, w, y), device))
        if number and time.perf_counter() > end:
            break
    for name, found in times.items():
        results[name].update(ms=statistics.median(found) * 1e3, all_ms=[round(t * 1e3, 2) for t in found])
    assert torch.equal(y, y_kept)
    product = product_rate(x, w, device)
    floor = 2 * num_rows * num_features * num_classes / product
    figures = {"size": size, "tflops": product / 1e12, "ms_of_3_products": 3e3 * floor, "ms_of_4_products": 4e3 * floor}
    return {**figures, "gradients_mb": (w.numel() + x.numel()) * 2 / MEGABYTE, "results": results}


def timed(call, device):
    """Seconds that a call takes, of the device's work as well."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def start_memory(device):
    if device != "cuda":
        return 0
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def memory_since(device, before):
    """The most megabytes that were allocated at a time since then."""
    if device != "cuda":
        return None
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / MEGABYTE


def product_rate(x, w, device):
    """Operations a second of the products that a head is made of, over a part of the classes."""
    part = w.detach()[:16384]
    with torch.no_grad():
        slopes = x @ part.t()
        found = []
        for _ in range(6):
            found.append(timed(lambda: (x @ part.t(), slopes @ part, slopes.t() @ x), device))
    return 6 * x.numel() * part.shape[0] / statistics.median(found[1:])


@torch.no_grad()
def exact(x, w, y, rows=64, classes=64, block=8192):
    """The mean loss, the gradient of some rows and that of some classes, in float64."""
    wide = x.double()
    lse = torch.full((x.shape[0],), -torch.inf, dtype=torch.float64, device=x.device)
    of_rows = torch.zeros(min(rows, x.shape[0]), x.shape[1], dtype=torch.float64, device=x.device)
    for first in range(0, w.shape[0], block):
        z = wide @ w[first : first + block].double().t()
        lse = torch.logaddexp(lse, z.logsumexp(1))
        del z
    for first in range(0, w.shape[0], block):
        part = w[first : first + block].double()
        p = (wide[:rows] @ part.t() - lse[:rows, None]).exp()
        of_rows += p @ part
    of_rows -= w[y[:rows]].double()
    some = torch.cat([y[: classes // 2].unique(), torch.arange(classes // 2, device=y.device)]).unique()
    slopes = (wide @ w[some].double().t() - lse[:, None]).exp() - (y[:, None] == some).double()
    parts = [slice(first, first + 512) for first in range(0, len(y), 512)]
    label = torch.cat([(wide[rows] * w[y[rows]].double()).sum(1) for rows in parts])
    loss = (lse - label).mean()
    return {"loss": loss, "rows": of_rows / len(y), "classes": some, "of_classes": slopes.t() @ wide / len(y)}


@torch.no_grad()
def against(reference, loss, x, w):
    """Relative errors of the loss, and of gradients in the norm of those of some rows and classes."""
    of_rows, of_classes = x.grad[: len(reference["rows"])], w.grad[reference["classes"]]
    return {
        "error_of_loss": abs(float(loss.double() / reference["loss"] - 1)),
        "error_of_features": relative(of_rows, reference["rows"]),
        "error_of_weight": relative(of_classes, reference["of_classes"]),
    }


def relative(found, expected):
    return float((found.double() - expected).norm() / expected.norm())


def print_table(figures):
    print(
        f"\n{figures['size']} (N x D x K), bfloat16; products at {figures['tflops']:.0f} TFLOP/s: 3 of them take "
        f"{figures['ms_of_3_products']:.1f} ms, 4 take {figures['ms_of_4_products']:.1f} ms; gradients are "
        f"{figures['gradients_mb']:.0f} MB\n"
        f"{'':34}{'ms':>10}{'MB':>10}{'error of loss':>15}{'d features':>12}{'d weight':>10}"
    )
    for name, result in figures["results"].items():
        if "failed" in result:
            print(f"{name:34}{result['failed']}")
            continue
        memory = "" if result["memory_mb"] is None else f"{result['memory_mb']:.0f}"
        errors = f"{result['error_of_loss']:15.1e}{result['error_of_features']:12.1e}{result['error_of_weight']:10.1e}"
        print(f"{name:34}{result['ms']:10.2f}{memory:>10}{errors}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.linear_on_gpu", description=__doc__)
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="NxDxK")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=40.0, help="no further round of a size after that")
    parser.add_argument("--compiled", action="store_true", help="also under torch.compile, which takes minutes")
    options = parser.parse_args()
    document = {"torch": torch.__version__, "device": options.device, "sizes": []}
    if options.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        document.update(device=properties.name, memory_gb=properties.total_memory / 1e9)
    print(f"PyTorch {document['torch']} on {document['device']}")
    for size in options.sizes:
        figures = measure(size, options.device, options.rounds, options.seconds, options.compiled)
        print_table(figures)
        document["sizes"].append(figures)
        if options.json is not None:
            options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

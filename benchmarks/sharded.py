"""Classes over processes: seconds and memory of a step, and whether the loss is right, against one process and torch.

Forward and backward of the mean cross-entropy of a linear head with class weights, on gloo and the CPU: the whole head
in one process (torch.nn.Linear and CrossEntropyLoss), lt.ShardedLinearCrossEntropyLoss, and the same head as a DTensor
under torch.distributed.tensor.parallel.loss_parallel. Processes share the machine's cores, so that more of them save
memory here and no time. Memory is the most that a process holds beyond what it held before its first step: gradients,
logits and scratch. Errors are those of the loss, and of the features' gradient, against float64 in one process.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEGABYTE = 1 << 20
CONTENDERS = [("one process", 1), ("lastlayer", 1), ("lastlayer", 2), ("lastlayer", 4), ("loss_parallel", 2)]
CONTENDERS += [("loss_parallel", 4)]


def measure(*, quick):
    """Measure, print a table, and return the figures."""
    sizes = {"rows": 512 if quick else 1024, "features": 256, "classes": 8000 if quick else 32000}
    rounds = 3 if quick else 9
    print(", ".join(f"{name} {value:,}" for name, value in sizes.items()), "of float32, mean loss with class weights")
    print(f"{'':16}{'processes':>10}{'s a step':>10}{'MB a process':>14}{'loss off by':>13}{'gradient off by':>17}")
    results = []
    for name, processes in CONTENDERS:
        with tempfile.TemporaryDirectory() as folder:
            task = {"name": name, "processes": processes, "rounds": rounds, "folder": folder, **sizes}
            subprocess.run([sys.executable, "-m", "benchmarks.sharded", json.dumps(task)], check=True)
            found = [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(processes)]
        result = {
            "name": name,
            "processes": processes,
            **sizes,
            "seconds": max(each["seconds"] for each in found),
            "megabytes": max(each["megabytes"] for each in found),
            "error_of_loss": max(each["error_of_loss"] for each in found),
            "error_of_gradient": max(each["error_of_gradient"] for each in found),
        }
        print(
            f"{name:16}{processes:10}{result['seconds']:10.3f}{result['megabytes']:14.0f}"
            f"{result['error_of_loss']:13.1e}{result['error_of_gradient']:17.1e}",
            flush=True,
        )
        results.append(result)
    return {"steps": results}


def main(task):
    """Fork the processes, before anything has threads, and wait for them."""
    import torch._dynamo
    import torch.distributed.tensor  # noqa: F401 - what takes seconds, once

    children = []
    for rank in range(task["processes"]):
        child = os.fork()
        if child == 0:
            try:
                run(task, rank)
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def run(task, rank):
    """What one process measures, as a file."""
    import torch
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh

    processes, folder = task["processes"], Path(task["folder"])
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // processes))
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=processes)
    mesh = init_device_mesh("cpu", (processes,))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(task["rows"], task["features"], generator=generator)
    head = torch.randn(task["classes"], task["features"], generator=generator) / task["features"] ** 0.5
    labels = torch.randint(task["classes"], (task["rows"],), generator=generator)
    weight = torch.rand(task["classes"], generator=generator) + 0.5
    make = {"one process": whole_head, "lastlayer": sharded_head, "loss_parallel": parallel_head}[task["name"]]
    step = make(head, weight, mesh)
    distributed.barrier()
    before = reset_peak()
    seconds = []
    for _ in range(task["rounds"] + 1):
        distributed.barrier()
        start = time.perf_counter()
        found = step(x, labels)
        seconds.append(time.perf_counter() - start)
    peak = memory("VmHWM")
    # Last, since it takes memory that later steps would be given again.
    expected = whole_head(head.double(), weight.double(), mesh)(x.double(), labels)
    of_loss, of_gradient = (
        ((found_part.double() - part).norm() / part.norm()).item()
        for found_part, part in zip(found, expected, strict=True)
    )
    result = {
        "seconds": statistics.median(seconds[1:]),
        "megabytes": (peak - before) / MEGABYTE,
        "error_of_loss": of_loss,
        "error_of_gradient": of_gradient,
    }
    (folder / f"{rank}.json").write_text(json.dumps(result))
    distributed.barrier()


def whole_head(head, weight, mesh):
    """A step in one process: a function of features and labels that gives the loss and the features' gradient."""
    import torch

    linear = torch.nn.Linear(head.shape[1], head.shape[0], bias=False, device="meta")
    linear.weight = torch.nn.Parameter(head.clone())
    loss = torch.nn.CrossEntropyLoss(weight)
    return lambda x, labels: gradient_of(lambda x: loss(linear(x), labels), x, linear)


def sharded_head(head, weight, mesh):
    """The same of classes over processes."""
    import lastlayer.torch as lt

    module = lt.ShardedLinearCrossEntropyLoss(head.shape[1], head.shape[0], mesh, weight=weight)
    module.load_state_dict({"linear.weight": head, "weight": weight})
    return lambda x, labels: gradient_of(lambda x: module(x, labels), x, module)


def parallel_head(head, weight, mesh):
    """The same by PyTorch's own means: a linear layer that is parallel over its columns, and loss_parallel."""
    import torch
    from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
    from torch.distributed.tensor.parallel import loss_parallel

    linear = torch.nn.Linear(head.shape[1], head.shape[0], bias=False, device="meta")
    linear.weight = torch.nn.Parameter(distribute_tensor(head, mesh, [Shard(0)]))
    everywhere = distribute_tensor(weight, mesh, [Replicate()])
    loss = torch.nn.CrossEntropyLoss(everywhere)

    def step(x, labels):
        with loss_parallel():
            return gradient_of(
                lambda x: loss(linear(DTensor.from_local(x, mesh, [Replicate()], run_check=False)), labels), x, linear
            )

    return step


def gradient_of(function, x, module):
    """The loss and the gradient of the features; the module has its own as attributes, as in training."""
    module.zero_grad()
    x = x.clone().requires_grad_()
    loss = function(x)
    loss.backward()
    return (loss.full_tensor() if hasattr(loss, "full_tensor") else loss).detach(), x.grad


def memory(name):
    """Bytes of this process, now (VmRSS) or at most (VmHWM)."""
    return 1024 * int(re.search(rf"^{name}:\s+(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1])


def reset_peak():
    """Start the highest memory anew, and return the memory now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

"""Tensors that are spread over processes, by DTensor, in two processes that find each other through a file."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
import torch, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
import lastlayer.torch as lt

child = os.fork()  # before either has threads
rank, path = int(child == 0), sys.argv[1]
dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
mesh = init_device_mesh("cpu", (2,))
logits = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))
labels = torch.arange(8) % 6
labels[3] = -100
targets = torch.softmax(logits.flip(0), 1)
weight = torch.tensor([0.5, 0.0, 1.0, 2.0, 1.5, 1.0])

def spread(tensor, *placements):
    return distribute_tensor(tensor.detach().clone(), mesh, placements)

shared_weight = spread(weight, Replicate())

def agree(name, function, *tensors, placements):
    leaf, shared = logits.clone().requires_grad_(), spread(logits, placements[0]).requires_grad_()
    others = [spread(t, p) for t, p in zip(tensors, placements[1:])]
    expected, found = function(leaf, *tensors), function(shared, *others)
    assert isinstance(found, DTensor), name
    torch.testing.assert_close(found.full_tensor(), expected)
    expected.sum().backward()
    found.sum().backward()
    torch.testing.assert_close(shared.grad.full_tensor(), leaf.grad)

for rows in (Shard(0), Replicate()):
    agree("softmax", lambda z: lt.softmax(z, 1) ** 2, placements=[rows])
    agree("beta", lambda z: lt.softmax(z, 1, beta=2.0) ** 2, placements=[rows])
    agree("log", lambda z: lt.log_softmax(z, -1, beta=0.5)[:, :1], placements=[rows])
    agree("smooth_max", lambda z: lt.smooth_max(z, 1, beta=3.0), placements=[rows])
    for reduction in ("mean", "sum", "none"):
        loss = lt.CrossEntropyLoss(reduction=reduction)
        agree("labels " + reduction, loss, labels, placements=[rows, rows])
        agree("probabilities " + reduction, loss, targets, placements=[rows, rows])
        agree("binary " + reduction, lt.BCEWithLogitsLoss(reduction=reduction), targets, placements=[rows, rows])
    # PyTorch's own mean of rows over processes is the mean of their means, whatever they weigh.
    for options in ({"label_smoothing": 0.1}, {"weight": True}, {"weight": True, "label_smoothing": 0.1}):
        def weighted(z, y, options=options):
            given = {**options, "weight": shared_weight if isinstance(z, DTensor) else weight}
            return lt.cross_entropy(z, y, **(given if "weight" in options else options))
        agree("labels with options", weighted, labels, placements=[rows, rows])
dist.destroy_process_group()
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    print("agreed")
"""


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_trap_40_dtensors_in_two_processes(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path / "store")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "agreed"), ran.stderr

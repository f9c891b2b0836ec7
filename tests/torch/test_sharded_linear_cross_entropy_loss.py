"""In one process here; what 4, 3 and 2 of them find is in sharded_checks.py, which runs once."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from hypothesis import given
from hypothesis import strategies as st
from torch import distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

import lastlayer as ll
import lastlayer.torch as lt
from lastlayer.samplers import AllClassesWarning
from lastlayer.torch._class_shard import ClassShard, class_shard
from lastlayer.torch._sharded_sampled_loss import candidates_of_shard, drawn_candidates
from lastlayer.torch._uniform_rows import fill_uniformly
from tests.oracles.linear_cross_entropy import loss_and_gradients

Module = lt.ShardedLinearCrossEntropyLoss
PROGRAM = Path(__file__).with_name("sharded_checks.py")
# Read and not imported, which takes seconds.
CHECKS = [
    pytest.param(int(size), name, marks=() if size == "2" and "of_four" not in name else pytest.mark.thorough)
    for sizes, name in re.findall(r"^@check\((.*)\)\ndef (\w+)", PROGRAM.read_text(), re.MULTILINE)
    for size in sizes.split(", ")
]
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
X = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.tensor([0, 3, -100, 2, 1, 1])


@pytest.fixture(scope="module")
def folder(request, tmp_path_factory):
    """Where the processes of sharded_checks.py have left what they found, as many at a time as tests ask about."""
    folder = tmp_path_factory.mktemp("sharded")
    sizes = {test.callspec.params["size"] for test in request.session.items if "test_many_processes[" in test.name}
    command = [sys.executable, "-W", "error", str(PROGRAM), str(folder), *map(str, sorted(sizes, reverse=True))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    store = tmp_path_factory.mktemp("mesh") / "store"
    distributed.init_process_group(init_method=f"file://{store}", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


@forks
@pytest.mark.parametrize(("size", "name"), CHECKS)
def test_many_processes(folder, size, name):
    for rank in range(size):
        found = json.loads((folder / f"results-{size}-{rank}.json").read_text())
        assert found.get(name) == "passed", f"process {rank}: {found.get(name, 'not reached')}"


@forks
@pytest.mark.thorough
def test_it_begins_alike_on_any_number_of_processes(folder):
    starts = [torch.load(folder / f"start-{size}-{rank}.pt") for size in (2, 3, 4) for rank in range(size)]
    for weight, bias in starts:
        assert torch.equal(weight, starts[0][0])
        assert torch.equal(bias, starts[0][1])
    weight, bias = starts[0]
    bound = 3**-0.5
    # That of torch.nn.Linear: uniform, of that bound; with 7500 numbers these are 6 deviations.
    assert -bound <= weight.min() <= -0.99 * bound
    assert 0.99 * bound <= weight.max() <= bound
    assert abs(weight.mean()) < 6 * bound / (3 * weight.numel()) ** 0.5
    assert len(weight.unique()) > 0.999 * weight.numel()
    assert len(bias.unique()) > 0.99 * bias.numel()


OPTIONS = [
    {},
    {"bias": True, "label_smoothing": 0.1, "weight": torch.tensor([0.5, 0.0, 1.0, 2.0], dtype=torch.float64)},
    {"bias": True, "soft_cap": 3.0, "z_loss": 0.1},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_trap_11_losses_and_gradients_are_those_of_the_definition(mesh, options):
    module = Module(5, 4, mesh, reduction="none", dtype=torch.float64, **options)
    weight, bias = (
        None if p is None else p.detach().full_tensor().numpy() for p in (module.linear.weight, module.linear.bias)
    )
    rest = {"soft_cap": module.soft_cap, "z_loss": module.z_loss, "label_smoothing": module.label_smoothing}
    rest["class_weight"] = None if module.weight is None else module.weight.tolist()
    x, upstream = X.clone().requires_grad_(), torch.linspace(-1.0, 2.0, 6, dtype=torch.float64)
    losses = module(x, Y)
    losses.backward(upstream)
    of_weight = np.zeros((4, 5))
    for i, label in enumerate(Y.tolist()):
        if label == -100:
            assert losses[i].item() == 0
            assert not x.grad[i].any()
            continue
        loss, of_features, of_row, _ = loss_and_gradients(X[i].tolist(), weight, label, bias=bias, **rest)
        np.testing.assert_allclose(losses[i].item(), float(loss), rtol=1e-12)
        expected = upstream[i].item() * np.array([float(g) for g in of_features])
        np.testing.assert_allclose(x.grad[i].numpy(), expected, rtol=1e-10, atol=1e-14)
        of_weight += upstream[i].item() * np.array([[float(g) for g in row] for row in of_row])
    np.testing.assert_allclose(module.linear.weight.grad.full_tensor().numpy(), of_weight, rtol=1e-10, atol=1e-14)


def test_a_number_from_a_table(mesh):
    """The three scores 2, 1 and 0.1 have the probabilities 0.659, 0.242 and 0.099."""
    module = Module(1, 3, mesh, dtype=torch.float64)
    module.load_state_dict({"linear.weight": torch.tensor([[2.0], [1.0], [0.1]])})
    one = torch.ones(3, 1, dtype=torch.float64)
    assert round(module(one[:1], torch.tensor([0])).item(), 4) == 0.4170
    found = module.top_k(one[:1], 3)
    assert found.indices.tolist() == [[0, 1, 2]]
    assert found.probabilities.numpy().round(3).tolist() == [[0.659, 0.242, 0.099]]


def test_states_are_exchanged_with_the_head_of_one_process(mesh):
    ours, theirs = Module(5, 4, mesh, bias=True), lt.LinearCrossEntropyLoss(5, 4, bias=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(X.float(), Y), theirs(X.float(), Y))
    drawing = Module(5, 4, mesh, bias=True, num_candidates=2)
    drawing.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(drawing.eval()(X.float(), Y), theirs(X.float(), Y))
    network = torch.nn.Sequential(torch.nn.Linear(5, 5), ours)
    other = torch.nn.Sequential(torch.nn.Linear(5, 5), theirs)
    network.load_state_dict(other.state_dict())
    with pytest.raises(RuntimeError, match=r"size mismatch for linear.weight"):
        ours.load_state_dict({"linear.weight": torch.zeros(3, 5), "linear.bias": torch.zeros(4)})


def test_it_becomes_a_classifier(mesh):
    module = Module(5, 4, mesh, bias=True)
    model = ll.SoftmaxClassifier.from_torch(module.gathered(), ["a", "b", "c", "d"])
    logits = F.linear(X.float(), *(p.full_tensor() for p in module.linear.parameters()))
    np.testing.assert_allclose(model.predict_proba(X.float().numpy()), logits.softmax(1).detach(), rtol=1e-5)


def test_what_it_is_printed_with(mesh):
    text = repr(Module(5, 4, mesh, label_smoothing=0.1))
    assert "num_classes=4, classes_here=range(0, 4), reduction=mean" in text
    assert "label_smoothing=0.1" in text


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"num_classes": 0}, ValueError, "num_classes: received 0, expected a whole number from 1 on."),
        ({"in_features": 2.0}, TypeError, "in_features: received 2.0, expected a whole number from 1 on."),
        ({"num_candidates": 0}, ValueError, "num_candidates: received 0, expected a whole number from 1 on."),
        ({"num_candidates": 2, "label_smoothing": 0.1}, ValueError, "label_smoothing: received 0.1 beside num_cand"),
        ({"num_candidates": 2, "z_loss": 0.1}, ValueError, "z_loss: received 0.1 beside num_candidates"),
        ({"num_candidates": 2, "soft_cap": 5.0}, ValueError, "soft_cap: received 5.0 beside num_candidates"),
        ({"weight": torch.ones(3)}, ValueError, r"weight: shape is \(3,\), expected \(4,\), one for each class."),
        ({"weight": np.ones(4)}, TypeError, "weight: received a numpy.ndarray, expected a torch.Tensor"),
        ({"reduction": "avg"}, ValueError, "reduction: received 'avg'"),
        ({"label_smoothing": 2}, ValueError, "label_smoothing: received 2"),
        ({"soft_cap": 0.0}, ValueError, "soft_cap: received 0.0"),
        ({"device": "cuda"}, ValueError, "device: received cuda, expected one of the mesh's kind, cpu."),
        ({"mesh": "cpu"}, TypeError, "mesh: received str, expected a torch.distributed.device_mesh.DeviceMesh"),
    ],
)
def test_bad_options_get_one_sentence(mesh, options, error, words):
    options = {"in_features": 5, "num_classes": 4, "mesh": mesh} | options
    with pytest.raises(error, match=words):
        Module(**options)


def test_a_mesh_without_this_process_or_without_torch_distributed(mesh, monkeypatch):
    monkeypatch.setattr(DeviceMesh, "get_coordinate", lambda self: None)
    with pytest.raises(ValueError, match=r"mesh: does not have this process in it, expected one that does."):
        Module(5, 4, mesh)
    monkeypatch.setattr(distributed, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"mesh: this PyTorch is built without torch.distributed"):
        Module(5, 4, mesh)


@pytest.mark.parametrize(
    ("input", "target", "error", "words"),
    [
        (X[:, :4], Y, ValueError, r"input: shape is \(6, 4\), expected \(N, 5\) or \(5,\)."),
        (X.to("meta"), Y, ValueError, "input: is on meta, expected cpu, where the head is."),
        (X, Y.to("meta"), ValueError, "target: is on meta, expected cpu, where the features are."),
        (X, Y[:5], ValueError, r"target: shape is \(5,\), expected labels of shape \(6,\)."),
        (X, Y.double(), TypeError, "target: dtype is torch.float64, expected integers, the labels."),
        (X.float(), Y, TypeError, "linear_weight: dtype is torch.float64, expected one floating-point dtype"),
        (X.numpy(), Y, TypeError, "input: received a numpy.ndarray, expected a torch.Tensor"),
        (X, Y.numpy(), TypeError, "target: received a numpy.ndarray, expected a torch.Tensor"),
        (X, Y.masked_fill(Y == 3, 4), IndexError, r"target: row 1 is 4, but there are 4 classes \(0 to 3\)."),
    ],
)
def test_bad_input_gets_one_sentence(mesh, input, target, error, words):
    with pytest.raises(error, match=words):
        Module(5, 4, mesh, dtype=torch.float64)(input, target)


def test_a_dtensor_of_rows_is_refused(mesh):
    module = Module(5, 5, mesh, dtype=torch.float64)
    with pytest.raises(TypeError, match=r"input: received a DTensor, .* pass input.to_local\(\)."):
        module(module.linear.weight, torch.arange(5))


def test_bad_numbers_of_classes_to_list(mesh):
    module = Module(5, 4, mesh, dtype=torch.float64)
    with pytest.raises(ValueError, match="k: received 5, expected 1 to 4"):
        module.top_k(X, 5)
    with pytest.raises(ValueError, match=r"input: shape is \(5,\), expected \(N, 5\)"):
        module.top_k(X[0], 2)


def test_trap_21_as_many_candidates_as_classes_are_said_to_be_the_full_softmax(mesh):
    with pytest.warns(AllClassesWarning, match="num_candidates: received 4 for 4 classes"):
        module = Module(5, 4, mesh, num_candidates=4, dtype=torch.float64)
    logits = F.linear(X, module.linear.weight.full_tensor())
    torch.testing.assert_close(module(X, Y), F.cross_entropy(logits, Y))


def test_trap_04_rows_of_a_sampled_loss_that_hold_no_numbers(mesh):
    """NaN for those rows alone, in the sampled loss as in the full one."""
    module = Module(5, 4, mesh, num_candidates=3, reduction="none", dtype=torch.float64)
    x = X.clone()
    x[0, 0], x[3, 1] = torch.nan, torch.inf
    losses = module(x, Y)
    assert losses.isnan().tolist() == [True, False, False, True, False, False]


class Processes:
    """What class_shard asks a mesh."""

    def __init__(self, size):
        self.size = lambda: size

    def get_local_rank(self):
        return 0

    def get_group(self):
        return None


@given(st.integers(1, 200), st.integers(1, 12), st.integers(1, 250))
def test_shards_and_their_candidates_add_up(num_classes, num_processes, num_candidates):
    shards = [class_shard(Processes(num_processes), num_classes, process) for process in range(num_processes)]
    assert [k for shard in shards for k in range(shard.first, shard.last)] == list(range(num_classes))
    assert [shard.size for shard in shards] == [
        len(part) for part in [*torch.arange(num_classes).chunk(num_processes), *[[]] * num_processes][:num_processes]
    ]
    counts = [candidates_of_shard(num_candidates, shard) for shard in shards]
    most = min(num_candidates, num_classes)
    for shard, count in zip(shards, counts, strict=True):
        assert min(1, shard.size) <= count <= shard.size
        assert abs(count - most * shard.size / num_classes) < 1 or count == 1
    holders = sum(shard.size > 0 for shard in shards)
    assert most <= sum(counts) <= most + holders
    if num_candidates >= num_classes:
        assert counts == [shard.size for shard in shards]


@given(st.lists(st.integers(0, 1500), min_size=1, max_size=4), st.sampled_from([torch.float32, torch.float64]))
def test_rows_do_not_depend_on_who_draws_them(sizes, dtype):
    whole = torch.empty(sum(sizes), 2, dtype=dtype)
    fill_uniformly(whole, 0, 0.5, (7, 0))
    first = 0
    for size in sizes:
        part = torch.full((size, 2), torch.nan, dtype=dtype)
        fill_uniformly(part, first, 0.5, (7, 0))
        assert torch.equal(part, whole[first : first + size])
        first += size
    assert not whole.numel() or whole.abs().max() <= 0.5


def test_trap_19_each_class_of_a_shard_is_drawn_as_often_as_is_said():
    shard, draws = ClassShard(10, 23, 40, None), torch.tensor([5, 0])  # pyright: ignore[reportArgumentType]
    times, number = torch.zeros(13), 2000
    for _ in range(number):
        indices, log_count = drawn_candidates(draws, 12, shard)
        assert len(indices.unique()) == len(indices) == 3
        times[indices] += 1
    expected = np.exp(log_count)
    assert expected == pytest.approx(3 / 13)
    assert draws.tolist() == [5, number]
    # Five deviations, and the seed is fixed.
    assert (times / number - expected).abs().max() < 5 * (expected * (1 - expected) / number) ** 0.5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("num_candidates", [None, 3])
def test_on_a_gpu(mesh, num_candidates):
    on_gpu = init_device_mesh("cuda", (1,))
    torch.manual_seed(0)
    module = Module(5, 4, on_gpu, bias=True, dtype=torch.float64, num_candidates=num_candidates)
    torch.manual_seed(0)
    other = Module(5, 4, mesh, bias=True, dtype=torch.float64, num_candidates=num_candidates)
    x, y = X.cuda().requires_grad_(), X.clone().requires_grad_()
    found, expected = module(x, Y.cuda()), other(y, Y)
    torch.testing.assert_close(found.cpu(), expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(x.grad.cpu(), y.grad)
    for ours, theirs in zip(module.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours.grad.full_tensor().cpu(), theirs.grad.full_tensor())
    assert torch.equal(module.top_k(x, 2).indices.cpu(), other.top_k(y, 2).indices)
    with torch.autocast("cuda", torch.bfloat16):
        assert module.float()(X.cuda().float(), Y.cuda()).dtype == torch.float32

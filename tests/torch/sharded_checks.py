"""What processes that share a head's classes find, as a program: `python sharded_checks.py FOLDER 4 3 2`.

It forks 4 processes, then 3, then 2, or of these what is asked for, that meet through files in the folder, and each
writes which of its checks passed, as JSON. Forked before anything has threads, they import torch once, together.
"""

import copy
import itertools
import json
import os
import sys
import traceback
import warnings
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # what DTensor imports takes seconds: once, here
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch.distributed import checkpoint
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Partial, Shard

import lastlayer as ll
import lastlayer.torch as lt
from lastlayer.torch import _tiles
from lastlayer.torch._sharded_sampled_loss import drawn_candidates

N, D = 12, 6
FOLDER, SIZES = Path(sys.argv[1]), tuple(map(int, sys.argv[2:]))
CHECKS = {2: [], 3: [], 4: []}
close = torch.testing.assert_close


def check(*sizes):
    """A check that so many processes make."""

    def listed(function):
        for size in sizes:
            CHECKS[size].append(function)
        return function

    return listed


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def labels_of(num_classes, seed=0):
    return torch.randint(0, num_classes, (N,), generator=torch.Generator().manual_seed(seed))


def sharded(mesh, num_classes, dtype=torch.float64, scale=2.0, **options):
    """A module with a random head, and copies of all of its weight and bias as leaves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ll.samplers.AllClassesWarning)
        module = lt.ShardedLinearCrossEntropyLoss(D, num_classes, mesh, dtype=dtype, **options)
    state = {"linear.weight": normal(num_classes, D, seed=1).to(dtype) * scale}
    if options.get("bias"):
        state["linear.bias"] = normal(num_classes, seed=2).to(dtype)
    if options.get("weight") is not None:
        state["weight"] = options["weight"]
    module.load_state_dict(state)
    weight = state["linear.weight"].clone().requires_grad_()
    bias = state["linear.bias"].clone().requires_grad_() if options.get("bias") else None
    return module, weight, bias


def gradients(module):
    return [p.grad.full_tensor() for p in module.parameters()]


def agree(module, weight, bias, x, labels, reference, **tolerance):
    """The loss and its gradients, of a random upstream gradient, are those of a function of all logits."""
    ours, theirs = (x.detach().clone().requires_grad_() for _ in range(2))
    found, expected = module(ours, labels), reference(F.linear(theirs, weight, bias), labels)
    close(found, expected, **tolerance)
    upstream = normal(*expected.shape, seed=5).to(expected.dtype)
    leaves = [theirs, weight] + ([] if bias is None else [bias])
    expected_gradients = torch.autograd.grad(expected, leaves, upstream)
    module.zero_grad()
    found.backward(upstream)
    close([ours.grad, *gradients(module)], list(expected_gradients), **tolerance)


@check(2, 4)
def equals_the_unsharded_loss_with_all_options(mesh):
    """11 classes on 4 processes with all of them; 3 classes, so that a process has none, with fewer."""
    for num_classes, biases, ignored_labels in ((11, (False, True), (-100, 1)), (3, (True,), (-100,))):
        some = normal(num_classes, seed=3).abs()
        some[0] = 0.0
        x, labels = normal(N, D), labels_of(num_classes).masked_fill(torch.arange(N) == 4, -100)
        options = itertools.product(biases, (None, some), (0.0, 0.1), ignored_labels, ("mean", "sum", "none"))
        for bias, factors, smoothing, ignored, reduction in options if num_classes == 3 or mesh.size() == 4 else ():
            given = {"weight": factors, "label_smoothing": smoothing, "reduction": reduction, "ignore_index": ignored}
            module, weight, shift = sharded(mesh, num_classes, bias=bias, **given)
            y = labels.masked_fill(labels == -100, ignored)
            agree(module, weight, shift, x, y, lambda z, y: F.cross_entropy(z, y, **given))  # noqa: B023


@check(4)
def equals_it_tile_by_tile(mesh):
    kept, _tiles.SCRATCH = _tiles.SCRATCH, _tiles.Scratch(on_cpu=12 * 8, least_classes=2)
    factors = normal(23, seed=3).abs()
    for given in ({}, {"weight": factors, "label_smoothing": 0.2, "reduction": "none"}):
        module, weight, bias = sharded(mesh, 23, bias=True, **given)
        agree(module, weight, bias, normal(N, D), labels_of(23), lambda z, y: F.cross_entropy(z, y, **given))  # noqa: B023
    _tiles.SCRATCH = kept


@check(2, 4)
def equals_it_with_a_cap_and_z_loss(mesh):
    options = {"soft_cap": 3.0, "z_loss": 0.1, "label_smoothing": 0.1, "weight": normal(7, seed=3).abs()}
    module, weight, bias = sharded(mesh, 7, bias=True, **options)

    def reference(z, y):
        z = 3.0 * torch.tanh(z / 3.0)
        losses = F.cross_entropy(z, y, options["weight"], label_smoothing=0.1, reduction="none")
        return (losses + 0.1 * z.logsumexp(1).square()).sum() / options["weight"][y].sum()

    agree(module, weight, bias, normal(N, D), labels_of(7), reference)


@check(4)
def equals_it_in_float32(mesh):
    for num_classes in (11, 2):
        module, weight, bias = sharded(mesh, num_classes, torch.float32, bias=True)
        agree(module, weight, bias, normal(N, D).float(), labels_of(num_classes), F.cross_entropy)


@check(4)
def second_derivatives_and_second_passes(mesh):
    factors = normal(5, seed=3).abs()
    for options in ({}, {"weight": factors, "label_smoothing": 0.1, "reduction": "none"}, {"reduction": "sum"}):
        module, weight, bias = sharded(mesh, 5, bias=True, **options)
        x, y = normal(N, D), labels_of(5)
        ours, theirs = (x.clone().requires_grad_() for _ in range(2))
        # Squared, so that the upstream gradient depends on everything too.
        found, expected = module(ours, y) ** 2, F.cross_entropy(F.linear(theirs, weight, bias), y, **options) ** 2
        upstream = normal(*expected.shape, seed=5)
        parameters = list(module.parameters())
        first = torch.autograd.grad(found, [ours, *parameters], upstream, create_graph=True)
        of_reference = torch.autograd.grad(expected, [theirs, weight, bias], upstream, create_graph=True)
        close([g.full_tensor() if hasattr(g, "full_tensor") else g for g in first], list(of_reference))
        # What each process goes on with: its own part of the weights' gradient is summed over processes by DTensor.
        curvature = first[0].square().sum() + first[1].square().sum().full_tensor() + first[2].cos().sum().full_tensor()
        of_reference = of_reference[0].square().sum() + of_reference[1].square().sum() + of_reference[2].cos().sum()
        close(curvature, of_reference)
        second = torch.autograd.grad(curvature, [ours, *parameters], retain_graph=True)
        close(
            [g.full_tensor() if hasattr(g, "full_tensor") else g for g in second],
            list(torch.autograd.grad(of_reference, [theirs, weight, bias])),
        )
        for _ in range(2):  # again, of the same graph
            (again,) = torch.autograd.grad(found, ours, upstream, retain_graph=True)
            close(again, first[0].detach())


@check(4)
def two_reductions_forward_and_one_backward(mesh):
    module, _, _ = sharded(mesh, 11, bias=True)
    x = normal(N, D).requires_grad_()
    sizes, plain = [], dist.all_reduce

    def counted(tensor, *arguments, **options):
        sizes.append(tuple(tensor.shape))
        return plain(tensor, *arguments, **options)

    dist.all_reduce = counted
    try:
        loss = module(x, labels_of(11))
        assert sizes == [(3,), (N, 1), (2, N, 1)], sizes
        loss.backward()
        assert sizes[3:] == [(N, D)], sizes
        sizes.clear()
        module(x.detach(), labels_of(11)).backward()  # nobody wants the features' gradient
        assert len(sizes) == 3, sizes
    finally:
        dist.all_reduce = plain


@check(4)
def each_holds_its_part(mesh):
    for num_classes, expected in ((11, [3, 3, 3, 2]), (5, [2, 2, 1, 0]), (3, [1, 1, 1, 0])):
        module, _, _ = sharded(mesh, num_classes, bias=True)
        mine = expected[dist.get_rank()]
        assert module.linear.weight.to_local().shape == (mine, D)
        assert module.linear.bias.to_local().shape == (mine,)
        assert len(module.classes_here) == mine
        assert module.linear.weight.shape == (num_classes, D)
        # Storage, and not only a view of more.
        assert module.linear.weight.to_local().untyped_storage().nbytes() == 8 * mine * D


@check(2, 4)
def extreme_scores(mesh):
    """Scores of 1e4, an impossible class, a row without scores and rows of NaN touch nothing else."""
    module, weight, bias = sharded(mesh, 7, bias=True, reduction="none", scale=1e4)
    labels = labels_of(7).masked_fill(labels_of(7) == 2, 3)
    state = module.state_dict()
    gone = bias.detach().clone()
    gone[2] = -torch.inf
    module.load_state_dict({**state, "linear.bias": gone})
    agree(
        module,
        weight,
        gone.requires_grad_(),
        normal(N, D),
        labels,
        lambda z, y: F.cross_entropy(z, y, reduction="none"),
    )
    x = normal(N, D)
    x[3, 2], x[5, 0] = torch.nan, torch.inf
    ours = x.clone().requires_grad_()
    losses = module(ours, labels)
    fine = torch.ones(N, dtype=torch.bool)
    fine[[3, 5]] = False
    assert losses[~fine].isnan().all()
    close(losses[fine], F.cross_entropy(F.linear(x, weight, gone), labels, reduction="none")[fine])
    losses.sum().backward()
    assert ours.grad[fine].isfinite().all()
    # All classes impossible: NaN, as PyTorch's.
    module.load_state_dict({**state, "linear.bias": torch.full_like(gone, -torch.inf)})
    assert module(normal(N, D), labels).isnan().all()


@check(4)
def a_confident_label_has_a_gradient(mesh):
    """The label's own slope is that of the others."""
    state = {"linear.weight": torch.tensor([[0.0]] * 5 + [[10.0]], dtype=torch.float64)}
    module = lt.ShardedLinearCrossEntropyLoss(1, 6, mesh, dtype=torch.float64)
    sampled = lt.ShardedLinearCrossEntropyLoss(1, 6, mesh, dtype=torch.float64, num_candidates=5)
    sampled.num_candidates = 6
    state["linear.weight"][5] = 30.0
    for loss, tolerance in ((module, 1e-3), (sampled, 1e-12)):
        loss.load_state_dict(state)
        loss(torch.ones(1, 1, dtype=torch.float64), torch.tensor([5])).backward()
        (gradient,) = gradients(loss)
        expected = torch.full((6, 1), np.exp(-30.0) / (1 + 5 * np.exp(-30.0)), dtype=torch.float64)
        expected[5] *= -5
        close(gradient, expected, rtol=tolerance, atol=0)


@check(2, 4)
def nothing_kept_costs_nothing(mesh):
    for options in ({}, {"weight": torch.tensor([0.0, 1.0, 0.0])}, {"num_candidates": 3}):
        module, _, _ = sharded(mesh, 3, **options)
        x = normal(N, D).requires_grad_()
        labels = torch.full((N,), -100)
        if "weight" in options:
            labels[1] = 0
        loss = module(x, labels)
        loss.backward()
        assert loss.item() == 0
        assert not x.grad.any()
        assert not gradients(module)[0].any()


@check(4)
def half_precision_and_autocast(mesh):
    x, labels = normal(N, D).float(), labels_of(11)
    module, weight, bias = sharded(mesh, 11, torch.float32, bias=True)
    reference, of_reference = lt.LinearCrossEntropyLoss(D, 11, bias=True), x.clone().requires_grad_()
    reference.load_state_dict({"linear.weight": weight.detach(), "linear.bias": bias.detach()})
    ours = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = module(ours, labels), reference(of_reference, labels)
    assert found.dtype == expected.dtype == torch.float32
    close(found, expected, rtol=1e-6, atol=0)
    found.backward()
    expected.backward()
    close(ours.grad, of_reference.grad, rtol=1e-2, atol=1e-4)
    close(gradients(module)[0], reference.linear.weight.grad, rtol=1e-2, atol=1e-4)
    module, weight, bias = sharded(mesh, 11, torch.bfloat16, bias=True)
    found = module(x.bfloat16(), labels)
    assert found.dtype == torch.bfloat16
    wide = F.cross_entropy(F.linear(x.bfloat16(), weight, bias).float(), labels)
    close(found.float(), wide, rtol=1e-2, atol=0)


@check(4)
def a_single_row_and_no_row(mesh):
    module, weight, bias = sharded(mesh, 5, bias=True, reduction="none")
    x = normal(D)
    close(module(x, torch.tensor(4)), F.cross_entropy(F.linear(x, weight, bias), torch.tensor(4)))
    assert module(normal(0, D), torch.zeros(0, dtype=torch.int64)).shape == (0,)
    summed, _, _ = sharded(mesh, 5)
    assert summed(normal(0, D), torch.zeros(0, dtype=torch.int64)).item() == 0


def refused(error, words, function):
    """Every process gets the same sentence, and they go on together."""
    try:
        function()
    except error as raised:
        said = [None] * dist.get_world_size()
        dist.all_gather_object(said, str(raised))
        assert all(words in text for text in said), said
    else:
        raise AssertionError(f"nothing refused: {words}")


@check(2, 4)
def bad_input_is_refused_on_all(mesh):
    module, _, _ = sharded(mesh, 5)
    x, rank = normal(N, D), dist.get_rank()
    labels = labels_of(5)
    refused(
        IndexError,
        "target: row 3 is 5, but there are 5 classes (0 to 4).",
        lambda: module(x, labels.masked_fill(torch.arange(N) == 3, 5)),
    )
    refused(IndexError, "target: row 0 is -1, but", lambda: module(x, labels.masked_fill(torch.arange(N) == 0, -1)))
    other = labels.clone()
    other[rank] = (other[rank] + rank) % 5
    refused(ValueError, "target: labels differ between the processes of the mesh", lambda: module(x, other))
    wrong_on_one = labels.masked_fill((torch.arange(N) == 3) & (rank == 1), 7)
    refused(ValueError, "target: labels differ", lambda: module(x, wrong_on_one))
    refused(ValueError, "target: labels differ", lambda: module(x[: N - rank], labels[: N - rank]))
    swapped = labels.flip(0) if rank else labels
    refused(ValueError, "target: labels differ", lambda: module(x, swapped))
    refused(
        ValueError,
        "num_classes: is 6 on process 1 of the mesh and 5 on process 0, expected the same on all.",
        lambda: lt.ShardedLinearCrossEntropyLoss(D, 5 + (rank == 1), mesh),
    )
    module(x, labels)  # and goes on


@check(2, 3, 4)
def begins_alike_on_any_number(mesh):
    torch.manual_seed(17 + dist.get_rank())  # that of the first process counts
    module = lt.ShardedLinearCrossEntropyLoss(3, 2500, mesh, bias=True)
    state = [p.detach().full_tensor() for p in module.parameters()]
    torch.save(state, FOLDER / f"start-{dist.get_world_size()}-{dist.get_rank()}.pt")


@check(2, 4)
def an_optimizer_learns_as_on_one(mesh):
    for optimizer in (lambda p: torch.optim.Adam(p, 0.1), lambda p: torch.optim.SGD(p, 0.5, momentum=0.9)):
        module, weight, bias = sharded(mesh, 5, bias=True)
        ours, theirs = optimizer(module.parameters()), optimizer([weight, bias])
        x, labels = normal(N, D), labels_of(5)
        for _ in range(5):
            ours.zero_grad(), theirs.zero_grad()
            module(x, labels).backward()
            F.cross_entropy(F.linear(x, weight, bias), labels).backward()
            ours.step(), theirs.step()
        close([p.detach().full_tensor() for p in module.parameters()], [weight.detach(), bias.detach()])


@check(2, 4)
def the_most_probable_classes(mesh):
    for num_classes in (11, 3):
        module, weight, bias = sharded(mesh, num_classes, bias=True)
        p = F.linear(normal(N, D), weight, bias).softmax(1).detach()
        for k in (1, 2, num_classes):
            found, expected = module.top_k(normal(N, D), k), p.topk(k)
            close(found.probabilities, expected.values)
            close(found.indices, expected.indices)
    ties = lt.ShardedLinearCrossEntropyLoss(D, 7, mesh)
    ties.load_state_dict({"linear.weight": torch.zeros(7, D)})
    found = ties.top_k(torch.zeros(2, D), 7)
    assert found.indices.tolist() == [list(range(7))] * 2
    close(found.probabilities, torch.full((2, 7), 1 / 7))


@check(2, 4)
def becomes_one_head(mesh):
    module, weight, bias = sharded(mesh, 5, torch.float32, bias=True)
    whole = module.gathered()
    assert type(whole.weight) is torch.nn.Parameter
    close([whole.weight, whole.bias], [weight, bias], check_stride=False)
    with torch.no_grad():
        whole.weight.zero_()  # a copy
    assert module.linear.weight.full_tensor().any()


@check(2, 4)
def the_sampled_loss_is_that_of_all_draws(mesh):
    """Against the unsharded one, with candidates gathered from all processes and their counts."""
    for num_classes, num_candidates, reduction in ((23, 8, "mean"), (23, 8, "none"), (5, 3, "sum"), (3, 2, "mean")):
        module, weight, bias = sharded(mesh, num_classes, bias=True, num_candidates=num_candidates, reduction=reduction)
        shard = module._shard
        drawn, log_count = drawn_candidates(module.draws.clone(), num_candidates, shard)
        parts = [None] * dist.get_world_size()
        dist.all_gather_object(parts, ((drawn + shard.first).tolist(), log_count, shard.first, shard.last))
        counts = np.concatenate([np.full(last - first, count) for _, count, first, last in parts])
        assert len({index for part in parts for index in part[0]}) == sum(len(part[0]) for part in parts)
        assert all(len(part[0]) >= 1 for part in parts if part[3] > part[2])
        for indices, count, first, last in parts:
            assert not indices or np.isclose(count, np.log(len(indices) / (last - first)))
        indices = [index for part in parts for index in part[0]]
        candidates = ll.samplers.Candidates(indices, counts[indices], lambda k, counts=counts: counts[k])
        labels = labels_of(num_classes).masked_fill(torch.arange(N) == 4, -100)
        x = normal(N, D)
        ours, theirs = (x.clone().requires_grad_() for _ in range(2))
        losses = lt.sampled_cross_entropy(theirs, weight, labels, candidates, linear_bias=bias, reduction="none")
        expected = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / (labels != -100).sum()}[reduction]
        found = module(ours, labels)
        close(found, expected)
        upstream = normal(*expected.shape, seed=5)
        found.backward(upstream)
        expected_gradients = torch.autograd.grad(expected, [theirs, weight, bias], upstream)
        close([ours.grad, *gradients(module)], list(expected_gradients))
        assert not torch.equal(module(ours, labels), found) or num_classes < 20  # another draw
        module.eval()
        close(module(x, labels), F.cross_entropy(F.linear(x, weight, bias), labels, reduction=reduction))


@check(4)
def the_sampled_loss_with_weights_and_in_half_precision(mesh):
    factors = torch.tensor([0.0, 1.0, 2.0, 0.5, 1.5, 1.0, 3.0])
    weighted, _, _ = sharded(mesh, 7, torch.float32, num_candidates=4, weight=factors)
    plain, _, _ = sharded(mesh, 7, torch.float32, num_candidates=4, reduction="none")
    plain.draws.copy_(weighted.draws)
    x, labels = normal(N, D).float(), labels_of(7)
    expected = (plain(x, labels) * factors[labels]).sum() / factors[labels].sum()
    close(weighted(x, labels), expected)
    plain.draws.copy_(weighted.draws)
    with torch.autocast("cpu", torch.bfloat16):
        found = weighted(x, labels)
    assert found.dtype == torch.float32
    close(found, (plain(x, labels) * factors[labels]).sum() / factors[labels].sum(), rtol=3e-2, atol=0)


@check(4)
def as_many_candidates_as_classes_are_the_full_softmax(mesh):
    module, weight, bias = sharded(mesh, 5, bias=True, num_candidates=9)
    agree(module, weight, bias, normal(N, D), labels_of(5), F.cross_entropy)


@check(4)
def the_sampled_loss_has_second_derivatives(mesh):
    module, weight, _ = sharded(mesh, 5, num_candidates=9)
    x, labels = normal(N, D), labels_of(5)
    ours, theirs = (x.clone().requires_grad_() for _ in range(2))
    (first,) = torch.autograd.grad(module(ours, labels), ours, create_graph=True)
    (expected,) = torch.autograd.grad(F.cross_entropy(F.linear(theirs, weight), labels), theirs, create_graph=True)
    close(first, expected)
    found = torch.autograd.grad(first.square().sum(), [ours, module.linear.weight])
    close([found[0], found[1].full_tensor()], list(torch.autograd.grad(expected.square().sum(), [theirs, weight])))


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, D, dtype=torch.float64)
        with torch.no_grad():
            self.first.weight.copy_(normal(D, 4, seed=8))
            self.first.bias.copy_(normal(D, seed=9))

    def forward(self, x):
        return self.first(x).tanh()


@check(4)
def rows_of_all_processes_are_gathered(mesh):
    """The mean of DistributedDataParallel takes back the sum over processes of the features' gradients."""
    module, weight, _ = sharded(mesh, 7)
    x, labels = normal(N, 4), labels_of(7)
    network, alone = Network(), Network()
    spread = torch.nn.parallel.DistributedDataParallel(network)
    mine = slice(3 * dist.get_rank(), 3 * dist.get_rank() + 3)
    features = DTensor.from_local(spread(x[mine]), mesh, [Shard(0)]).full_tensor(grad_placements=[Partial()])
    all_labels = DTensor.from_local(labels[mine], mesh, [Shard(0)]).full_tensor()
    module(features, all_labels).backward()
    F.cross_entropy(F.linear(alone(x), weight), labels).backward()
    close(gradients(module)[0], weight.grad)
    close(network.first.weight.grad, alone.first.weight.grad)


@check(4)
def one_dimension_of_a_larger_mesh(mesh):
    both = init_device_mesh("cpu", (2, 2), mesh_dim_names=("rows", "classes"))
    module, weight, bias = sharded(both["classes"], 5, bias=True)
    x, labels = normal(N, D), labels_of(5)
    mine = slice(6 * both["rows"].get_local_rank(), 6 * both["rows"].get_local_rank() + 6)
    loss = module(x[mine], labels[mine])
    loss.backward()
    for parameter in module.parameters():
        local = parameter.grad.to_local()
        dist.all_reduce(local, group=both.get_group("rows"))
        local /= 2
    F.cross_entropy(F.linear(x, weight, bias), labels).backward()
    close(gradients(module), [weight.grad, bias.grad])
    refused(
        ValueError,
        "mesh: has 2 dimensions, expected 1; pass the one that the classes are spread over",
        lambda: lt.ShardedLinearCrossEntropyLoss(D, 5, both),
    )


@check(4)
def fully_sharded_over_the_other_dimension(mesh):
    both = init_device_mesh("cpu", (2, 2), mesh_dim_names=("rows", "classes"))
    module, weight, _ = sharded(both["classes"], 7)
    network, alone = Network(), Network()
    for part in (network, module):
        fully_shard(part, mesh=both["rows"])
    x, labels = normal(N, 4), labels_of(7)
    mine = slice(6 * both["rows"].get_local_rank(), 6 * both["rows"].get_local_rank() + 6)
    module(network(x[mine]), labels[mine]).backward()
    F.cross_entropy(F.linear(alone(x), weight), labels).backward()
    close(gradients(module)[0], weight.grad)
    close(network.first.weight.grad.full_tensor(), alone.first.weight.grad)


@check(4)
def a_norm_over_all_processes_is_clipped(mesh):
    module, weight, bias = sharded(mesh, 5, bias=True)
    module(normal(N, D), labels_of(5)).backward()
    F.cross_entropy(F.linear(normal(N, D), weight, bias), labels_of(5)).backward()
    found = torch.nn.utils.clip_grad_norm_(module.parameters(), 0.01).full_tensor()
    close(found, torch.nn.utils.clip_grad_norm_([weight, bias], 0.01))
    close(gradients(module), [weight.grad, bias.grad])


@check(4)
def copied_and_built_without_numbers(mesh):
    module, _, _ = sharded(mesh, 5, bias=True)
    x, labels = normal(N, D), labels_of(5)
    twin = copy.deepcopy(module)
    assert torch.equal(twin(x, labels), module(x, labels))
    with torch.no_grad():
        twin.linear.weight.zero_()
    assert not torch.equal(twin(x, labels), module(x, labels))
    torch.manual_seed(3)
    whole = lt.ShardedLinearCrossEntropyLoss(D, 5, mesh, num_candidates=3)
    torch.manual_seed(3)
    later = lt.ShardedLinearCrossEntropyLoss(D, 5, mesh, num_candidates=3, device="meta")
    later.to_empty(device="cpu").reset_parameters()
    assert torch.equal(later.linear.weight.full_tensor(), whole.linear.weight.full_tensor())
    assert torch.equal(later.draws, whole.draws)


@check(2)
def compiled_programs_leave_it_to_python(mesh):
    module, _, _ = sharded(mesh, 5, bias=True)
    x, labels = normal(N, D).requires_grad_(), labels_of(5)
    (expected,) = torch.autograd.grad(2 * module(3 * x, labels), x)
    program = torch.compile(lambda x: 2 * module(3 * x, labels), backend="eager")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own, of a graph that ends here
        (found,) = torch.autograd.grad(program(x), x)
    close(found, expected)


def trained(mesh, steps):
    module, _, _ = sharded(mesh, 11, bias=True)
    optimizer = torch.optim.Adam(module.parameters(), 0.1)
    for _ in range(steps):
        step(module, optimizer)
    return module, optimizer


def step(module, optimizer):
    optimizer.zero_grad()
    module(normal(N, D), labels_of(11)).backward()
    optimizer.step()


@check(4)
def a_checkpoint_is_saved(mesh):
    module, optimizer = trained(mesh, 3)
    model_state, optimizer_state = get_state_dict(module, optimizer)
    checkpoint.save({"model": model_state, "optimizer": optimizer_state}, checkpoint_id=FOLDER / "checkpoint")
    step(module, optimizer)
    torch.save([p.detach().full_tensor() for p in module.parameters()], FOLDER / "next.pt")
    drawing, _, _ = sharded(mesh, 11, num_candidates=4)
    drawing(normal(N, D), labels_of(11))
    checkpoint.save(drawing.state_dict(), checkpoint_id=FOLDER / "drawing")
    torch.save(drawing.draws, FOLDER / "draws.pt")


@check(3, 2)
def a_checkpoint_of_four_goes_on(mesh):
    module = lt.ShardedLinearCrossEntropyLoss(D, 11, mesh, bias=True, dtype=torch.float64)
    optimizer = torch.optim.Adam(module.parameters(), 0.1)
    model_state, optimizer_state = get_state_dict(module, optimizer)
    state = {"model": model_state, "optimizer": optimizer_state}
    checkpoint.load(state, checkpoint_id=FOLDER / "checkpoint")
    set_state_dict(module, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
    step(module, optimizer)
    close([p.detach().full_tensor() for p in module.parameters()], torch.load(FOLDER / "next.pt"))
    drawing = lt.ShardedLinearCrossEntropyLoss(D, 11, mesh, dtype=torch.float64, num_candidates=4)
    state = drawing.state_dict()
    checkpoint.load(state, checkpoint_id=FOLDER / "drawing")
    drawing.load_state_dict(state)
    assert torch.equal(drawing.draws, torch.load(FOLDER / "draws.pt"))
    assert drawing.draws[1] == 1
    assert drawing(normal(N, D), labels_of(11)).isfinite()


def run(size, rank):
    """The results of the checks, up to the first that fails: then the others would wait for this process."""
    dist.init_process_group(
        "gloo",
        init_method=f"file://{FOLDER / f'store-{size}'}",
        rank=rank,
        world_size=size,
        timeout=timedelta(minutes=10),
    )
    torch.set_num_threads(1)
    mesh, results = init_device_mesh("cpu", (size,)), {}
    for function in CHECKS[size]:
        try:
            function(mesh)
        except BaseException:
            results[function.__name__] = traceback.format_exc()
            break
        results[function.__name__] = "passed"
    (FOLDER / f"results-{size}-{rank}.json").write_text(json.dumps(results))


def main():
    ll.samplers.Uniform(9).sample(3)  # loads its kernel, once for all
    for size in SIZES:
        children = []
        for rank in range(size):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # NumPy has threads, which do nothing now
                child = os.fork()
            if child == 0:
                try:
                    run(size, rank)
                finally:
                    os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)


if __name__ == "__main__":
    main()

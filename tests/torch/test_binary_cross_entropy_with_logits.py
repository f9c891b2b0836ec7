import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

import lastlayer.torch as lt
from lastlayer.torch.binary_cross_entropy_with_logits import _composed as composed
from tests.oracles import binary as oracle

either_way = pytest.mark.parametrize("run", [lt.binary_cross_entropy_with_logits, composed])
INF = math.inf


@either_way
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_against_the_definition(run, dtype):
    logits = torch.tensor([-1e4, -30.0, -1.0, 0.0, 0.5, 30.0, 1e4], dtype=dtype)
    for target in (0.0, 0.3, 1.0):
        found = run(logits, torch.full_like(logits, target), reduction="none")
        given = torch.tensor(target, dtype=dtype).item()
        expected = torch.tensor([float(oracle.cross_entropy(z, given)) for z in logits.tolist()], dtype=torch.float64)
        bound = {torch.float32: 4e-7, torch.float64: 4e-16}[dtype]
        torch.testing.assert_close(found.double(), expected, rtol=4 * bound, atol=8 * bound)


@either_way
def test_trap_05_what_has_no_part_in_the_target_takes_infinity_out(run):
    logits = torch.tensor([-INF, INF, 1.0], requires_grad=True)
    targets = torch.tensor([0.0, 1.0, 1.0])
    assert F.binary_cross_entropy_with_logits(logits, targets).isnan()
    for reduction in ("none", "sum", "mean"):
        found = run(logits, targets, reduction=reduction)
        expected = torch.tensor([0.0, 0.0, math.log1p(math.exp(-1.0))])
        expected = {"none": expected, "sum": expected.sum(), "mean": expected.mean()}[reduction]
        torch.testing.assert_close(found, expected)
        (gradient,) = torch.autograd.grad(found.sum(), logits)
        assert gradient[:2].tolist() == [0.0, 0.0]
        assert gradient.isfinite().all()


@either_way
def test_trap_05_a_weight_of_0_takes_infinity_out_but_does_not_hide_nan(run):
    logits = torch.tensor([-INF, INF, math.nan, 1.0], requires_grad=True)
    weight = torch.tensor([0.0, 0.0, 0.0, 2.0])
    losses = run(logits, 1 - (logits > 0).float(), weight, reduction="none")
    assert losses[:2].tolist() == [0.0, 0.0]
    assert losses[2].isnan()
    (gradient,) = torch.autograd.grad(losses[:2].sum(), logits)
    assert gradient[:2].tolist() == [0.0, 0.0]
    no_yes = run(logits[:1], torch.ones(1), reduction="none", pos_weight=torch.zeros(1))
    assert no_yes.tolist() == [0.0]


@either_way
def test_what_is_impossible_and_wanted_is_not_finite(run):
    assert not run(torch.tensor([-INF, INF]), torch.tensor([1.0, 0.0]), reduction="none").isfinite().any()
    assert not run(torch.tensor([-INF, 0.0]), torch.tensor([1.0, 0.0])).isfinite()


@either_way
@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_trap_10_a_mean_over_no_entries_is_0(run, shape):
    logits = torch.zeros(shape, requires_grad=True)
    loss = run(logits, torch.zeros(shape), pos_weight=torch.ones(()))
    assert loss == 0
    assert torch.autograd.grad(loss, logits)[0].shape == shape
    assert F.binary_cross_entropy_with_logits(logits, torch.zeros(shape)).isnan()


@either_way
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [False, True])
def test_every_option_with_every_other(run, reduction, weighted, positive):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.rand(6, 4, generator=generator, dtype=torch.float64)
    weight = torch.rand(6, 1, generator=generator, dtype=torch.float64) if weighted else None
    pos_weight = torch.rand(4, generator=generator, dtype=torch.float64) if positive else None
    found = run(logits, targets, weight, reduction, pos_weight)
    expected = F.binary_cross_entropy_with_logits(logits, targets, weight, reduction=reduction, pos_weight=pos_weight)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn(found.shape, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits, upstream)[0] for loss in (found, expected)))

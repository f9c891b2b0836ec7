import copy

import pytest
import torch
from torch import nn

import lastlayer.torch as lt


def logits(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_activations_are_those_of_torch():
    z = logits(4, 3, 5, 2)
    for ours, theirs in (
        (lt.Softmax(1), nn.Softmax(1)),
        (lt.LogSoftmax(-1), nn.LogSoftmax(-1)),
        (lt.Softmax2d(), nn.Softmax2d()),
        (lt.Sigmoid(), nn.Sigmoid()),
    ):
        torch.testing.assert_close(ours(z), theirs(z))


def test_beta_may_be_learned():
    module = lt.Softmax(beta=nn.Parameter(torch.tensor(2.0)))
    assert [name for name, _ in module.named_parameters()] == ["beta"]
    module(logits(3, 4))[:, 0].sum().backward()
    assert module.beta.grad is not None
    assert "beta" in lt.Softmax(beta=torch.tensor(2.0)).state_dict()
    assert repr(lt.LogSoftmax(1, beta=0.5)) == "LogSoftmax(dim=1, beta=0.5)"


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (4,), (2, 4, 3)])
def test_cross_entropy_loss_with_probabilities(shape, weighted, smoothing, reduction):
    z = logits(*shape).double().requires_grad_()
    target = torch.softmax(logits(*shape).double().flip(0), min(1, len(shape) - 1))
    weight = torch.tensor([0.5, 1.0, 2.0, 0.1], dtype=torch.float64) if weighted else None
    options = {"reduction": reduction, "label_smoothing": smoothing}
    found, expected = (
        lt.CrossEntropyLoss(weight, **options)(z, target),
        nn.CrossEntropyLoss(weight, **options)(z, target),
    )
    torch.testing.assert_close(found, expected)
    upstream = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(*(torch.autograd.grad(loss, z, upstream)[0] for loss in (found, expected)))


def test_states_are_exchanged_with_torch():
    weight = torch.tensor([1.0, 2.0])
    ours, theirs = lt.CrossEntropyLoss(weight), nn.CrossEntropyLoss(weight)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    binary = lt.BCEWithLogitsLoss(pos_weight=weight)
    assert list(binary.state_dict()) == list(nn.BCEWithLogitsLoss(pos_weight=weight).state_dict())
    assert torch.equal(copy.deepcopy(ours).weight, weight)
    assert "label_smoothing=0.0" in repr(ours)


def test_a_network_learns_with_it():
    torch.manual_seed(0)
    features = torch.randn(300, 5)
    labels = features[:, :3].argmax(1)
    model, loss = nn.Linear(5, 3), lt.CrossEntropyLoss(label_smoothing=0.05)
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    first = loss(model(features), labels).item()
    for _ in range(60):
        optimiser.zero_grad()
        loss(model(features), labels).backward()
        optimiser.step()
    assert loss(model(features), labels).item() < 0.6 * first


def test_softmax2d_wants_channels():
    with pytest.raises(ValueError, match=r"expected \(N, C, H, W\) or \(C, H, W\)"):
        lt.Softmax2d()(logits(3, 4))

import copy
import inspect

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
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


def test_modules_are_those_of_torch():
    modules = [
        name for name in lt.__all__ if isinstance(getattr(lt, name), type) and issubclass(getattr(lt, name), nn.Module)
    ]
    pairs = {name: (getattr(lt, name), getattr(nn, name, None)) for name in modules}
    theirs = {name: pair for name, pair in pairs.items() if pair[1] is not None}
    of_ours = {
        "LinearCrossEntropyLoss",
        "SampledLinearCrossEntropyLoss",
        "ShardedLinearCrossEntropyLoss",
        "TemperatureScaling",
    }
    assert set(pairs) - set(theirs) <= of_ours
    theirs.pop("LinearCrossEntropyLoss", None)  # which PyTorch has since 2.13, with arguments that have no default
    for ours, of_torch in theirs.values():
        assert issubclass(ours, of_torch)
        options = list(inspect.signature(ours).parameters.values())
        of_ours = [option for option in options if option.kind is option.POSITIONAL_OR_KEYWORD]
        assert [(option.name, option.default) for option in of_ours] == [
            (option.name, option.default)
            for option in inspect.signature(of_torch).parameters.values()
            if option.kind is option.POSITIONAL_OR_KEYWORD
        ]
        assert {option.name for option in options if option.kind is option.KEYWORD_ONLY} <= {"beta"}
        assert repr(ours()) == repr(of_torch())
        assert list(inspect.signature(ours.forward).parameters) == list(inspect.signature(of_torch.forward).parameters)


def test_beta_may_be_learned():
    module = lt.Softmax(1, beta=nn.Parameter(torch.tensor(2.0)))
    assert [name for name, _ in module.named_parameters()] == ["beta"]
    module(logits(3, 4))[:, 0].sum().backward()
    assert module.beta.grad is not None
    assert "beta" in lt.Softmax(beta=torch.tensor(2.0)).state_dict()
    assert repr(lt.LogSoftmax(1, beta=0.5)) == "LogSoftmax(dim=1, beta=0.5)"
    assert repr(lt.Softmax2d(beta=torch.tensor(2.0))) == "Softmax2d(beta=2.0)"


def test_modules_without_numbers_get_them_later():
    with torch.device("meta"):
        modules = [
            lt.Softmax(1, beta=nn.Parameter(torch.ones(()))),
            lt.CrossEntropyLoss(torch.ones(4)),
            lt.BCEWithLogitsLoss(pos_weight=torch.ones(4)),
            lt.TemperatureScaling(),
        ]
    for module in modules:
        assert isinstance(repr(module), str)
        state = {name: torch.full(tensor.shape, 0.5) for name, tensor in module.state_dict().items()}
        module.to_empty(device="cpu").load_state_dict(state)
        arguments = (logits(3, 4),) if "Loss" not in repr(module) else (logits(3, 4), logits(3, 4).sigmoid())
        assert module(*arguments).isfinite().all()


def test_the_old_options_of_losses_mean_what_they_meant():
    z, labels = logits(5, 4), torch.arange(5) % 4
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        assert torch.equal(lt.CrossEntropyLoss(None, False)(z, labels), F.cross_entropy(z, labels, reduction="sum"))


def test_states_are_exchanged_with_torch():
    weight = torch.tensor([1.0, 2.0])
    ours, theirs = lt.CrossEntropyLoss(weight), nn.CrossEntropyLoss(weight)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    binary = lt.BCEWithLogitsLoss(pos_weight=weight)
    assert list(binary.state_dict()) == list(nn.BCEWithLogitsLoss(pos_weight=weight).state_dict())
    assert torch.equal(copy.deepcopy(ours).weight, weight)


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


DEPRECATED = {"size_average", "reduce"}
TWINS = {
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "cross_entropy": F.cross_entropy,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
    "nll": F.nll_loss,
}


@pytest.mark.parametrize("name", TWINS)
def test_signatures_are_those_of_torch(name):
    """Names, positions and defaults, without the deprecated size_average and reduce; what is ours is keyword-only."""
    ours, theirs = (inspect.signature(function).parameters.values() for function in (getattr(lt, name), TWINS[name]))
    expected = [(option.name, option.default) for option in theirs if option.name not in DEPRECATED]
    assert [(o.name, o.default) for o in ours if o.kind is not o.KEYWORD_ONLY] == expected
    assert {o.name for o in ours if o.kind is o.KEYWORD_ONLY} <= {"beta"}

import copy
import importlib.util
import inspect
import io
import pickle
import sys

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import nn

import lastlayer.torch as lt

generator = torch.Generator().manual_seed(0)
X = torch.randn(6, 5, generator=generator)
Y = torch.tensor([0, 3, -100, 2, 1, 1])
WEIGHT = torch.tensor([0.5, 0.0, 1.0, 2.0])
has_twin = pytest.mark.skipif(not hasattr(nn, "LinearCrossEntropyLoss"), reason="PyTorch is older than 2.13")
OPTIONS = [
    {},
    {"bias": True, "weight": WEIGHT, "label_smoothing": 0.1, "ignore_index": 3, "reduction": "sum"},
    {"out_features": (2, 3), "bias": True},
]


@pytest.fixture(params=["of this PyTorch", "of an older one"])
def module(request, monkeypatch):
    """The class, and the one that is there where torch.nn has none."""
    if request.param == "of this PyTorch":
        return lt.LinearCrossEntropyLoss
    monkeypatch.delattr(nn, "LinearCrossEntropyLoss", raising=False)
    path = sys.modules["lastlayer.torch.linear_cross_entropy_loss"].__file__
    spec = importlib.util.spec_from_file_location("older_loss", path)
    older = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "older_loss", older)
    spec.loader.exec_module(older)
    assert issubclass(older.LinearCrossEntropyLoss, nn.Module)
    return older.LinearCrossEntropyLoss


def target_of(ignore_index=None, out_features=(), **_):
    if out_features:
        return torch.randint(0, 4, (6, *out_features), generator=generator)
    return Y if ignore_index is None else Y.masked_fill(Y == -100, ignore_index)


@pytest.mark.parametrize("options", OPTIONS)
def test_the_loss_of_its_head(module, options):
    loss = module(5, 4, **options, soft_cap=3.0, z_loss=0.1)
    target = target_of(**options)
    shape = (4, *options.get("out_features", ()))
    z = F.linear(X, loss.linear.weight, loss.linear.bias).reshape(6, *shape)
    z = 3.0 * torch.tanh(z / 3.0)
    ignored = options.get("ignore_index", -100)
    given = {"weight": options.get("weight"), "label_smoothing": options.get("label_smoothing", 0.0)}
    losses = F.cross_entropy(z, target, ignore_index=ignored, reduction="none", **given)
    losses = losses + 0.1 * z.logsumexp(1).square().masked_fill(target == ignored, 0.0)
    expected = losses.sum() if loss.reduction == "sum" else losses.sum() / (target != ignored).sum()
    found = loss(X, target)
    torch.testing.assert_close(found, expected)
    parameters = list(loss.parameters())
    torch.testing.assert_close(torch.autograd.grad(found, parameters), torch.autograd.grad(expected, parameters))


@has_twin
@pytest.mark.parametrize("options", OPTIONS)
def test_states_and_printing_are_those_of_torch(options, module):
    theirs = nn.LinearCrossEntropyLoss if hasattr(nn, "LinearCrossEntropyLoss") else lt.LinearCrossEntropyLoss.__base__
    ours, other = module(5, 4, **options), theirs(5, 4, **options)
    assert list(ours.state_dict()) == list(other.state_dict())
    other.load_state_dict(ours.state_dict())
    assert repr(ours) == repr(other)
    target = target_of(**options)
    if "weight" not in options:
        torch.testing.assert_close(ours(X, target), other(X, target))


@has_twin
def test_the_constructor_is_that_of_torch():
    assert issubclass(lt.LinearCrossEntropyLoss, nn.LinearCrossEntropyLoss)
    ours, theirs = (
        {name: (option.kind, option.default) for name, option in inspect.signature(f).parameters.items()}
        for f in (lt.LinearCrossEntropyLoss, nn.LinearCrossEntropyLoss)
    )
    assert set(ours) - set(theirs) == {"soft_cap", "z_loss"}
    assert list(ours)[: len(theirs)] == list(theirs)
    assert all(ours[name] == theirs[name] for name in theirs)


@has_twin
def test_the_function_has_the_signature_of_torch():
    ours, theirs = (
        {name: (option.kind, option.default) for name, option in inspect.signature(f).parameters.items()}
        for f in (lt.linear_cross_entropy, F.linear_cross_entropy)
    )
    assert list(ours)[: len(theirs)] == list(theirs)
    assert all(ours[name] == theirs[name] for name in theirs)
    assert all(ours[name][0] is inspect.Parameter.KEYWORD_ONLY for name in set(ours) - set(theirs))


def test_copied_pickled_and_saved(module):
    loss = module(5, 4, bias=True, weight=WEIGHT, soft_cap=3.0, z_loss=0.1)
    assert repr(loss).splitlines()[0].endswith("LinearCrossEntropyLoss(")
    assert "soft_cap=3.0, z_loss=0.1" in loss.extra_repr()
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(twin(X, Y), loss(X, Y))
        assert repr(twin) == repr(loss)
    buffer = io.BytesIO()
    torch.save(loss.state_dict(), buffer)
    buffer.seek(0)
    other = module(5, 4, bias=True, weight=torch.ones(4), soft_cap=3.0, z_loss=0.1)
    other.load_state_dict(torch.load(buffer))
    assert torch.equal(other(X, Y), loss(X, Y))


def test_it_learns():
    torch.manual_seed(0)
    loss = lt.LinearCrossEntropyLoss(5, 4, bias=True, label_smoothing=0.05)
    features = torch.randn(200, 5, generator=generator)
    labels = features[:, :4].argmax(1)
    optimiser = torch.optim.SGD(loss.parameters(), lr=1.0)
    first = loss(features, labels).item()
    for _ in range(60):
        optimiser.zero_grad()
        loss(features, labels).backward()
        optimiser.step()
    assert loss(features, labels).item() < 0.7 * first


@pytest.mark.parametrize("bad", [{"soft_cap": 0.0}, {"z_loss": -1.0}])
def test_what_does_not_fit(module, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        module(5, 4, **bad)


PROGRAMS = [lt.LinearCrossEntropyLoss(5, 4, **options, soft_cap=3.0, z_loss=0.1) for options in OPTIONS]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("loss", PROGRAMS)
def test_trap_40_recorded_and_scripted(loss):
    target = target_of(loss.ignore_index, loss.out_features)
    expected = loss(X, target)
    torch.testing.assert_close(torch.fx.symbolic_trace(loss)(X, target), expected)
    torch.testing.assert_close(torch.jit.trace(loss, (X, target))(X, target), expected)
    torch.testing.assert_close(torch.jit.script(loss)(X, target), expected)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_trap_40_exported():
    """Classes in several dimensions; those in one are among the programs of test_export.py."""
    loss = PROGRAMS[-1]
    target, rows = target_of(loss.ignore_index, loss.out_features), torch.export.Dim("rows", min=2)
    program = torch.export.export(loss, (X, target), dynamic_shapes=({0: rows}, {0: rows})).run_decompositions()
    torch.testing.assert_close(program.module()(X, target), loss(X, target))
    torch.testing.assert_close(program.module()(X[:4], target[:4]), loss(X[:4], target[:4]))
    targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert all(name.startswith(("aten.", "<built-in function", "sym_")) for name in targets), targets


def scripted(features: torch.Tensor, head: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return lt.linear_cross_entropy(features, head, labels, soft_cap=2.0, z_loss=0.1, reduction="none")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_trap_40_torch_jit_scripts_functions():
    head = torch.randn(4, 5, generator=generator)
    torch.testing.assert_close(torch.jit.script(scripted)(X, head, Y), scripted(X, head, Y))
    probabilities = torch.rand(6, 4, generator=generator)
    torch.testing.assert_close(torch.jit.script(scripted)(X, head, probabilities), scripted(X, head, probabilities))

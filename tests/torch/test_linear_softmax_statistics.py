import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

import lastlayer.torch as lt
from lastlayer.torch import _tiles

generator = torch.Generator().manual_seed(0)
X, W, B = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((7, 4), (11, 4), (11,)))


@pytest.fixture(params=["one tile", "tiles of classes", "blocks of rows"], autouse=True)
def tiling(request, monkeypatch):
    sizes = {
        "tiles of classes": _tiles.Scratch(on_cpu=12 * 40, least_classes=2, compiled_tiles=4),
        "blocks of rows": _tiles.Scratch(on_cpu=12 * 9, least_classes=3, compiled_tiles=2),
    }
    monkeypatch.setattr(_tiles, "SCRATCH", sizes.get(request.param, _tiles.SCRATCH))


def definition(z):
    p = torch.exp(z - z.amax(1, keepdim=True))
    p /= p.sum(1, keepdim=True)
    return z.logsumexp(1), z.argmax(1), -torch.special.xlogy(p, p).sum(1)


def agree(found, z):
    lse, predicted, entropy = definition(z)
    torch.testing.assert_close(found.logsumexp, lse)
    assert torch.equal(found.predicted, predicted)
    torch.testing.assert_close(found.entropy, entropy)


@pytest.mark.parametrize("soft_cap", [None, 2.0])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_against_the_definition(soft_cap, scale):
    z = F.linear(X * scale, W, B)
    z = z if soft_cap is None else soft_cap * torch.tanh(z / soft_cap)
    agree(lt.linear_softmax_statistics(X * scale, W, linear_bias=B, soft_cap=soft_cap), z)


def test_every_shape():
    one = lt.linear_softmax_statistics(X[0], W)
    assert [tuple(tensor.shape) for tensor in one] == [(), (), ()]
    weight = torch.randn(11, 2, 3, 4, generator=generator, dtype=torch.float64)
    found = lt.linear_softmax_statistics(X, weight)
    assert [tuple(tensor.shape) for tensor in found] == [(7, 2, 3)] * 3
    agree(found, F.linear(X, weight.reshape(-1, 4)).reshape(7, 11, 2, 3))
    assert [tuple(tensor.shape) for tensor in lt.linear_softmax_statistics(X[:0], W)] == [(0,)] * 3


def test_the_first_of_equals_and_the_entropy_of_equals():
    found = lt.linear_softmax_statistics(torch.zeros(3, 4), torch.zeros(11, 4))
    assert (found.predicted == 0).all()
    torch.testing.assert_close(found.entropy, torch.full((3,), math.log(11)))


def test_trap_02_trap_03_impossible_classes():
    bias = B.clone()
    bias[:6] = -math.inf
    bias[8] = -math.inf
    agree(lt.linear_softmax_statistics(X, W, linear_bias=bias), F.linear(X, W, bias))
    certain = torch.full((11,), -math.inf, dtype=torch.float64)
    certain[4] = 0.0
    found = lt.linear_softmax_statistics(X, W, linear_bias=certain)
    assert (found.predicted == 4).all()
    assert (found.entropy == 0).all()


def test_half_precision_and_no_gradient():
    found = lt.linear_softmax_statistics(X.bfloat16().requires_grad_(), W.bfloat16())
    assert [tensor.dtype for tensor in found] == [torch.float32, torch.int64, torch.float32]
    assert not any(tensor.requires_grad for tensor in found)
    agree(found, F.linear(X.bfloat16(), W.bfloat16()).float())


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
def test_compiles_and_exports():
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: tuple(lt.linear_softmax_statistics(x, W)), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(X), tuple(lt.linear_softmax_statistics(X, W)))
    meta = lt.linear_softmax_statistics(X.to("meta"), W.to("meta"))
    assert meta.entropy.shape == (7,)


def test_what_does_not_fit():
    with pytest.raises(TypeError, match=r"input: received a numpy\.ndarray"):
        lt.linear_softmax_statistics(X.numpy(), W)
    with pytest.raises(ValueError, match="soft_cap: received -1"):
        lt.linear_softmax_statistics(X, W, soft_cap=-1)

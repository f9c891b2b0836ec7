"""The loss of a linear head in tiles, against float64 definitions, PyTorch's own and all that PyTorch does to it."""

import itertools
import math
import shutil
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
import torch.utils.checkpoint
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import lastlayer.torch as lt
from lastlayer.torch import _linear_gradients, _linear_log_probabilities, _logit_tiles, _tiles, fast_path

generator = torch.Generator().manual_seed(0)
N, D, K = 7, 4, 11


def numbers(*shape, dtype=torch.float64, scale=1.0):
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype)


X, W, B = numbers(N, D), numbers(K, D), numbers(K)
Y = torch.randint(0, K, (N,), generator=generator)
Y[2] = -100
TARGETS = torch.rand(N, K, generator=generator, dtype=torch.float64)
WEIGHT = torch.rand(K, generator=generator, dtype=torch.float64)
WEIGHT[3] = 0.0
W3, B3 = numbers(K, 2, 3, D), numbers(K, 2, 3)
Y3 = torch.randint(0, K, (N, 2, 3), generator=generator)
Y3[1], Y3[0, 1, 1] = -100, -100
PROGRAMS = {
    "plain": lambda x, w, b: lt.linear_cross_entropy(x, w, Y),
    "of each, with a bias": lambda x, w, b: lt.linear_cross_entropy(x, w, Y, linear_bias=b, reduction="none"),
    "everything": lambda x, w, b: lt.linear_cross_entropy(
        x, w, Y, linear_bias=b, weight=WEIGHT, label_smoothing=0.1, soft_cap=3.0, z_loss=0.3, reduction="sum"
    ),
    "probabilities": lambda x, w, b: lt.linear_cross_entropy(
        x, w, TARGETS, linear_bias=b, weight=WEIGHT, label_smoothing=0.1, z_loss=0.2, reduction="none"
    ),
}
every_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)


SMALL_TILES = _tiles.Scratch(on_cpu=12 * 40, least_classes=2, compiled_tiles=4, in_cache=40)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Rows of all examples, classes in tiles."""
    monkeypatch.setattr(_tiles, "SCRATCH", SMALL_TILES)


@pytest.fixture(
    params=[
        *("one tile", "tiles of classes", "compiled kernels"),
        *(pytest.param(tiling, marks=pytest.mark.thorough) for tiling in ("blocks of rows", "passes saved")),
    ]
)
def tiling(request, small_tiles, monkeypatch):
    """How the logits are divided; and with the passes over memory that are saved on a GPU."""
    whole, blocks = _tiles.Scratch(), _tiles.Scratch(on_cpu=12 * 9, least_classes=3)
    sizes = {"one tile": whole, "blocks of rows": blocks}
    monkeypatch.setattr(_tiles, "SCRATCH", sizes.get(request.param, SMALL_TILES))
    if request.param == "compiled kernels":
        monkeypatch.setattr(fast_path, "_LEAST_LINEAR", 0)
    if request.param == "passes saved":
        save_passes(monkeypatch)


def save_passes(monkeypatch):
    """Take the ways of a GPU, whose products of half precision are in float32."""
    saved = {
        "has_fused_rows": lambda tensor: True,
        "has_wide_products": lambda tensor: tensor.dtype in _logit_tiles.HALF,
        "write_wide_product": lambda result, left, right: result.copy_(left.float() @ right.float()),
        "add_wide_product": lambda sums, left, right: sums.addmm_(left.float(), right.float()),
    }
    for module, (name, function) in itertools.product((_logit_tiles, _linear_gradients), saved.items()):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, function)


every_tiling = pytest.mark.usefixtures("tiling")


def leaves(*tensors):
    return [tensor.detach().clone().requires_grad_() for tensor in tensors]


def definition(x, w, target, *, b=None, weight=None, ignored=-100, smoothing=0.0, soft_cap=None, z_loss=0.0):
    """The loss of each row in float64, from whole tables; and the weight by which a mean divides."""
    z = x.double() @ w.double().T + (0.0 if b is None else b.double())
    z = z if soft_cap is None else soft_cap * torch.tanh(z / soft_cap)
    lse = torch.log(torch.exp(z).sum(1, keepdim=True))
    labelled = not target.is_floating_point()
    kept = target != ignored if labelled else torch.ones(len(x), dtype=torch.bool)
    table = torch.eye(len(w), dtype=torch.float64)[target.masked_fill(~kept, 0)] if labelled else target.double()
    weights = torch.ones(len(w), dtype=torch.float64) if weight is None else weight.double()
    given = (1 - smoothing) * table + smoothing / len(w)
    losses = (given * weights * (lse - z)).sum(1) + z_loss * lse[:, 0] ** 2
    divisor = (table * weights).sum(1)[kept].sum() if labelled else len(x)
    return torch.where(kept, losses, 0.0), divisor


def reduce(losses, divisor, reduction):
    if reduction == "none":
        return losses
    return losses.sum() / divisor if reduction == "mean" else losses.sum()


CHOICES = ([False, True], [False, True], [0.0, 0.2], [None, 3], [None, 2.5], [0.0, 0.1], ["labels", "ps"])
# Any six options in all their combinations: of the seven choices, those whose numbers have an even sum.
GRID = [
    [choice[i] for choice, i in zip(CHOICES, numbers, strict=True)]
    for numbers in itertools.product((0, 1), repeat=len(CHOICES))
    if sum(numbers) % 2 == 0
]


@every_tiling
@pytest.mark.parametrize(("biased", "weighted", "smoothing", "ignored", "soft_cap", "z_loss", "kind"), GRID)
def test_trap_11_every_option_with_every_other(biased, weighted, smoothing, ignored, soft_cap, z_loss, kind):
    labels = Y.clone()
    labels[labels == -100] = -100 if ignored is None else ignored
    target = labels if kind == "labels" else TARGETS
    ignored = ignored if kind == "labels" else None
    weight = WEIGHT if weighted else None
    ours, theirs = leaves(X, W, B), leaves(X, W, B)
    of_each, divisor = definition(
        theirs[0],
        theirs[1],
        target,
        b=theirs[2] if biased else None,
        weight=weight,
        ignored=-100 if ignored is None else ignored,
        smoothing=smoothing,
        soft_cap=soft_cap,
        z_loss=z_loss,
    )
    for reduction in ("none", "sum", "mean"):
        found = lt.linear_cross_entropy(
            ours[0],
            ours[1],
            target,
            linear_bias=ours[2] if biased else None,
            weight=weight,
            reduction=reduction,
            ignore_index=ignored,
            label_smoothing=smoothing,
            soft_cap=soft_cap,
            z_loss=z_loss,
        )
        expected = reduce(of_each, divisor, reduction)
        torch.testing.assert_close(found, expected)
        upstream = numbers(*found.shape)
        wanted = 3 if biased else 2
        gradients = [
            torch.autograd.grad(loss, tensors[:wanted], upstream, retain_graph=True)
            for loss, tensors in ((found, ours), (expected, theirs))
        ]
        torch.testing.assert_close(*gradients)
    for tensor, before in zip(ours, (X, W, B), strict=True):
        assert torch.equal(tensor, before)


@every_tiling
@pytest.mark.skipif(not hasattr(F, "linear_cross_entropy"), reason="PyTorch is older than 2.13")
@pytest.mark.parametrize("shape", ["a row", "rows", "rows of one", "positions"])
@pytest.mark.parametrize("kind", ["labels", "probabilities"])
@pytest.mark.parametrize(
    "options", [None, pytest.param({"batch_chunk_size": 2, "chunking_method": None}, marks=pytest.mark.thorough)]
)
def test_the_answers_of_pytorch(shape, kind, options):
    rows = {"a row": (D,), "rows": (N, D), "rows of one": (1, D), "positions": (N, D)}[shape]
    positions = (2, 3) if shape == "positions" else ()
    x, w, b = leaves(numbers(*rows), numbers(K, *positions, D), numbers(K, *positions))
    if kind == "labels":
        target = torch.randint(0, K, (*rows[:-1], *positions), generator=generator)
    else:
        target = torch.rand((*rows[:-1], K, *positions), generator=generator, dtype=torch.float64)
    chosen = None if options is None else torch.nn.LinearCrossEntropyOptions(**options)
    for reduction, smoothing, weight in itertools.product(("none", "sum", "mean"), (0.0, 0.1), (None, WEIGHT + 1)):
        given = {"linear_bias": b, "weight": weight, "reduction": reduction, "label_smoothing": smoothing}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = lt.linear_cross_entropy(x, w, target, options=chosen, **given)
        expected = F.linear_cross_entropy(x, w, target, **given)
        torch.testing.assert_close(found, expected)
        upstream = numbers(*found.shape)
        torch.testing.assert_close(
            torch.autograd.grad(found, (x, w, b), upstream), torch.autograd.grad(expected, (x, w, b), upstream)
        )


@every_tiling
def test_labels_of_positions_are_ignored_one_by_one():
    x, w, b = leaves(X, W3, B3)
    for given in ({}, {"weight": WEIGHT, "label_smoothing": 0.1}):
        found = lt.linear_cross_entropy(x, w, Y3, linear_bias=b, **given)
        logits = F.linear(x, w.reshape(-1, D), b.reshape(-1)).reshape(N, K, 2, 3)
        expected = lt.cross_entropy(logits, Y3, **given)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(torch.autograd.grad(found, (x, w, b)), torch.autograd.grad(expected, (x, w, b)))


def test_worked_example():
    features, head = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0], [1.0, 5.0], [0.1, 0.0]])
    assert round(lt.linear_cross_entropy(features, head, torch.tensor([0])).item(), 5) == 0.41703


@settings(max_examples=30)
@drawn(st.integers(1, 9), st.integers(1, 5), st.integers(1, 13), st.integers(0, 1 << 30))
def test_a_shift_of_all_logits_changes_nothing(rows, features, classes, seed):
    local = torch.Generator().manual_seed(seed)
    x, w = (torch.randn(n, features, generator=local, dtype=torch.float64) for n in (rows, classes))
    b = torch.randn(classes, generator=local, dtype=torch.float64)
    y = torch.randint(0, classes, (rows,), generator=local)
    found = lt.linear_cross_entropy(x, w, y, linear_bias=b, reduction="none")
    assert (found >= 0).all()
    shifted = lt.linear_cross_entropy(x, w + 1.5, y, linear_bias=b + 2.0, reduction="none")
    torch.testing.assert_close(found, shifted, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@every_program
def test_trap_13_gradients_of_any_order_are_finite_differences(program):
    given = leaves(X, W, B)
    assert torch.autograd.gradcheck(program, given, check_forward_ad=True, fast_mode=True)
    assert torch.autograd.gradgradcheck(program, given, fast_mode=True)


def test_trap_13_gradients_in_probabilities_and_at_positions():
    x, w, b, targets = leaves(X[:3], W, B, TARGETS[:3])

    def of_probabilities(x, w, b, targets):
        return lt.linear_cross_entropy(x, w, targets, linear_bias=b, weight=WEIGHT, label_smoothing=0.1)

    def of_positions(x, w, b):
        return lt.linear_cross_entropy(x, w, Y3[:3], linear_bias=b, weight=WEIGHT, soft_cap=2.0, reduction="none")

    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        assert check(of_probabilities, (x, w, b, targets), fast_mode=True)
        assert check(of_positions, leaves(X[:3], W3, B3), fast_mode=True)


def test_trap_13_third_derivatives():
    def second(x):
        loss = lt.linear_cross_entropy(x, W, Y[:2])
        (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
        return torch.autograd.grad((gradient**3).sum(), x, create_graph=True)[0]

    assert torch.autograd.gradcheck(second, leaves(X[:2]))


@every_tiling
@every_program
def test_trap_13_backward_twice_and_inputs_left_alone(program):
    given = leaves(X, W, B)
    result = program(*given)
    upstream = numbers(*result.shape)
    wanted = [tensor for tensor in given if tensor is not given[2] or program is not PROGRAMS["plain"]]
    first = torch.autograd.grad(result, wanted, upstream, retain_graph=True)
    kept = [gradient.clone() for gradient in first]
    for gradient in first:
        gradient.zero_()
    torch.testing.assert_close(list(torch.autograd.grad(result, wanted, upstream)), kept)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(result, wanted, upstream)
    for tensor, before in zip(given, (X, W, B), strict=True):
        assert torch.equal(tensor, before)


def test_trap_13_a_changed_input_is_no_silent_error():
    x, w = leaves(X, W)
    features = x * 2
    loss = lt.linear_cross_entropy(features, w, Y.clamp(min=0))
    features.mul_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_one_tensor_for_features_and_weights():
    (x,) = leaves(X)
    for again in (False, True):
        found = lt.linear_cross_entropy(x, x, torch.arange(N))
        expected = F.cross_entropy(x @ x.T, torch.arange(N))
        torch.testing.assert_close(
            torch.autograd.grad(found, x, create_graph=again), torch.autograd.grad(expected, x, create_graph=again)
        )


@pytest.mark.parametrize("needed", [(True, False), (False, True), (False, False)])
def test_only_gradients_that_are_asked_for(needed):
    x, w = X.clone().requires_grad_(needed[0]), W.clone().requires_grad_(needed[1])
    loss = lt.linear_cross_entropy(x, w, Y)
    assert loss.requires_grad == any(needed)
    if any(needed):
        loss.backward()
    assert (x.grad is not None, w.grad is not None) == needed


@every_tiling
def test_trap_02_an_impossible_class_has_no_gradient():
    x, w, b = leaves(X, W, B)
    with torch.no_grad():
        b[3] = -math.inf
    labels = Y.masked_fill(Y == 3, 4)
    loss = lt.linear_cross_entropy(x, w, labels, linear_bias=b, weight=WEIGHT, label_smoothing=0.1)
    expected = lt.cross_entropy(F.linear(x, w, b), labels, WEIGHT, label_smoothing=0.1)
    torch.testing.assert_close(loss, expected)
    for gradient, other in zip(
        torch.autograd.grad(loss, (x, w, b)), torch.autograd.grad(expected, (x, w, b)), strict=True
    ):
        assert gradient.isfinite().all()
        torch.testing.assert_close(gradient, other)
    targets = TARGETS.clone()
    targets[:, 3] = 0.0
    targets.requires_grad_()
    loss = lt.linear_cross_entropy(x, w, targets, linear_bias=b)
    expected = lt.cross_entropy(F.linear(x, w, b), targets)
    torch.testing.assert_close(loss, expected)
    for gradient, other in zip(
        torch.autograd.grad(loss, (x, w, b, targets)), torch.autograd.grad(expected, (x, w, b, targets)), strict=True
    ):
        assert gradient.isfinite().all()
        torch.testing.assert_close(gradient, other)


@every_tiling
def test_trap_03_a_tile_of_impossible_classes_before_a_possible_one():
    b = B.clone()
    b[:6] = -math.inf
    labels = torch.full((N,), 7)
    found = lt.linear_cross_entropy(X, W, labels, linear_bias=b, reduction="none")
    torch.testing.assert_close(found, F.cross_entropy(F.linear(X, W, b)[:, 6:], labels - 6, reduction="none"))


@every_tiling
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_trap_04_one_bad_row_is_nan_alone(bad):
    x = X.clone()
    x[4] = bad
    losses = lt.linear_cross_entropy(x, W, Y, reduction="none")
    assert losses.isnan().nonzero().flatten().tolist() == [4]
    nothing = lt.linear_cross_entropy(X, W, Y, linear_bias=torch.full_like(B, -math.inf), reduction="none")
    assert nothing[Y != -100].isnan().all()


def test_trap_07_large_logits_with_small_gaps():
    x, w = torch.ones(1, 1, dtype=torch.float32), torch.tensor([[1e4], [1e4 + 1e-3], [1e4]])
    found = lt.linear_cross_entropy(x, w, torch.tensor([1]))
    gap = w[1].double() - w[0].double()
    torch.testing.assert_close(found.double(), torch.log1p(2 * torch.exp(-gap)).squeeze(), rtol=1e-6, atol=0)


def test_trap_08_a_confident_right_answer_keeps_its_gradient():
    x, w = leaves(torch.tensor([[1.0]]), torch.tensor([[30.0]] + [[0.0]] * (K - 1)))
    loss = lt.linear_cross_entropy(x, w, torch.tensor([0]))
    gradient = torch.autograd.grad(loss, w)[0]
    others = (K - 1) * math.exp(-30.0)
    if others > 1e-12:
        assert gradient[0].item() <= 0
    torch.testing.assert_close(gradient[1:].sum().item(), others / (1 + others), rtol=1e-6, atol=0)


@every_tiling
@pytest.mark.parametrize("wrong", [K, -1])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_trap_09_a_label_out_of_range_raises(wrong, reduction):
    labels = Y.clone()
    labels[5] = wrong
    with pytest.raises(IndexError, match=rf"target: row 5 is {wrong}, but linear_weight has {K} classes \(0 to 10\)"):
        lt.linear_cross_entropy(X, W, labels, reduction=reduction)


@pytest.mark.filterwarnings("ignore")
def test_trap_09_a_compiled_loss_of_a_wrong_label_is_nan():
    torch._dynamo.reset()
    labels = Y.clone()
    labels[5] = K
    compiled = torch.compile(lt.linear_cross_entropy, fullgraph=True, backend="aot_eager")
    assert compiled(X, W, labels).isnan()


@every_tiling
@pytest.mark.parametrize("weighted", [False, True])
def test_trap_10_a_mean_over_nothing_is_0(weighted):
    x, w = leaves(X, W)
    weight = torch.zeros(K, dtype=torch.float64) if weighted else None
    labels = Y.clamp(min=0) if weighted else torch.full_like(Y, -100)
    for given in ({}, {"label_smoothing": 0.1}, {"z_loss": 0.1}):
        loss = lt.linear_cross_entropy(x, w, labels, weight=weight, **given)
        assert loss == 0
        for gradient in torch.autograd.grad(loss, (x, w)):
            assert (gradient == 0).all()
    empty = lt.linear_cross_entropy(x[:0], w, labels[:0], weight=weight)
    assert empty == 0
    assert (torch.autograd.grad(empty, w)[0] == 0).all()
    assert lt.linear_cross_entropy(x[:0], w, labels[:0], reduction="none").shape == (0,)
    assert lt.linear_cross_entropy(x[:0], w, TARGETS[:0]) == 0


@every_tiling
@pytest.mark.parametrize("kind", ["negative", "zero", "large"])
def test_trap_12_any_upstream_gradient(kind):
    x, w, b = leaves(X, W, B)
    upstream = {"negative": -numbers(N).abs(), "zero": torch.zeros(N).double(), "large": 1e30 * numbers(N)}[kind]
    found = lt.linear_cross_entropy(x, w, Y, linear_bias=b, reduction="none")
    expected = F.cross_entropy(F.linear(x, w, b), Y, reduction="none")
    torch.testing.assert_close(
        torch.autograd.grad(found, (x, w, b), upstream), torch.autograd.grad(expected, (x, w, b), upstream)
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_trap_14_half_precision_is_summed_in_float32(dtype, monkeypatch):
    """Over blocks of rows for weight and bias, over tiles of classes for the features.

    In half precision a sum stops growing where a term is half a digit of it.
    """
    rows, classes = 4096, 32
    monkeypatch.setattr(_tiles, "SCRATCH", _tiles.Scratch(on_cpu=12 * 8 * 16, least_classes=16))
    x, w = (torch.rand(n, 8, generator=generator, dtype=torch.float64).to(dtype) + 0.5 for n in (rows, classes))
    b = torch.zeros(classes, dtype=dtype)
    y = torch.zeros(rows, dtype=torch.int64)
    given, wide = leaves(x, w, b), leaves(*(t.double() for t in (x, w, b)))
    upstream = torch.full((rows,), 0.25)
    found = lt.linear_cross_entropy(given[0], given[1], y, linear_bias=given[2], reduction="none")
    expected = F.cross_entropy(F.linear(wide[0], wide[1], wide[2]), y, reduction="none")
    gradients = torch.autograd.grad(found, given, upstream.to(dtype))
    exact = torch.autograd.grad(expected, wide, upstream.double())
    digit = torch.finfo(dtype).eps
    for gradient, other in zip(gradients, exact, strict=True):
        assert gradient.dtype == dtype
        assert (gradient.double() - other)[1:].norm() <= 2 * digit * other[1:].norm()  # but for the label
    # What the test would find otherwise: the same sum of the same blocks in half precision.
    slopes = torch.softmax(F.linear(x, w).float(), 1)
    slopes[:, 0] -= 1
    narrow = torch.zeros(classes, 8, dtype=dtype)
    for first in range(0, rows, 8):
        narrow += (0.25 * slopes[first : first + 8]).to(dtype).T @ x[first : first + 8]
    if dtype is torch.bfloat16:
        assert (narrow.double() - exact[1])[1:].norm() > 4 * digit * exact[1][1:].norm()


@every_tiling
@pytest.mark.parametrize("seed", range(5))
def test_trap_15_a_loss_is_never_negative(seed):
    local = torch.Generator().manual_seed(seed)
    for dtype in (torch.float32, torch.bfloat16):
        x = (40 * torch.randn(40, 16, generator=local)).to(dtype)
        w = torch.randn(20, 16, generator=local).to(dtype)
        labels = (x.float() @ w.float().T).argmax(1)
        assert (lt.linear_cross_entropy(x, w, labels, reduction="none") >= 0).all()


class Largest(TorchDispatchMode):
    """The most numbers of any tensor that an operator makes."""

    def __init__(self):
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.size = max(self.size, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("given", [{}, {"label_smoothing": 0.1, "weight": torch.ones(2000), "soft_cap": 3.0}])
@pytest.mark.parametrize("rows", [64, 1000])
def test_no_array_of_all_logits(dtype, given, rows, monkeypatch):
    scratch = 12 * 100_000
    monkeypatch.setattr(_tiles, "SCRATCH", _tiles.Scratch(on_cpu=scratch))
    x, w = leaves(numbers(rows, 8, dtype=dtype), numbers(2000, 8, dtype=dtype))
    labels = torch.arange(rows)
    with Largest() as largest:
        lt.linear_cross_entropy(x, w, labels, **given).backward()
    assert max(x.numel(), w.numel()) <= largest.size <= 100_000 < rows * 2000
    assert x.grad is not None
    assert w.grad is not None


def test_sizes_of_tiles(monkeypatch):
    monkeypatch.setattr(_tiles, "SCRATCH", _tiles.Scratch())
    for device, room in ((torch.device("cpu"), 128 << 20), (torch.device("cuda"), 768 << 20)):
        for rows, classes, positions in itertools.product(
            (0, 1, 300, 8192, 1 << 20), (1, 10, 32000, 256_000, 10_000_000), (1, 6)
        ):
            block, tile = _tiles.tile_sizes(rows, classes, positions, device, compiled=False)
            assert 1 <= tile <= classes
            assert 12 * (rows if block is None else block) * tile * positions <= room
            block, wide = _tiles.tile_sizes(rows, classes, positions, device, compiled=False, bytes_of_a_logit=6)
            assert tile <= wide <= classes
            assert 6 * (rows if block is None else block) * wide * positions <= room
            block, tile = _tiles.tile_sizes(rows, classes, positions, device, compiled=True)
            assert block is None
            assert -(-classes // tile) <= 16


@every_tiling
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    given, wide = leaves(*(t.to(dtype) for t in (X, W, B))), leaves(*(t.to(dtype).float() for t in (X, W, B)))
    for program in PROGRAMS.values():
        found, expected = program(*given), program(*wide)
        assert found.dtype == dtype
        torch.testing.assert_close(found.float(), expected, rtol=2e-2, atol=2e-2)
        for a, e in zip(
            torch.autograd.grad(found.sum(), given, allow_unused=True),
            torch.autograd.grad(expected.sum(), wide, allow_unused=True),
            strict=True,
        ):
            if e is not None:
                assert a.dtype == dtype
                torch.testing.assert_close(a.float(), e, rtol=5e-2, atol=5e-2)


HALVES = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])


@HALVES
@pytest.mark.parametrize("classes", [1, 3, 11, 12])
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("kind", ["any", "negative", "zero", "of the label", "of the logsumexp"])
def test_products_of_half_precision_in_float32(dtype, classes, scale, kind, monkeypatch):
    """Logits are not rounded to half precision, nor are sums; what is multiplied again is, once."""
    rows = 40
    monkeypatch.setattr(_tiles, "SCRATCH", _tiles.Scratch(on_cpu=6 * rows * 5, least_classes=2, in_cache=40))
    save_passes(monkeypatch)
    x, w = leaves(numbers(rows, D, dtype=dtype, scale=scale), numbers(classes, D, dtype=dtype))
    y = torch.randint(0, classes, (rows, 1), generator=generator)
    head = _logit_tiles.Head(w, None, 1, None)
    found = _linear_log_probabilities.tiled_log_probabilities(x, head, y, None, all_classes=False)
    z = F.linear(x.detach().double(), w.detach().double())
    log_p = z.log_softmax(1)
    exact = {"rtol": 1e-6, "atol": 1e-6 * scale}
    torch.testing.assert_close(found.logsumexp.double(), z.logsumexp(1, keepdim=True), **exact)
    torch.testing.assert_close(found.of_target.double(), log_p.gather(1, y), **exact)
    assert (found.of_target <= 0).all()
    a, b = numbers(rows, 1, dtype=torch.float32), numbers(rows, 1, dtype=torch.float32)
    if kind == "negative":
        a, b = -a.abs(), -b.abs()
    elif kind != "any":
        a, b = a * (kind == "of the logsumexp"), b * (kind == "of the label")
    gradients = torch.autograd.grad(found[:2], (x, w), (a, b))
    slopes = (a - b).double() * log_p.exp()
    of_label = a.double() * log_p.exp().gather(1, y) - b.double() * log_p.gather(1, y).expm1()
    slopes.scatter_(1, y, of_label)
    digit, tiny = torch.finfo(dtype).eps, 1e-6  # float16 has nothing smaller
    for gradient, left, right in zip(gradients, (slopes, slopes.T), (w, x), strict=True):
        assert gradient.dtype == dtype
        bound = 2 * digit * (left.abs() @ right.abs().double()) + tiny * scale
        assert ((gradient.double() - left @ right.double()).abs() <= bound).all()


@every_tiling
@HALVES
def test_half_precision_meets_what_is_not_finite(dtype):
    x, w, y = X.abs().to(dtype), W.to(dtype), Y.clamp(min=0)
    w[torch.arange(K) % 4 == 1] = -math.inf
    w[4:8] = -math.inf  # a tile
    y = torch.where((y % 4 == 1) | (y // 4 == 1), 0, y)
    losses = lt.linear_cross_entropy(x, w, y, reduction="none")
    expected = F.cross_entropy(F.linear(x, w).double(), y, reduction="none")
    torch.testing.assert_close(losses.double(), expected, rtol=2e-2, atol=2e-2)
    for bad in (math.nan, math.inf):
        x, w = leaves(X.to(dtype), W.to(dtype))
        with torch.no_grad():
            x[3] = bad
        losses = lt.linear_cross_entropy(x, w, Y.clamp(min=0), reduction="none")
        assert losses.isnan().nonzero().flatten().tolist() == [3]
        gradient = torch.autograd.grad(losses[4:].sum(), x)[0]
        assert gradient[4:].isfinite().all()


@every_tiling
@HALVES
def test_a_label_of_no_probability_in_half_precision(dtype):
    """Its tile has none either, and gives the label its gradient all the same."""
    x, w = leaves(torch.ones(2, 1, dtype=dtype), torch.tensor([[0.0]] * 4 + [[200.0], [0.0]], dtype=dtype))
    losses = lt.linear_cross_entropy(x, w, torch.tensor([1, 4]), reduction="none")
    assert losses.tolist() == [200.0, 0.0]
    of_x, of_w = torch.autograd.grad(losses, (x, w), torch.tensor([-0.5, 3.0], dtype=dtype))
    assert of_x.flatten().tolist() == [-100.0, 0.0]
    assert of_w.flatten().tolist() == [0.0, 0.5, 0.0, 0.0, -0.5, 0.0]


def test_trap_41_autocast_is_that_of_the_composition():
    x, w, b = leaves(*(t.float() for t in (X, W, B)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = lt.linear_cross_entropy(x, w, Y, linear_bias=b, weight=WEIGHT)
        expected = lt.cross_entropy(F.linear(x, w, b), Y, WEIGHT.float())
        assert found.dtype == expected.dtype == torch.float32
        torch.testing.assert_close(found, expected)
        within = torch.autograd.grad(found, (x, w, b), retain_graph=True)
    outside = torch.autograd.grad(found, (x, w, b))
    torch.testing.assert_close(within, outside)
    assert {gradient.dtype for gradient in outside} == {torch.float32}
    for gradient, other in zip(outside, torch.autograd.grad(expected, (x, w, b)), strict=True):
        torch.testing.assert_close(gradient, other, rtol=2e-2, atol=2e-2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert lt.linear_cross_entropy(X, W, Y).dtype == torch.float64


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "dynamic"),
    [
        pytest.param(name, name == "everything", marks=() if name == "plain" else pytest.mark.thorough)
        for name in PROGRAMS
    ],
)
def test_compiles_without_a_break_forward_and_backward(name, dynamic):
    program = PROGRAMS[name]
    torch._dynamo.reset()
    compiled = torch.compile(program, fullgraph=True, backend="aot_eager", dynamic=dynamic)
    given, others = leaves(X, W, B), leaves(X, W, B)
    found, expected = compiled(*given), program(*others)
    torch.testing.assert_close(found, expected)
    upstream = numbers(*found.shape)
    for a, e in zip(
        torch.autograd.grad(found, given, upstream, allow_unused=True),
        torch.autograd.grad(expected, others, upstream, allow_unused=True),
        strict=True,
    ):
        torch.testing.assert_close(a, e)


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a compiler")
@pytest.mark.filterwarnings("ignore")
def test_compiled_by_inductor():
    torch._dynamo.reset()
    given, others = leaves(X, W, B), leaves(X, W, B)
    # Else it tries the compiler on every set of vector instructions that the processor has.
    with torch._inductor.config.patch({"cpp.vec_isa_ok": False}):
        compiled = torch.compile(PROGRAMS["everything"], fullgraph=True)
        found, expected = compiled(*given), PROGRAMS["everything"](*others)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(torch.autograd.grad(found, given), torch.autograd.grad(expected, others))


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_program_keeps_its_tiles():
    torch._dynamo.reset()
    sizes = []

    def backend(graph, inputs):
        def record(graph, inputs):
            for node in graph.graph.nodes:
                value = node.meta.get("val")
                sizes.extend([value.numel()] if isinstance(value, torch.Tensor) else [])
            return torch._functorch.aot_autograd.make_boxed_func(graph.forward)

        return torch._dynamo.backends.common.aot_autograd(fw_compiler=record)(graph, inputs)

    x, w = leaves(numbers(50, D), numbers(60, D))
    torch.compile(lt.linear_cross_entropy, fullgraph=True, backend=backend)(x, w, torch.arange(50)).backward()
    assert max(sizes) == 50 * 60 // 4


@every_program
def test_torch_func(program):
    given = leaves(X, W, B)
    expected = torch.autograd.grad(program(*given).sum(), given[:2])
    found = torch.func.grad(lambda *given: program(*given).sum(), argnums=(0, 1))(X, W, B)
    torch.testing.assert_close(found, expected)
    many = numbers(3, N, D)
    torch.testing.assert_close(
        torch.func.vmap(program, (0, None, None))(many, W, B), torch.stack([program(x, W, B) for x in many])
    )
    hessian = torch.func.hessian(lambda x: program(x, W, B).sum())(X)
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(lambda x: program(x, W, B).sum(), X))


@pytest.mark.filterwarnings("ignore::UserWarning")
@every_program
def test_upstream_gradients_in_batches(program):
    given = leaves(X, W)
    result = program(*given, B)
    upstream = numbers(3, *result.shape)
    found = torch.autograd.grad(result, given, upstream, is_grads_batched=True, retain_graph=True)
    each = [torch.autograd.grad(result, given, g, retain_graph=True) for g in upstream]
    for i, tensor in enumerate(found):
        torch.testing.assert_close(tensor, torch.stack([gradients[i] for gradients in each]))


@every_program
def test_recomputed_by_checkpoints(program):
    x, other = leaves(X, X)
    torch.utils.checkpoint.checkpoint(lambda x: program(x * 2, W, B), x, use_reentrant=False).sum().backward()
    program(other * 2, W, B).sum().backward()
    torch.testing.assert_close(x.grad, other.grad)


def test_the_meta_device_and_fake_tensors():
    x, w = (tensor.to("meta").requires_grad_() for tensor in (X, W))
    losses = lt.linear_cross_entropy(x, w, Y.to("meta"), reduction="none")
    assert (losses.device.type, losses.shape, losses.dtype) == ("meta", (N,), torch.float64)
    assert [g.shape for g in torch.autograd.grad(losses.sum(), (x, w))] == [X.shape, W.shape]
    with FakeTensorMode():
        x, w = torch.empty(5, 3, requires_grad=True), torch.empty(8, 3, requires_grad=True)
        loss = lt.linear_cross_entropy(x, w, torch.zeros(5, dtype=torch.int64))
        assert loss.shape == ()
        assert [g.shape for g in torch.autograd.grad(loss, (x, w))] == [(5, 3), (8, 3)]


@pytest.mark.parametrize("layout", ["turned", "a part", "of one row"])
def test_trap_18_strides(layout):
    def spread(tensor):
        if layout == "turned":
            return tensor.T.contiguous().T
        if layout == "a part":
            return torch.stack([tensor, tensor], -1)[..., 0]
        return tensor[:1].expand_as(tensor)

    x, w = spread(X).requires_grad_(), spread(W).requires_grad_()
    plain = leaves(x, w)
    found, expected = (lt.linear_cross_entropy(*pair, Y, reduction="none") for pair in ((x, w), plain))
    torch.testing.assert_close(found, expected)
    upstream = numbers(N)
    torch.testing.assert_close(
        torch.autograd.grad(found, (x, w), upstream), torch.autograd.grad(expected, plain, upstream)
    )


def test_labels_of_other_integers():
    labels = Y.clamp(min=0)
    for dtype in (torch.int32, torch.uint8):
        assert lt.linear_cross_entropy(X, W, labels.to(dtype)) == lt.linear_cross_entropy(X, W, labels)


def test_no_gradient_flows_to_class_weights():
    weight = WEIGHT.clone().requires_grad_()
    assert not lt.linear_cross_entropy(X, W, Y, weight=weight).requires_grad


def test_inference_and_deterministic_mode():
    expected = lt.linear_cross_entropy(X, W, Y)
    with torch.inference_mode():
        assert torch.equal(lt.linear_cross_entropy(X, W, Y), expected)
    torch.use_deterministic_algorithms(True)
    try:
        x, w = leaves(X, W)
        lt.linear_cross_entropy(x, w, Y).backward()
    finally:
        torch.use_deterministic_algorithms(False)


@every_tiling
def test_float32_keeps_its_digits():
    x, w = numbers(60, 32, dtype=torch.float32), numbers(70, 32, dtype=torch.float32, scale=0.5)
    labels = torch.randint(0, 70, (60,), generator=generator)
    given, wide = leaves(x, w), leaves(x.double(), w.double())
    found = lt.linear_cross_entropy(*given, labels, reduction="none")
    expected = F.cross_entropy(wide[0] @ wide[1].T, labels, reduction="none")
    torch.testing.assert_close(found.double(), expected, rtol=2e-6, atol=0)
    upstream = numbers(60)
    for gradient, other in zip(
        torch.autograd.grad(found, given, upstream.float()), torch.autograd.grad(expected, wide, upstream), strict=True
    ):
        assert (gradient - other).abs().max() <= 2e-6 * other.abs().max()


A = np.zeros((3, 4))
SMALL, LABELS = torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda f: f(A, SMALL, LABELS), TypeError, "input: received a numpy.ndarray"),
        (lambda f: f(SMALL, A, LABELS), TypeError, "linear_weight: received a numpy.ndarray"),
        (lambda f: f(SMALL, SMALL, LABELS.numpy()), TypeError, "target: received a numpy.ndarray"),
        (lambda f: f(SMALL[None], SMALL, LABELS), ValueError, "input: has 3 dimensions, expected"),
        (lambda f: f(SMALL, SMALL[0], LABELS), ValueError, "linear_weight: has 1 dimensions, expected"),
        (lambda f: f(SMALL, SMALL[:, :2], LABELS), ValueError, "linear_weight: has 2 features, expected 4"),
        (lambda f: f(SMALL, SMALL[:0], LABELS), ValueError, "linear_weight: has no classes"),
        (lambda f: f(SMALL[0], SMALL[None], LABELS), ValueError, r"input: has 1 dimension beside linear_weight of sha"),
        (lambda f: f(SMALL, SMALL, LABELS, linear_bias=SMALL[0]), ValueError, r"linear_bias: shape is \(4,\), expec"),
        (lambda f: f(SMALL, SMALL, LABELS, weight=SMALL[0]), ValueError, r"weight: shape is \(4,\), expected \(3,\)"),
        (lambda f: f(SMALL, SMALL.double(), LABELS), TypeError, "linear_weight: dtype is torch.float64, expected one"),
        (lambda f: f(SMALL.long(), SMALL.long(), LABELS), TypeError, "input: dtype is torch.int64, expected one float"),
        (
            lambda f: f(SMALL, SMALL, LABELS[:2]),
            ValueError,
            r"target: shape is \(2,\), expected labels of",
        ),
        (lambda f: f(SMALL, SMALL, SMALL), TypeError, "target: dtype is torch.float32 and shape is"),
        (lambda f: f(SMALL, SMALL, SMALL[:, :3].long()), TypeError, "target: dtype is torch.int64 in the shape of the"),
        (lambda f: f(SMALL, SMALL, SMALL[:, :3], ignore_index=1), ValueError, "ignore_index: received 1 beside prob"),
        (lambda f: f(SMALL, SMALL, LABELS, reduction="avg"), ValueError, "reduction: received 'avg'"),
        (lambda f: f(SMALL, SMALL, LABELS, label_smoothing=2), ValueError, "label_smoothing: received 2"),
        (lambda f: f(SMALL, SMALL, LABELS, ignore_index=1.5), TypeError, "ignore_index: received 1.5"),
        (lambda f: f(SMALL, SMALL, LABELS, soft_cap=0), ValueError, "soft_cap: received 0, expected a finite"),
        (lambda f: f(SMALL, SMALL, LABELS, soft_cap="a"), TypeError, "soft_cap: received 'a', expected a number"),
        (lambda f: f(SMALL, SMALL, LABELS, z_loss=-1), ValueError, "z_loss: received -1, expected a finite number"),
        (lambda f: f(SMALL, SMALL, LABELS, z_loss=None), TypeError, "z_loss: received None, expected a number"),
        (lambda f: f(SMALL, SMALL, LABELS, options=64), TypeError, "options: received int, expected torch.nn.Linear"),
    ],
)
def test_one_sentence_for_what_does_not_fit(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call(lt.linear_cross_entropy)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(F, "linear_cross_entropy"), reason="PyTorch is older than 2.13")
def test_options_that_ask_for_wider_sums_are_refused():
    wider = torch.nn.LinearCrossEntropyOptions(acc_dtype=torch.float64)
    with pytest.raises(ValueError, match=r"options: acc_dtype is torch\.float64 beside"):
        lt.linear_cross_entropy(SMALL, SMALL, LABELS, options=wider)
    assert lt.linear_cross_entropy(SMALL.double(), SMALL.double(), LABELS, options=wider).isfinite()


def test_what_the_kernels_do_not_do_by_themselves(monkeypatch):
    monkeypatch.setattr(fast_path, "_LEAST_LINEAR", 0)
    x, w = leaves(X, W)
    for bad in (math.nan, math.inf, -1.0):
        weight = torch.full((K,), bad, dtype=torch.float64)
        expected = F.linear_cross_entropy(X, W, Y, weight=weight) if hasattr(F, "linear_cross_entropy") else None
        loss = lt.linear_cross_entropy(x, w, Y, weight=weight)
        assert loss.isnan() if bad != -1.0 else expected is None or loss.isclose(expected)
    with torch.no_grad():
        loss = lt.linear_cross_entropy(x, w, Y)
    assert not loss.requires_grad
    target = Y.clamp(min=0).clone()
    loss = lt.linear_cross_entropy(x, w, target)
    target.fill_(1)
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()

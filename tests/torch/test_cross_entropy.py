import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
import lastlayer.torch as lt
from tests.oracles import cross_entropy as oracle

FLOATS = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 4e-7, torch.float64: 1e-15}


def batch(shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = (3 * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype)
    labels = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    upstream = torch.randn(labels.shape, generator=generator, dtype=torch.float64).to(dtype)
    return logits.requires_grad_(), labels, upstream


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(7, 5), (3, 96), (200, 9), (4, 6, 3), (2, 5, 4, 70), (3, 1), (2, 300, 2)])
def test_losses_and_gradients_against_the_definition(shape, dtype):
    logits, labels, upstream = batch(shape, dtype)
    losses = lt.cross_entropy(logits, labels, reduction="none")
    (gradient,) = torch.autograd.grad(losses, logits, upstream)
    rows = logits.detach().movedim(1, -1).reshape(-1, shape[1]).numpy()
    of_rows = gradient.movedim(1, -1).reshape(-1, shape[1]).numpy()
    triples = list(zip(rows, labels.reshape(-1).tolist(), range(len(rows)), strict=True))
    found = losses.detach().reshape(-1)
    for row, label, i in triples[:: max(1, len(triples) // 40)]:
        expected = float(oracle.loss(row, label))
        assert abs(float(found[i]) - expected) <= 4 * TOLERANCE[dtype] * max(1e-3, expected)
        scale = float(upstream.reshape(-1)[i])
        slopes = np.array([scale * float(slope) for slope in oracle.gradient(row, label)])
        bound = 4 * TOLERANCE[dtype] * (1 - np.log(np.abs(slopes / scale) + 1e-300))
        assert (np.abs(of_rows[i] - slopes) <= bound * np.abs(slopes) + 1e-45).all()


SHAPES = [(6, 4), (3, 4, 5)]
OPTIONS = list(
    itertools.product(
        SHAPES, [False, True], [0.0, 0.1, 1.0], [-100, 2], ["none", "sum", "mean"], ["kernels", "composed"]
    )
)


@pytest.mark.parametrize(("shape", "weighted", "smoothing", "ignored", "reduction", "path"), OPTIONS)
def test_trap_11_every_option_with_every_other(shape, weighted, smoothing, ignored, reduction, path, monkeypatch):
    """PyTorch's own answer and a definition that shares no code with either."""
    if path == "composed":
        compose(monkeypatch)
    logits, labels, _ = batch(shape)
    labels.view(-1)[::3] = ignored
    weight = torch.tensor([0.5, 2.0, 0.0, 1.25], dtype=torch.float64) if weighted else None
    found = lt.cross_entropy(
        logits, labels, class_weight=weight, label_smoothing=smoothing, ignore_index=ignored, reduction=reduction
    )
    expected = F.cross_entropy(
        logits, labels, weight=weight, label_smoothing=smoothing, ignore_index=ignored, reduction=reduction
    )
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found, definition(logits, labels, weight, smoothing, ignored, reduction))
    upstream = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad(loss, logits, upstream, retain_graph=True)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients)
    module = lt.CrossEntropyLoss(weight, ignore_index=ignored, reduction=reduction, label_smoothing=smoothing)
    assert torch.equal(module(logits, labels), found)


def definition(logits, labels, weight, smoothing, ignored, reduction):
    losses, divisor = torch.zeros(labels.shape, dtype=torch.float64), 0.0
    num_classes = logits.shape[1]
    weight = [1.0] * num_classes if weight is None else weight.tolist()
    for index in np.ndindex(*labels.shape):
        label = int(labels[index])
        if label == ignored:
            continue
        row = [math.exp(float(logits[(index[0], k, *index[1:])].detach())) for k in range(num_classes)]
        cost = [-math.log(value / math.fsum(row)) for value in row]
        losses[index] = (1 - smoothing) * weight[label] * cost[label] + smoothing / num_classes * math.fsum(
            w * c for w, c in zip(weight, cost, strict=True)
        )
        divisor += weight[label]
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / divisor}[reduction]


def compose(monkeypatch):
    import sys

    for name, module in list(sys.modules.items()):
        if name.startswith("lastlayer.torch.") and hasattr(module, "runs_on_kernels"):
            monkeypatch.setattr(module, "runs_on_kernels", lambda logits: False)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [4, 300])
def test_the_same_numbers_as_the_arrays(num_classes, dtype):
    logits, labels, upstream = batch((50, num_classes), dtype)
    expected = ll.cross_entropy_value_and_grad(logits.detach().numpy(), labels.numpy())
    losses = lt.cross_entropy(logits, labels, reduction="none")
    (gradient,) = torch.autograd.grad(losses, logits, upstream)
    np.testing.assert_array_equal(losses.detach().numpy(), expected.losses)
    scaled = expected.gradient * upstream.numpy()[:, None]
    np.testing.assert_allclose(gradient.numpy(), scaled, rtol=20 * TOLERANCE[dtype], atol=1e-40)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(3, 4), (3, 200), (3, 4, 2)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_trap_02_an_impossible_class_has_no_gradient(shape, dtype, smoothing):
    logits, labels, _ = batch(shape, dtype)
    with torch.no_grad():
        logits[:, 1] = -math.inf
    labels[labels == 1] = 0
    weight = torch.ones(shape[1], dtype=dtype)
    weight[1] = 0
    loss = lt.cross_entropy(logits, labels, class_weight=weight, label_smoothing=smoothing)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert (gradient[:, 1] == 0).all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("shape", [(4, 5), (4, 150), (4, 5, 3)])
def test_trap_04_one_bad_row_is_nan_alone(shape):
    for bad in (math.nan, math.inf):
        logits, labels, _ = batch(shape)
        with torch.no_grad():
            logits[2].view(shape[1], -1)[3, 0] = bad
        losses = lt.cross_entropy(logits, labels, reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), logits)
        assert losses.isnan().sum() == 1
        assert gradient.isnan().sum() == shape[1]
        assert gradient[2].view(shape[1], -1)[:, 0].isnan().all()


def test_trap_05_a_weight_of_0_takes_infinity_out_of_loss_and_gradient():
    logits = torch.tensor([[0.0, -math.inf, 1.0], [0.0, 1.0, 2.0]], requires_grad=True)
    labels, weight = torch.tensor([1, 2]), torch.tensor([1.0, 0.0, 1.0])
    loss = lt.cross_entropy(logits, labels, class_weight=weight)
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(loss, F.cross_entropy(logits[1:], labels[1:]))
    assert (gradient[0] == 0).all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 3), (1, 100), (1, 3, 2)])
def test_trap_08_a_confident_right_answer_keeps_its_gradient(shape, dtype):
    logits = torch.zeros(shape, dtype=dtype)
    logits[:, 1] = 30.0
    logits.requires_grad_()
    labels = torch.ones((1, *shape[2:]), dtype=torch.int64)
    losses = lt.cross_entropy(logits, labels, reduction="none")
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    others = (shape[1] - 1) * math.exp(-30.0)
    np.testing.assert_allclose(losses.detach().numpy(), math.log1p(others), rtol=8 * TOLERANCE[dtype])
    np.testing.assert_allclose(gradient[:, 1].numpy(), -others / (1 + others), rtol=16 * TOLERANCE[dtype])


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_trap_09_a_label_out_of_range_is_named(shape):
    logits, labels, _ = batch(shape)
    labels.view(4, -1)[2, 0] = 7
    row = "2" if len(shape) == 2 else r"\(2, 0\)"
    with pytest.raises(ValueError, match=rf"labels: row {row} is 7, but logits have 5 classes \(0 to 4\)"):
        lt.cross_entropy(logits, labels)
    labels.view(4, -1)[2, 0] = -1
    with pytest.raises(ValueError, match=f"row {row} is -1"):
        lt.cross_entropy(logits, labels, label_smoothing=0.1) if len(shape) == 2 else lt.cross_entropy(logits, labels)
    with pytest.raises(ValueError, match="is -1, but"):
        lt.nll(logits, labels)


def test_trap_09_the_place_is_that_of_the_callers_labels():
    logits, labels = torch.zeros(2, 3, 4, 5), torch.zeros(2, 4, 5, dtype=torch.int64)
    labels[1, 2, 3] = 7
    for call in (lt.cross_entropy, lt.nll, lambda z, y: lt.cross_entropy(z, y, label_smoothing=0.1)):
        with pytest.raises(ValueError, match=r"labels: row \(1, 2, 3\) is 7, but"):
            call(logits, labels)
    with pytest.raises(ValueError, match="labels: row 2 is 9, but"):
        lt.cross_entropy(torch.zeros(3, 6), torch.tensor([0, 0, 9, 0, 0, 0]), dim=0)
    with pytest.raises(ValueError, match="labels: is 9, but logits have 3 classes"):
        lt.cross_entropy(torch.zeros(3), torch.tensor(9))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("path", ["kernels", "composed"])
def test_trap_10_a_mean_over_nothing_is_0(smoothing, weighted, path, monkeypatch):
    if path == "composed":
        compose(monkeypatch)
    logits, labels, _ = batch((4, 3))
    weight = torch.ones(3, dtype=torch.float64) if weighted else None
    module = lt.CrossEntropyLoss(weight, label_smoothing=smoothing)
    loss = module(logits, torch.full_like(labels, -100))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss == 0
    assert (gradient == 0).all()
    assert F.cross_entropy(logits, torch.full_like(labels, -100)).isnan()
    assert lt.nll(logits, torch.full_like(labels, -100)) == 0
    assert module(logits[:0], labels[:0]) == 0
    assert lt.BCEWithLogitsLoss()(logits[:0], logits[:0].detach()) == 0
    assert lt.soft_cross_entropy(logits[:0], logits[:0].detach()) == 0


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_trap_12_any_shape_dim_and_upstream_gradient(shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
    logits = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    rest = [size for axis, size in enumerate(shape) if axis != dim % len(shape)]
    labels = torch.randint(0, shape[dim], rest, generator=generator)
    losses = lt.cross_entropy(logits, labels, dim, reduction="none")
    expected = -torch.log_softmax(logits, dim).movedim(dim, -1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    upstream = torch.randn(rest, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(losses, expected)
    found = [torch.autograd.grad(loss, logits, upstream)[0] for loss in (losses, expected)]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("num_classes", [2, 700])
def test_trap_15_no_loss_is_negative(num_classes):
    logits = torch.randn(500, num_classes, generator=torch.Generator().manual_seed(0)) * 40
    for dtype in (torch.float32, torch.bfloat16):
        labels = logits.to(dtype).argmax(1)
        assert (lt.cross_entropy(logits.to(dtype), labels, reduction="none") >= 0).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_any_kind_of_integer_is_a_label(dtype):
    logits, labels, _ = batch((6, 4))
    torch.testing.assert_close(lt.cross_entropy(logits, labels.to(dtype)), F.cross_entropy(logits, labels))


def test_nothing_of_the_logits_size_is_kept_for_backward():
    logits, labels, _ = batch((64, 1000))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        lt.cross_entropy(logits, labels)
    new = [t for t in kept if t.data_ptr() != logits.data_ptr()]
    assert sum(t.numel() for t in new) < 64 * 20


def test_trap_17_more_than_two_to_the_31_logits():
    num_classes = 1 << 16
    try:
        # Untouched memory: nothing is written, so that all of it is one page of zeros.
        logits = np.zeros((2**31 // num_classes + 5, num_classes), np.float32)
    except MemoryError:
        pytest.skip("8 GiB of address space are not to be had")
    logits[-1, -1] = 20.0
    labels = torch.full((len(logits),), num_classes - 1)
    losses = lt.cross_entropy(torch.from_numpy(logits), labels, reduction="none")
    np.testing.assert_allclose(losses[:-1].numpy(), np.log(num_classes), rtol=1e-6)
    np.testing.assert_allclose(losses[-1].item(), np.log1p((num_classes - 1) * np.exp(-20.0)), rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "shape", [(300, 2), (300, 10), (300, 95), (7, 96), (3, 1500), (2, 5, 150), (2, 110, 40), (1, 3, 2)]
)
def test_losses_of_every_class_in_every_layout(shape, dtype):
    """Short rows, rows and columns each have kernels of their own, and so has bfloat16."""
    generator = torch.Generator().manual_seed(0)
    logits = (4 * torch.randn(shape, generator=generator)).to(dtype)
    labels = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    labels.view(-1)[0] = -100
    targets = torch.softmax(3 * torch.randn(shape, generator=generator), 1).to(dtype)
    weight = torch.rand(shape[1], generator=generator)
    weight[0] = 0.0
    upstream = torch.randn(labels.shape, generator=generator)
    bound = {torch.float64: 1e-12, torch.float32: 2e-6, torch.bfloat16: 8e-3}[dtype]
    for ours, theirs in (
        (
            lambda z: lt.cross_entropy(
                z, labels, class_weight=weight.to(z.dtype), label_smoothing=0.2, reduction="none"
            ),
            lambda z: F.cross_entropy(z, labels, weight.to(z.dtype), label_smoothing=0.2, reduction="none"),
        ),
        (
            lambda z: lt.soft_cross_entropy(z, targets, reduction="none"),
            lambda z: F.cross_entropy(z, targets.to(z.dtype), reduction="none"),
        ),
    ):
        leaf, exact = logits.clone().requires_grad_(), logits.double().requires_grad_()
        losses, expected = ours(leaf), theirs(exact)
        (gradient,) = torch.autograd.grad(losses, leaf, upstream.to(losses.dtype))
        (slopes,) = torch.autograd.grad(expected, exact, upstream.double().to(losses.dtype).double())
        torch.testing.assert_close(losses.double(), expected.double(), rtol=bound, atol=bound)
        torch.testing.assert_close(gradient.double(), slopes, rtol=bound, atol=bound)


@pytest.mark.parametrize("shape", [(6, 10), (6, 200), (2, 10, 20)])
@pytest.mark.parametrize(
    "function",
    [
        lambda z, y: lt.cross_entropy(z, y, reduction="sum"),
        lambda z, y: lt.cross_entropy(z, y, label_smoothing=0.1, reduction="sum"),
        lambda z, y: lt.log_softmax(z, 1)[:, 3].sum(),
        lambda z, y: lt.softmax(z, 1)[:, 3].sum(),
    ],
)
def test_trap_12_a_tiny_upstream_gradient_keeps_its_digits(function, shape):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator)
    labels = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    small, plain = (logits.clone().requires_grad_() for _ in range(2))
    (function(small, labels) * 2.0**-90).backward()
    function(plain, labels).backward()
    torch.testing.assert_close(small.grad * 2.0**90, plain.grad, rtol=1e-6, atol=1e-9)


def test_a_class_of_weight_0_does_not_hide_nan():
    logits = torch.tensor([[math.nan, 1.0], [0.0, 1.0]])
    losses = lt.cross_entropy(logits, torch.tensor([0, 1]), class_weight=torch.tensor([0.0, 1.0]), reduction="none")
    assert losses.isnan().tolist() == [True, False]

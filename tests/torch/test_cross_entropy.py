import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from hypothesis import given
from hypothesis import strategies as st

import lastlayer as ll
import lastlayer.torch as lt
from lastlayer.torch.cross_entropy import _composed as composed
from tests.oracles import cross_entropy as oracle

FLOATS = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 4e-7, torch.float64: 1e-15}


def on_kernels(*arguments):
    """cross_entropy where the fixture `kernels` puts every size inside the window."""
    return lt.cross_entropy(*arguments)


def batch(shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = (3 * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype)
    labels = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    upstream = torch.randn(labels.shape, generator=generator, dtype=torch.float64).to(dtype)
    return logits.requires_grad_(), labels, upstream


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(7, 5), (3, 96), (200, 9), (3, 1)])
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
OPTIONS = list(itertools.product(SHAPES, [False, True], [0.0, 0.1, 1.0], [-100, 2], ["none", "sum", "mean"]))


@pytest.mark.parametrize("run", [lt.cross_entropy, composed, on_kernels])
@pytest.mark.parametrize(("shape", "weighted", "smoothing", "ignored", "reduction"), OPTIONS)
def test_trap_11_every_option_with_every_other(shape, weighted, smoothing, ignored, reduction, run, request):
    """PyTorch's own answer and a definition that shares no code with either."""
    if run is on_kernels:
        request.getfixturevalue("kernels")
    logits, labels, _ = batch(shape)
    labels.view(-1)[::3] = ignored
    weight = torch.tensor([0.5, 2.0, 0.0, 1.25], dtype=torch.float64) if weighted else None
    found = run(logits, labels, weight, ignored, reduction, smoothing)
    expected = F.cross_entropy(
        logits, labels, weight=weight, label_smoothing=smoothing, ignore_index=ignored, reduction=reduction
    )
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found, definition(logits, labels, weight, smoothing, ignored, reduction))
    upstream = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    gradients = [torch.autograd.grad(loss, logits, upstream, retain_graph=True)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients)
    module = lt.CrossEntropyLoss(weight, ignore_index=ignored, reduction=reduction, label_smoothing=smoothing)
    torch.testing.assert_close(module(logits, labels), found)


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


@pytest.mark.usefixtures("kernels")
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
    for run in (lt.cross_entropy, composed):
        loss = run(logits, labels, weight, label_smoothing=smoothing)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite()
        assert (gradient[:, 1] == 0).all()
        assert gradient.isfinite().all()
    assert not smoothing or F.cross_entropy(logits, labels, weight, label_smoothing=smoothing).isnan()


@pytest.mark.usefixtures("path")
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
    for run in (lt.cross_entropy, composed):
        loss = run(logits, labels, weight)
        (gradient,) = torch.autograd.grad(loss, logits)
        torch.testing.assert_close(loss, F.cross_entropy(logits[1:], labels[1:]))
        assert (gradient[0] == 0).all()
        assert gradient.isfinite().all()
        losses = run(logits, labels, weight, reduction="none")
        assert losses[0] == 0
        (gradient,) = torch.autograd.grad(losses, logits, torch.ones(2))
        assert gradient.isfinite().all()
    assert F.cross_entropy(logits, labels, weight).isnan()


def test_trap_05_a_target_of_0_takes_infinity_out_of_loss_and_gradient():
    logits = torch.tensor([[0.0, -math.inf, 1.0], [0.0, 1.0, 2.0]], requires_grad=True)
    targets = torch.tensor([[0.5, 0.0, 0.5], [0.2, 0.3, 0.5]], requires_grad=True)
    for run in (lt.cross_entropy, composed, lt.soft_cross_entropy):
        losses = run(logits, targets, reduction="none")
        torch.testing.assert_close(losses[0], F.cross_entropy(logits[0, [0, 2]], targets[0, [0, 2]]))
        torch.testing.assert_close(losses[1], F.cross_entropy(logits[1], targets[1]))
        for gradient in torch.autograd.grad(losses, [logits, targets], torch.ones(2)):
            assert gradient.isfinite().all()
        assert run(logits, targets).isfinite()
    assert F.cross_entropy(logits, targets).isnan()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 3), (1, 100)])
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


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("wrong", [7, -1])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_trap_09_a_label_out_of_range_raises(shape, wrong):
    logits, labels, _ = batch(shape)
    labels.view(4, -1)[2, 0] = wrong
    for reduction in ("none", "sum", "mean"):
        for options in ({}, {"label_smoothing": 0.1}, {"weight": torch.ones(5, dtype=torch.float64)}):
            with pytest.raises(IndexError, match=f" {wrong}"):
                lt.cross_entropy(logits, labels, reduction=reduction, **options)
    with pytest.raises(IndexError):
        lt.nll(logits, labels)


@pytest.mark.usefixtures("kernels")
def test_trap_09_the_kernels_name_the_first():
    with pytest.raises(IndexError, match=r"target: row 1 is 9, but input has 3 classes \(0 to 2\)"):
        lt.cross_entropy(torch.zeros(4, 3), torch.tensor([0, 9, 0, 7]))


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("run", [lt.cross_entropy, composed])
def test_trap_10_a_mean_over_nothing_is_0(smoothing, weighted, run):
    logits, labels, _ = batch((4, 3))
    nothing = torch.full_like(labels, -100)
    weight = torch.ones(3, dtype=torch.float64) if weighted else None
    loss = run(logits, nothing, weight, label_smoothing=smoothing)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss == 0
    assert (gradient == 0).all()
    assert F.cross_entropy(logits, nothing).isnan()
    for target in (labels[:0], logits[:0].detach()):
        loss = run(logits[:0], target, weight, label_smoothing=smoothing)
        assert loss == 0
        assert torch.autograd.grad(loss, logits)[0].count_nonzero() == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("run", [lt.cross_entropy, composed])
def test_trap_10_labels_without_weight_are_nothing_to_take_a_mean_over(run, smoothing):
    logits, weight = batch((4, 3))[0], torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    loss = run(logits, torch.ones(4, dtype=torch.int64), weight, label_smoothing=smoothing)
    assert loss == 0
    assert (torch.autograd.grad(loss, logits)[0] == 0).all()


def test_trap_10_the_other_losses():
    logits, labels, _ = batch((4, 3))
    assert lt.nll(logits, torch.full_like(labels, -100)) == 0
    assert lt.soft_cross_entropy(logits[:0], logits[:0].detach()) == 0


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_trap_12_any_shape_and_upstream_gradient(shape, data):
    dim = min(1, len(shape) - 1)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
    logits = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    rest = [size for axis, size in enumerate(shape) if axis != dim]
    labels = torch.randint(0, shape[dim], rest, generator=generator)
    losses = lt.cross_entropy(logits, labels, reduction="none")
    expected = -torch.log_softmax(logits, dim).movedim(dim, -1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    upstream = torch.randn(rest, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(losses, expected)
    found = [torch.autograd.grad(loss, logits, upstream)[0] for loss in (losses, expected)]
    torch.testing.assert_close(*found)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("num_classes", [2, 700])
def test_trap_15_no_loss_is_negative(num_classes):
    logits = torch.randn(500, num_classes, generator=torch.Generator().manual_seed(0)) * 40
    for dtype in (torch.float32, torch.bfloat16):
        labels = logits.to(dtype).argmax(1)
        assert (lt.cross_entropy(logits.to(dtype), labels, reduction="none") >= 0).all()


@pytest.mark.usefixtures("kernels")
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


@pytest.mark.usefixtures("path")
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
    losses = lt.cross_entropy(logits, torch.tensor([0, 1]), weight=torch.tensor([0.0, 1.0]), reduction="none")
    assert losses.isnan().tolist() == [True, False]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("run", [lt.cross_entropy, composed])
def test_rows_without_a_label_do_not_hide_what_others_cost(run, smoothing):
    """A label that is impossible costs inf, and so does smoothing over an impossible class, as in PyTorch."""
    logits = torch.tensor([[0.0, -math.inf], [1.0, 2.0]])
    losses = run(logits, torch.tensor([1, 0]), reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(
        losses, F.cross_entropy(logits, torch.tensor([1, 0]), reduction="none", label_smoothing=smoothing)
    )
    assert losses[0] == math.inf
    assert run(logits, torch.tensor([1, 0]), label_smoothing=smoothing) == math.inf


def test_trap_41_under_autocast_losses_are_float32():
    logits = torch.randn(100, 7, generator=torch.Generator().manual_seed(0))
    labels, targets = logits.argmax(1), torch.softmax(logits, 1)
    half = logits.bfloat16()
    weight = torch.rand(7, generator=torch.Generator().manual_seed(1))
    weight[0] = 0.0
    for options in ({}, {"label_smoothing": 0.1}, {"weight": weight}, {"reduction": "none"}, {"reduction": "sum"}):
        for target in (labels, targets):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                expected = F.cross_entropy(half, target, **options)
                found = lt.cross_entropy(half, target, **options), composed(half, target, **options)
            for loss in found:
                assert loss.dtype == expected.dtype == torch.float32
                torch.testing.assert_close(loss, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert lt.CrossEntropyLoss()(half, labels).dtype == torch.float32
        assert lt.nll(half, labels).dtype == torch.float32
        for found in (lt.binary_cross_entropy_with_logits(half, targets), lt.BCEWithLogitsLoss()(half, targets)):
            assert found.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("run", [lt.cross_entropy, composed])
def test_a_composed_mean_of_half_precision_does_not_overflow(run, dtype):
    logits, labels = torch.zeros(40_000, 20, dtype=dtype), torch.zeros(40_000, dtype=torch.int64)
    for options in ({"weight": torch.ones(20, dtype=dtype)}, {"label_smoothing": 0.1}):
        torch.testing.assert_close(
            run(logits, labels, **options).float(), torch.tensor(math.log(20)), rtol=4e-3, atol=0
        )


@pytest.mark.parametrize("number", [np.float32(0.1), np.float64(0.1), 1, np.int64(0)])
def test_any_kind_of_number_smooths(number):
    logits, labels, _ = batch((6, 4))
    expected = F.cross_entropy(logits, labels, label_smoothing=float(number))
    torch.testing.assert_close(lt.cross_entropy(logits, labels, label_smoothing=number), expected)
    assert lt.CrossEntropyLoss(label_smoothing=number)(logits, labels).isfinite()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (4,), (2, 4, 3)])
def test_probabilities_as_targets(shape, weighted, smoothing, reduction):
    logits = batch((*shape, 1) if len(shape) < 2 else shape)[0].detach().reshape(shape).requires_grad_()
    target = torch.softmax(logits.detach().flip(0), min(1, len(shape) - 1)).requires_grad_()
    weight = torch.tensor([0.5, 1.0, 2.0, 0.1], dtype=torch.float64) if weighted else None
    expected = F.cross_entropy(logits, target, weight, reduction=reduction, label_smoothing=smoothing)
    upstream = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    slopes = torch.autograd.grad(expected, [logits, target], upstream)
    for run in (lt.cross_entropy, composed):
        found = run(logits, target, weight, -100, reduction, smoothing)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(torch.autograd.grad(found, [logits, target], upstream), slopes)

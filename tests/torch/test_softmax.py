import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lastlayer as ll
import lastlayer.torch as lt
from tests.oracles import softmax as oracle

FLOATS = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 4e-7, torch.float64: 1e-15}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [1, 3, 40, 500])
@pytest.mark.parametrize("beta", [0.01, 1.0, 500.0])
def test_trap_01_accurate_at_any_beta(num_classes, beta, dtype):
    rng = np.random.default_rng(num_classes)
    row = torch.from_numpy(rng.normal(size=num_classes) * 10).to(dtype)
    expected = oracle.softmax(row.tolist(), beta)
    for found, p in zip(lt.softmax(row, beta=beta).tolist(), expected, strict=True):
        if p > 1e-35:
            assert abs(found / float(p) - 1) <= TOLERANCE[dtype] * (1 - math.log(float(p)))
    logs = lt.log_softmax(row, beta=beta).tolist()
    # The winner's may be too near 0 for the dtype.
    exact = oracle.log_softmax(row.tolist(), beta)
    held = [error for error, log in zip(oracle.relative_errors(logs, exact), exact, strict=True) if log < -1e-35]
    assert max(held, default=0) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("width", [3, 128])
def test_trap_02_masked_entries(width, dtype):
    logits = torch.randn(4, width, dtype=dtype, generator=torch.Generator().manual_seed(0))
    logits[:, 1] = -math.inf
    for function in (lt.softmax, lambda z: lt.softmax(z, beta=torch.tensor(2.0))):
        leaf = logits.clone().requires_grad_()
        p = function(leaf)
        (gradient,) = torch.autograd.grad(p, leaf, torch.randn_like(p))
        assert (p[:, 1] == 0).all()
        assert (gradient[:, 1] == 0).all()
        assert gradient.isfinite().all()


def test_trap_02_masked_entries_leave_beta_its_gradient():
    logits = torch.tensor([[0.3, -math.inf, 1.2]], dtype=torch.float64)
    beta = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(lt.softmax(logits, beta=beta)[0, 0], beta)
    (expected,) = torch.autograd.grad(lt.softmax(logits[:, [0, 2]], beta=beta)[0, 0], beta)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("width", [3, 128])
def test_trap_04_bad_rows_are_nan_alone(width):
    logits = torch.zeros(4, width)
    logits[0, 1], logits[1, 2], logits[2] = math.nan, math.inf, -math.inf
    for function in (lt.softmax, lt.log_softmax, lt.hardmax):
        assert function(logits).isnan().all(1).tolist() == [True, True, True, False]
        assert function(logits).isnan().any(1).tolist() == [True, True, True, False]
    assert lt.logsumexp(logits)[1:3].tolist() == [math.inf, -math.inf]


@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_06_and_07_the_winner_and_small_gaps(dtype):
    row = torch.tensor([0.0, -20.0, -25.0], dtype=dtype)
    found = lt.log_softmax(row)[0].item()
    assert abs(found / -math.log1p(math.exp(-20) + math.exp(-25)) - 1) <= TOLERANCE[dtype]
    near = torch.tensor([1e4, 1e4 + 2**-9], dtype=dtype)
    expected = torch.log_softmax(torch.tensor([0.0, 2**-9], dtype=torch.float64), 0)
    torch.testing.assert_close(lt.log_softmax(near).double(), expected, rtol=TOLERANCE[dtype], atol=0)


def test_trap_16_a_million_classes():
    row = torch.randn(1_000_003, generator=torch.Generator().manual_seed(0))
    exact = torch.softmax(row.double(), 0)
    relative = (lt.softmax(row).double() / exact - 1).abs()
    assert (relative <= 4e-7 * (1 - exact.log())).all()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0, 2), (4, 1), (), (1,), (2, 3, 0)])
def test_trap_18_sizes_of_zero_and_one(shape):
    logits = torch.zeros(shape)
    dim = 1 if len(shape) > 1 else -1
    if len(shape) > 1 and shape[dim] == 0:
        with pytest.raises(ValueError, match=r"expected at least one class along dim 1"):
            lt.softmax(logits, dim)
        return
    assert torch.equal(lt.softmax(logits, dim), torch.softmax(logits, dim))
    assert lt.logsumexp(logits, dim).shape == torch.logsumexp(logits, dim).shape


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_any_shape_and_dim_as_the_arrays(shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99))))
    array = logits.numpy()
    np.testing.assert_array_equal(lt.softmax(logits, dim, beta=2.0).numpy(), ll.softmax(array, axis=dim, beta=2.0))
    np.testing.assert_array_equal(lt.log_softmax(logits, dim).numpy(), ll.log_softmax(array, axis=dim))
    np.testing.assert_array_equal(lt.logsumexp(logits, dim).numpy(), ll.logsumexp(array, axis=dim))
    np.testing.assert_array_equal(
        lt.smooth_max(logits, dim, beta=0.3).numpy(), ll.smooth_max(array, axis=dim, beta=0.3)
    )
    np.testing.assert_array_equal(lt.hardmax(logits, dim).numpy(), ll.hardmax(array, axis=dim))
    np.testing.assert_array_equal(lt.sigmoid(logits).numpy(), ll.sigmoid(array))
    np.testing.assert_array_equal(lt.log_sigmoid(logits).numpy(), ll.log_sigmoid(array))


@pytest.mark.parametrize("shape", [(300, 10), (2, 5, 400), (40, 500)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_gradients_against_the_definition(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).to(dtype).requires_grad_()
    upstream = torch.randn(shape, generator=generator).to(dtype)
    exact = logits.detach().double().requires_grad_()
    for ours, theirs in ((lt.softmax, torch.softmax), (lt.log_softmax, torch.log_softmax)):
        (found,) = torch.autograd.grad(ours(logits, 1, beta=1.5), logits, upstream)
        (expected,) = torch.autograd.grad(theirs(1.5 * exact, 1), exact, upstream.double())
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=100 * TOLERANCE[dtype])


def test_bfloat16_is_rounded_once():
    generator = torch.Generator().manual_seed(0)
    for shape in ((5000, 30), (300, 700), (3, 70_001), (7, 21, 300)):
        logits = (5 * torch.randn(shape, generator=generator)).bfloat16()
        for function in (lt.softmax, lt.log_softmax):
            assert torch.equal(function(logits, 1), function(logits.float(), 1).bfloat16())


def test_hardmax_gives_the_first_of_equals():
    assert lt.hardmax(torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_worked_example_softmax_2d_equals_softmax_along_the_channels():
    logits = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(lt.Softmax2d()(logits), lt.softmax(logits, 1))
    assert torch.equal(lt.Softmax2d()(logits[0]), lt.softmax(logits[0], 0))


# "Softmax or sigmoid, in PyTorch", figures as printed there.
@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        (
            [[-1.2928, -2.999, -1.8886], [0.1079, -3.632, -1.6835]],
            [[0.1977, 0.6532, 0.4489], [0.8023, 0.3468, 0.5511]],
        ),
        (
            [[0.9096, -2.5876, -2.2403], [-0.8566, 0.2757, -1.9268]],
            [[0.854, 0.054, 0.4223], [0.146, 0.946, 0.5777]],
        ),
    ],
)
def test_worked_example_columns(logits, expected):
    found = lt.softmax(torch.tensor(logits), 0)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=5.1e-5)
    assert abs(found.sum().item() - 3.0) < 1e-6


@pytest.mark.parametrize("only", [0, 300, 599])
def test_trap_03_blocks_of_nothing_but_minus_infinity(only):
    logits = torch.full((2, 600), -math.inf)
    logits[:, only] = torch.tensor([-1e4, 3.0])
    leaf = logits.requires_grad_()
    assert torch.equal(lt.softmax(leaf), (logits > -math.inf).float())
    assert lt.logsumexp(leaf).tolist() == [-1e4, 3.0]
    losses = lt.cross_entropy(leaf, torch.tensor([only, only]), reduction="none")
    assert losses.tolist() == [0.0, 0.0]
    assert (torch.autograd.grad(losses.sum(), leaf)[0] == 0).all()


@pytest.mark.parametrize("function", [lt.softmax, lt.log_softmax])
@pytest.mark.parametrize("beta", [1e40, 1e-40])
def test_gradients_of_a_beta_that_float32_does_not_hold(function, beta):
    logits = torch.tensor([[1.0, 2.0, 3.0], [2.0, 1.0, -2.0]]) / (1e38 if beta < 1 else 1.0)
    single, double = logits.clone().requires_grad_(), logits.double().requires_grad_()
    upstream = torch.tensor([[0.5, -1.0, 2.0], [0.1, 0.2, 0.3]])
    (found,) = torch.autograd.grad(function(single, beta=beta), single, upstream)
    (expected,) = torch.autograd.grad(function(double, beta=beta), double, upstream.double())
    torch.testing.assert_close(found, expected.float())

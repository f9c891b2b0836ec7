import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from hypothesis import given
from hypothesis import strategies as st

import lastlayer as ll
import lastlayer.torch as lt
from tests.oracles import softmax as oracle

FLOATS = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 4e-7, torch.float64: 1e-15}


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [1, 3, 40, 500])
def test_accurate_relative_to_themselves_inside_the_window(num_classes, dtype):
    rng = np.random.default_rng(num_classes)
    row = torch.from_numpy(rng.normal(size=num_classes) * 10).to(dtype)
    expected = oracle.softmax(row.tolist(), 1.0)
    for found, p in zip(lt.softmax(row, 0).tolist(), expected, strict=True):
        if p > 1e-35:
            assert abs(found / float(p) - 1) <= TOLERANCE[dtype] * (1 - math.log(float(p)))
    logs = lt.log_softmax(row, 0).tolist()
    # The winner's may be too near 0 for the dtype.
    exact = oracle.log_softmax(row.tolist(), 1.0)
    held = [error for error, log in zip(oracle.relative_errors(logs, exact), exact, strict=True) if log < -1e-35]
    assert max(held, default=0) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_classes", [1, 3, 40, 500])
@pytest.mark.parametrize("beta", [0.01, 3.0, 500.0])
def test_trap_01_accurate_at_any_beta(num_classes, beta, dtype):
    rng = np.random.default_rng(num_classes)
    row = torch.from_numpy(rng.normal(size=num_classes) * 10).to(dtype)
    expected = oracle.softmax(row.tolist(), beta)
    for found, p in zip(lt.softmax(row, 0, beta=beta).tolist(), expected, strict=True):
        if p > 1e-35:
            assert abs(found / float(p) - 1) <= 4 * TOLERANCE[dtype] * (1 - math.log(float(p)))
    found = lt.log_softmax(row, 0, beta=beta)
    exact = torch.tensor([float(log) for log in oracle.log_softmax(row.tolist(), beta)], dtype=torch.float64)
    torch.testing.assert_close(found.double(), exact, rtol=4 * TOLERANCE[dtype], atol=4 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("function", [lt.softmax, lt.log_softmax])
def test_trap_01_half_precision_at_any_beta(function, dtype):
    logits = (5 * torch.randn(50, 30, generator=torch.Generator().manual_seed(0))).to(dtype).requires_grad_()
    for beta in (0.01, 500.0):
        wide = logits.detach().float().requires_grad_()
        found, expected = function(logits, 1, beta=beta), function(wide, 1, beta=beta)
        assert torch.equal(found, expected.to(dtype))
        found.backward(torch.ones_like(found))
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


def test_the_dtype_that_is_asked_for():
    logits = torch.tensor([2.0, 1.0, 0.1])
    for function in (lt.softmax, lt.log_softmax):
        for dtype in (torch.float64, torch.bfloat16):
            assert function(logits, 0, dtype=dtype).dtype == dtype
            found = function(logits, 0, dtype=dtype, beta=2.0)
            assert torch.equal(found, function(logits.to(dtype), 0, beta=2.0))
    assert torch.equal(lt.softmax(torch.arange(3), 0, dtype=torch.float32), lt.softmax(torch.arange(3.0), 0))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4)])
def test_no_dim_is_the_choice_of_pytorch_and_its_warning_points_here(shape):
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for ours, theirs in ((lt.softmax, F.softmax), (lt.log_softmax, F.log_softmax)):
        with pytest.warns(UserWarning, match="Implicit dimension choice") as warned:
            found = ours(logits), ours(logits, beta=2.0)
        assert {Path(warning.filename).name for warning in warned} == {Path(__file__).name}
        with pytest.warns(UserWarning, match="Implicit dimension choice"):
            torch.testing.assert_close(found, (theirs(logits), theirs(2 * logits)))


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("width", [3, 128])
def test_trap_02_masked_entries(width, dtype):
    logits = torch.randn(4, width, dtype=dtype, generator=torch.Generator().manual_seed(0))
    logits[:, 1] = -math.inf
    for beta in (1.0, 2.0, torch.tensor(2.0)):
        leaf = logits.clone().requires_grad_()
        p = lt.softmax(leaf, 1, beta=beta)
        (gradient,) = torch.autograd.grad(p, leaf, torch.randn_like(p))
        assert (p[:, 1] == 0).all()
        assert (gradient[:, 1] == 0).all()
        assert gradient.isfinite().all()


def test_trap_02_masked_entries_leave_beta_its_gradient():
    logits = torch.tensor([[0.3, -math.inf, 1.2]], dtype=torch.float64)
    beta = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(lt.softmax(logits, 1, beta=beta)[0, 0], beta)
    (expected,) = torch.autograd.grad(lt.softmax(logits[:, [0, 2]], 1, beta=beta)[0, 0], beta)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("beta", [1.0, 500.0])
@pytest.mark.parametrize("width", [3, 128])
def test_trap_04_bad_rows_are_nan_alone(width, beta):
    logits = torch.zeros(4, width)
    logits[0, 1], logits[1, 2], logits[2] = math.nan, math.inf, -math.inf
    for function in (lt.softmax, lt.log_softmax):
        assert function(logits, 1, beta=beta).isnan().all(1).tolist() == [True, True, True, False]
        assert function(logits, 1, beta=beta).isnan().any(1).tolist() == [True, True, True, False]


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_06_the_winner_inside_the_window(dtype):
    row = torch.tensor([0.0, -20.0, -25.0], dtype=dtype)
    found = lt.log_softmax(row, 0)[0].item()
    assert abs(found / -math.log1p(math.exp(-20) + math.exp(-25)) - 1) <= TOLERANCE[dtype]


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("beta", [1.0, 2.0])
@pytest.mark.parametrize("dtype", FLOATS)
def test_trap_07_small_gaps_between_large_logits(beta, dtype):
    near = torch.tensor([1e4, 1e4 + 2**-9], dtype=dtype)
    expected = torch.log_softmax(beta * torch.tensor([0.0, 2**-9], dtype=torch.float64), 0)
    found = lt.log_softmax(near, 0, beta=beta)
    torch.testing.assert_close(found.double(), expected, rtol=TOLERANCE[dtype], atol=0)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3, 0, 2), (4, 1), (), (1,), (2, 3, 0)])
def test_trap_18_sizes_of_zero_and_one(shape):
    logits = torch.zeros(shape)
    for dim in (0, -1):
        for beta in (1.0, 2.0, torch.tensor(2.0)):
            assert torch.equal(lt.softmax(logits, dim, beta=beta), torch.softmax(logits, dim))
            assert torch.equal(lt.log_softmax(logits, dim, beta=beta), torch.log_softmax(logits, dim))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_any_shape_and_dim_as_the_arrays(shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99))))
    array, bounds = logits.numpy(), {"rtol": 2e-6, "atol": 1e-7}
    for beta in (1.0, 2.0):
        options = {"axis": dim, "beta": beta}
        np.testing.assert_allclose(lt.softmax(logits, dim, beta=beta).numpy(), ll.softmax(array, **options), **bounds)
        # PyTorch's logarithm of a sum near 1 is as wrong as the sum: some units in the last place of the largest logit.
        logs = ll.log_softmax(array, **options)
        np.testing.assert_allclose(lt.log_softmax(logits, dim, beta=beta).numpy(), logs, rtol=2e-6, atol=2e-6)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("shape", [(300, 10), (2, 5, 400), (40, 500)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_gradients_against_the_definition(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).to(dtype).requires_grad_()
    upstream = torch.randn(shape, generator=generator).to(dtype)
    exact = logits.detach().double().requires_grad_()
    for ours, beta in itertools.product((lt.softmax, lt.log_softmax), (1.0, 1.5)):
        theirs = torch.softmax if ours is lt.softmax else torch.log_softmax
        (found,) = torch.autograd.grad(ours(logits, -1, beta=beta), logits, upstream)
        (expected,) = torch.autograd.grad(theirs(beta * exact, -1), exact, upstream.double())
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=100 * TOLERANCE[dtype])


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


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("only", [0, 300, 599])
def test_trap_03_blocks_of_nothing_but_minus_infinity(only):
    logits = torch.full((2, 600), -math.inf)
    logits[:, only] = torch.tensor([-1e4, 3.0])
    leaf = logits.requires_grad_()
    assert torch.equal(lt.softmax(leaf, 1), (logits > -math.inf).float())
    assert torch.equal(lt.softmax(leaf, 1, beta=3.0), (logits > -math.inf).float())
    losses = lt.cross_entropy(leaf, torch.tensor([only, only]), reduction="none")
    assert losses.tolist() == [0.0, 0.0]
    assert (torch.autograd.grad(losses.sum(), leaf)[0] == 0).all()


@pytest.mark.parametrize("function", [lt.softmax, lt.log_softmax])
@pytest.mark.parametrize("beta", [1e40, 1e-40])
def test_gradients_of_a_beta_that_float32_does_not_hold(function, beta):
    logits = torch.tensor([[1.0, 2.0, 3.0], [2.0, 1.0, -2.0]]) / (1e38 if beta < 1 else 1.0)
    single, double = logits.clone().requires_grad_(), logits.double().requires_grad_()
    upstream = torch.tensor([[0.5, -1.0, 2.0], [0.1, 0.2, 0.3]])
    (found,) = torch.autograd.grad(function(single, 1, beta=beta), single, upstream)
    (expected,) = torch.autograd.grad(function(double, 1, beta=beta), double, upstream.double())
    torch.testing.assert_close(found, expected.float())

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lastlayer as ll
import lastlayer.torch as lt


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_any_shape_and_dim_as_the_arrays(shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99))))
    array, bounds = logits.numpy(), {"rtol": 2e-6, "atol": 1e-6}
    np.testing.assert_allclose(lt.logsumexp(logits, dim).numpy(), ll.logsumexp(array, axis=dim), **bounds)
    for beta in (0.3, 1.0):
        expected = ll.smooth_max(array, axis=dim, beta=beta)
        np.testing.assert_allclose(lt.smooth_max(logits, dim, beta=beta).numpy(), expected, **bounds)
        kept = lt.smooth_max(logits, dim, True, beta=torch.tensor(beta))
        np.testing.assert_allclose(kept.squeeze(dim).numpy(), expected, **bounds)


def test_between_the_maximum_and_a_little_more():
    logits = torch.randn(50, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for beta in (0.1, 3.0, 500.0):
        above = lt.smooth_max(logits, beta=beta) - logits.amax(1)
        assert (above >= 0).all()
        assert (above <= math.log(7) / beta).all()
    assert lt.smooth_max(torch.tensor([1e4, 1e4]), beta=500.0).item() == pytest.approx(1e4 + math.log(2) / 500)


@pytest.mark.parametrize("beta", [2.0, torch.tensor(2.0)])
def test_trap_04_rows_without_a_finite_maximum(beta):
    z = torch.tensor([[math.nan, 1.0], [math.inf, 0.0], [-math.inf, -math.inf], [-math.inf, 3.0]], requires_grad=True)
    found = lt.smooth_max(z, beta=beta)
    assert found[0].isnan()
    assert found[1:].tolist() == [math.inf, -math.inf, 3.0]
    (gradient,) = torch.autograd.grad(found[1:].sum(), z)
    assert gradient.tolist() == [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0]]


def test_trap_13_a_row_of_minus_infinity_has_gradient_0_to_any_order():
    z = torch.full((1, 3), -math.inf, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(lt.smooth_max(z).exp().sum() + lt.smooth_max(z).sum(), z, create_graph=True)
    assert (gradient == 0).all()
    assert (torch.func.grad(lambda x: lt.smooth_max(x).sum())(z.detach()) == 0).all()

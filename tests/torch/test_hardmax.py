import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

import lastlayer as ll
import lastlayer.torch as lt


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_any_shape_and_dim_as_the_arrays(shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    logits = torch.randint(0, 4, shape, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99)))).float()
    np.testing.assert_array_equal(lt.hardmax(logits, dim).numpy(), ll.hardmax(logits.numpy(), axis=dim))


def test_gives_the_first_of_equals():
    assert lt.hardmax(torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_trap_04_bad_rows_are_nan_alone():
    logits = torch.zeros(4, 3)
    logits[0, 1], logits[1, 2], logits[2] = math.nan, math.inf, -math.inf
    assert lt.hardmax(logits).isnan().all(1).tolist() == [True, True, True, False]
    assert lt.hardmax(logits)[3].tolist() == [1.0, 0.0, 0.0]


def test_no_gradient_flows_through_it():
    assert not lt.hardmax(torch.zeros(3, requires_grad=True)).requires_grad

"""How smooth_max closes on the maximum as beta grows."""

import math

import numpy as np
import pytest

from lastlayer.explorer.smooth_closing import above_maximum, smooth_closing
from tests.oracles.softmax import smooth_max


@pytest.mark.parametrize("scores", [[2.0, 1.0, 0.1], [1e6, 1e6 - 0.25, -math.inf], [0.0, 0.0]])
def test_the_curve_is_the_definition(scores):
    closing = smooth_closing(np.array(scores), 1.0)
    assert closing is not None
    for power, height in closing["above"][:-1]:
        above = smooth_max(scores, 10.0**power) - max(scores)
        assert height == pytest.approx(math.log10(above), abs=1e-9)
    assert closing["here"] == pytest.approx([0, math.log10(smooth_max(scores) - max(scores))])
    most = [math.log10(math.log(len(scores)) / beta) for beta in (0.001, 10_000.0)]
    assert closing["most"] == [[-3, pytest.approx(most[0])], [4, pytest.approx(most[1])]]


def test_digits_above_a_large_maximum():
    assert above_maximum(np.array([1e9, 1e9 - 20]), 1.0) == pytest.approx(math.exp(-20), rel=1e-6)


def test_what_is_below_the_picture_and_what_has_none():
    assert smooth_closing(np.array([3.0]), 1.0) is None
    far = smooth_closing(np.array([1e308, -1e308]), 1.0)
    assert far is not None
    assert (far["above"], far["here"]) == ([], None)

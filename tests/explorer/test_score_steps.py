"""What of the steps is shown, and over which scale scores are dragged."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.explorer.score_steps import score_scale, shown_places


def test_equals_stay_as_they_were_given():
    assert shown_places(np.array([1.0, 2.0, 1.0, 2.0]), "largest").tolist() == [1, 3, 0, 2]
    assert shown_places(np.array([1.0, 2.0]), "given").tolist() == [0, 1]


@pytest.mark.parametrize(
    ("scores", "scale"),
    [
        ([2.0, 1.0, 0.1, -1.0], (-3.0, 4.0, 0.1)),
        ([0.95, 0.99, 0.98], (0.92, 1.02, 0.002)),
        ([0.0], (-1.0, 1.0, 0.05)),
        ([7.0, -math.inf], (6.0, 8.0, 0.05)),
    ],
)
def test_a_scale_that_one_would_draw(scores, scale):
    assert tuple(score_scale(np.array(scores)).values()) == pytest.approx(scale)


@given(st.lists(st.floats(-1e308, 1e308), min_size=1, max_size=5))
def test_a_scale_has_room_on_both_sides(scores):
    scale = score_scale(np.array(scores))
    assert scale["step"] > 0
    assert all(map(math.isfinite, scale.values()))
    assert scale["least"] < min(scores)
    assert scale["most"] > max(scores)

"""smooth_max between its bounds, and the corner that it rounds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.explorer.smooth_corner import smooth_corner
from tests.oracles.softmax import smooth_max


@pytest.mark.parametrize("beta", [0.001, 1.0, 30.0, 10_000.0])
def test_the_curve_is_the_definition(beta):
    corner = smooth_corner(np.array([2.0, 1.0]), beta)
    places = np.array(corner["curve"])
    assert places[0, 0] == -corner["reach"]
    assert (np.diff(places[:, 0]) > 0).all()
    for x, y in places[::8]:
        assert y == pytest.approx(float(smooth_max([x, 0.0], beta)), abs=2e-9)


def test_figures_of_the_three_logits():
    corner = smooth_corner(np.array([2.0, 1.0, 0.1]), 1.0)
    text = corner["text"]
    assert (text["max"], text["smooth_max"], text["bound"]) == ("2.0000", "2.4170", "3.0986")
    assert (text["above"], text["most"]) == ("0.4170", "1.0986")
    assert corner["share"] == pytest.approx(0.41703 / 1.09861, abs=1e-5)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=9), st.floats(0.001, 10_000))
def test_a_row_stands_on_the_curve_of_two(scores, beta):
    corner = smooth_corner(np.array(scores), beta)
    x, y = corner["row"]
    assert y == pytest.approx(float(smooth_max([x, 0.0], beta)), rel=1e-9, abs=1e-9)
    others = sorted(scores)[:-1]
    below = float(smooth_max(others, beta))
    assert corner["smooth_max"] == pytest.approx(below + y, rel=1e-9, abs=1e-9)
    assert 0 <= corner["share"] <= 1


def test_a_row_without_another_possible_class_has_no_place():
    for scores in ([1.0], [1.0, -math.inf]):
        corner = smooth_corner(np.array(scores), 1.0)
        assert (corner["row"], corner["text"]["x"], corner["text"]["above"]) == (None, None, "0.0000")


def test_equal_scores_stand_in_the_picture():
    for count in (2, 1_000):
        corner = smooth_corner(np.zeros(count), 0.5)
        assert corner["row"][0] == pytest.approx(-math.log(count - 1) / 0.5)
        assert abs(corner["row"][0]) < corner["reach"]
        assert corner["share"] == pytest.approx(1)

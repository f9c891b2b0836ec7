"""The same softmax in three precisions."""

import math

import numpy as np

from lastlayer.explorer.precisions import in_precisions

PLACES = np.arange(3)


def texts(scores, beta):
    return in_precisions(np.array(scores), beta, PLACES)


def test_what_overflows_where():
    of_500 = texts([0.95, 0.99, 0.98], 500.0)
    assert of_500["float32"]["naive"] == of_500["float16"]["naive"] == ["NaN"] * 4
    assert of_500["float32"]["sum_of_exponentials"] == "inf"
    assert [round(float(text), 4) for text in of_500["float64"]["naive"]] == [0, 0.9933, 0.0067, 1]
    assert [round(float(text), 4) for text in of_500["float32"]["stable"]] == [0, 0.9933, 0.0067, 1]
    assert texts([0.95, 0.99, 0.98], 1000.0)["float64"]["naive"] == ["NaN"] * 4


def test_one_class_of_inf_takes_all_and_leaves_zeros():
    given = texts([0.0, 89.0, 1.0], 1.0)["float32"]
    assert given["naive"] == ["0.0", "NaN", "0.0", "NaN"]
    assert given["stable"][1] == "1.0"


def test_every_digit_that_a_dtype_has():
    given = texts([2.0, 1.0, 0.1], 1.0)
    exact = [math.exp(z) for z in (2.0, 1.0, 0.1)]
    for name in ("float64", "float32", "float16"):
        stable = np.array(given[name]["stable"][:3]).astype(name)
        np.testing.assert_allclose(
            stable.astype(float), np.divide(exact, sum(exact)), rtol=4 * float(np.finfo(name).eps)
        )
        assert stable.astype(str).tolist() == given[name]["stable"][:3]
    assert given["float16"]["stable"][0] == "0.659"


def test_a_sum_is_over_all_classes():
    given = in_precisions(np.zeros(4_096), 1.0, np.arange(2))["float64"]
    assert given["naive"] == ["0.000244140625", "0.000244140625", "1.0"]
    assert given["sum_of_exponentials"] == "4096.0"


def test_impossible_classes():
    assert texts([-math.inf, 0.0, 0.0], 10.0)["float16"]["naive"] == ["0.0", "0.5", "0.5", "1.0"]

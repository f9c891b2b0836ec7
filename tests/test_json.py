import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer._json import json_float, json_text, json_value


@given(st.floats(allow_nan=False))
def test_trap_33_every_number_comes_back(number):
    text = json_text([number])
    assert json_float(json.loads(text, parse_constant=pytest.fail)[0]) == number


def test_trap_33_nan_is_null_at_any_depth():
    text = json_text({"a": [(math.nan, 1)], "b": {"c": -math.inf}, "d": "NaN"})
    assert text == '{"a": [[null, 1]], "b": {"c": "-Infinity"}, "d": "NaN"}'
    assert math.isnan(json_float(json.loads(text)["a"][0][0]) or 0)


def test_what_is_no_number():
    assert json_float("NaN") is json_float("1") is json_float(True) is json_float([1]) is None
    assert json_value((True, None, 3)) == [True, None, 3]

"""What a request asks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.explorer.request_json import NotJson, request_json

_TEXTS = st.text(max_size=20)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(_VALUES)
def test_strict_json_is_read_as_it_was_written(value):
    assert request_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"class=a", "is not JSON"),
        (b'{"score": [1,]}', "is not JSON"),
        (b'"\x00"', "is not JSON"),
        (b'{"score": [NaN]}', "holds NaN"),
        (b'{"score": [-Infinity]}', "holds -Infinity"),
        (b'{"beta": 1, "beta": 2}', "a name twice"),
        (b'"\xff"', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[" * 100_000, "too deep"),
        (b'{"a":' * 100_000, "too deep"),
    ],
)
def test_all_else_is_refused(body, part):
    with pytest.raises(NotJson, match=part) as refusal:
        request_json(body)
    assert "expected" in str(refusal.value)


def test_whole_numbers_of_any_length():
    assert request_json(b"123456789012345678901234567890") == 123456789012345678901234567890
    assert request_json(b"9" * 5000) == float("inf")
    assert request_json(b"-" + b"9" * 5000) == -float("inf")

"""What a state may hold."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.explorer.fields import Choice, Flag, Many, Number, Refused, Text, Whole, read_state, state_schema

FIELDS = {
    "class": Many(Text(5), 3, least=1),
    "score": Many(Number(impossible=True), 3),
    "beta": Number(0.001, 10_000.0, default=1.0),
    "rows": Whole(1, 100, default=10),
    "by": Choice(("loss", "margin"), default="loss"),
    "shown": Flag(),
    "only": Many(Text(), 2, default=("a",)),
}


def refusal(field, value):
    """The sentence and the field with which `value` is refused."""
    with pytest.raises(Refused) as refused:
        field.read("x", value)
    assert "expected" in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 250
    return str(refused.value), refused.value.field


def test_a_state_with_its_defaults():
    state = read_state(FIELDS, {"class": ["a", "é🐈"], "score": ["1", "-inf"], "shown": "1"})
    assert state == {
        "class": ["a", "é🐈"],
        "score": [1.0, -math.inf],
        "beta": 1.0,
        "rows": 10,
        "by": "loss",
        "shown": True,
        "only": ["a"],
    }
    state["only"].append("b")  # a copy of the default
    assert read_state(FIELDS, {"class": ["a"], "score": []})["only"] == ["a"]


@pytest.mark.parametrize("state", [None, 3, "class=a", [], [["class", ["a"]]], True])
def test_a_state_is_an_object(state):
    with pytest.raises(Refused, match=r"^state: received .*expected an object with fields class, score"):
        read_state(FIELDS, state)


def test_a_field_that_is_missing_or_unknown():
    with pytest.raises(Refused, match=r"^score: is missing$"):
        read_state(FIELDS, {"class": ["a"]})
    with pytest.raises(Refused, match=r"^'scores': is no field here, expected class, score, beta"):
        read_state(FIELDS, {"class": ["a"], "scores": [1]})
    with pytest.raises(Refused) as refused:
        read_state(FIELDS, {"\ud800\x1b" * 1000: 1})
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(
            (2, 2.0),
            (0.5, 0.5),
            ("2", 2.0),
            (" -3.5e2 ", -350.0),
            ("1e308", 1e308),
            (1e308, 1e308),
            ("-1e-320", -1e-320),
        ),
        *((10**300, 1e300), ("0", 0.0), ("+1.", 1.0)),
    ],
)
def test_numbers(value, expected):
    assert Number().read("x", value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(math.nan, math.inf, -math.inf, "nan", "NaN", "inf", "-inf", "-Infinity", "1e309", "1e400", "-1e400"),
        *(10**400, -(10**400), "9" * 5000, "1_000", "٣", "\uff11", "0x10", "", " ", "1,5", "1 2", "one"),
        *(None, True, False, [], [1], {}, {"a": 1}, "\0", "1\0", "\ud800", [[[[[[[]]]]]]] * 1000),
    ],
)
def test_no_numbers(value):
    sentence, field = refusal(Number(), value)
    assert sentence.startswith("x: received ")
    assert sentence.endswith("expected a finite number")
    assert field == "x"


@pytest.mark.parametrize("value", [-math.inf, "-inf", "-Infinity", " -INF "])
def test_an_impossible_class(value):
    assert Number(impossible=True).read("x", value) == -math.inf
    refusal(Number(0, 1), value)


@pytest.mark.parametrize("value", [math.inf, "inf", math.nan, "1e400"])
def test_what_no_class_has(value):
    assert refusal(Number(impossible=True), value)[0].endswith("a finite number, or -inf for an impossible class")


@given(st.floats())
def test_a_number_is_read_from_its_text_to_the_last_bit(value):
    field = Number(-1e3, 1e3)
    if -1e3 <= value <= 1e3:
        assert field.read("x", value) == value == field.read("x", repr(value))
    else:
        assert refusal(field, value)[0].endswith("expected a number from -1000 to 1000")
        refusal(field, repr(value))


def test_bounds_belong_to_the_range():
    assert Number(0.001, 10_000).read("x", "0.001") == 0.001
    assert Number(0.001, 10_000).read("x", 10_000) == 10_000
    refusal(Number(0.001, 10_000), math.nextafter(10_000, math.inf))
    assert Whole(1, 100).read("x", 100.0) == Whole(1, 100).read("x", "1e2") == 100
    assert isinstance(Whole(1, 100).read("x", 100.0), int)


@pytest.mark.parametrize("value", [0, 101, 1.5, "1.5", "inf", "nan", -math.inf, math.nan, None, True, "", [1], 10**400])
def test_no_whole_numbers(value):
    assert refusal(Whole(1, 100), value)[0].endswith("expected a whole number from 1 to 100")


@pytest.mark.parametrize("value", ["Loss", "", None, 0, ["loss"], {"loss": 1}, "loss\0"])
def test_no_options(value):
    assert Choice(("loss", "margin")).read("x", "margin") == "margin"
    assert refusal(Choice(("loss", "margin")), value)[0].endswith("expected one of loss, margin")


@pytest.mark.parametrize("value", [0, 1, "true", "yes", "", None, 2, [True]])
def test_no_flags(value):
    assert [Flag().read("x", yes) for yes in (True, "1", False, "0")] == [True, True, False, False]
    refusal(Flag(), value)


@pytest.mark.parametrize("value", ["", "<b>bold</b>", "👩‍👩‍👧‍👦", "שלום", "a\tb\n", "\x1b[31m", "x" * 200])
def test_texts(value):
    assert Text(200).read("x", value) == value


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("x" * 201, "received 201 characters, expected at most 200"),
        ("\ud800", "Unicode text"),
        ("a\udfffb", "Unicode text"),
        ("a\0b", "without the character 0"),
        *((value, "expected text") for value in (None, 3, True, ["a"], {"a": "b"})),
    ],
)
def test_no_texts(value, part):
    assert part in refusal(Text(200), value)[0]


def test_lists():
    assert FIELDS["score"].read("score", []) == []
    assert refusal(FIELDS["class"], [])[0].endswith("received 0 entries, expected 1 to 3")
    assert refusal(FIELDS["class"], ["a"] * 10_000)[0].endswith("received 10,000 entries, expected 1 to 3")
    for value in ("abc", {"0": "a"}, None, 3):
        assert refusal(FIELDS["class"], value)[0].endswith("expected a list")
    with pytest.raises(Refused) as refused:
        FIELDS["score"].read("score", ["1", "2", "3x"])
    assert (str(refused.value), refused.value.field) == (
        "score[2]: received '3x', expected a finite number, or -inf for an impossible class",
        "score[2]",
    )


def test_a_value_that_is_deep_is_shown_short():
    deep = []
    for _ in range(900):
        deep = [deep]
    refusal(Number(), deep)
    refusal(Text(), {"a": deep})
    refusal(Choice(("a",)), deep)


def test_the_schema_says_what_is_read():
    schema = state_schema(FIELDS)
    assert schema["required"] == ["class", "score"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["beta"]["default"] == 1.0
    assert properties["beta"]["anyOf"][0] == {"type": "number", "minimum": 0.001, "maximum": 10_000.0}
    assert properties["rows"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 100}
    assert properties["by"] == {"type": "string", "enum": ["loss", "margin"], "default": "loss"}
    assert properties["shown"]["anyOf"] == [{"type": "boolean"}, {"type": "string", "enum": ["0", "1"]}]
    assert properties["class"]["maxItems"] == 3
    assert properties["class"]["items"]["maxLength"] == 5
    json.dumps(schema, allow_nan=False)


@pytest.mark.parametrize("impossible", [True, False])
@given(text=st.from_regex(r"[ 0-9eE.+-]{0,6}|-?[iI][nN][fF]|-[iI]nfinity|nan", fullmatch=True))
def test_the_schema_of_a_number_fits_what_is_read_of_texts(impossible, text):
    field = Number(impossible=impossible)
    pattern = field.schema()["anyOf"][1]["pattern"]
    if re.search(pattern, text.strip()):
        try:
            field.read("x", text)
        except Refused:
            assert math.isinf(float(text))  # too large for a number
    else:
        refusal(field, text)

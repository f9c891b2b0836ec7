import pytest

from lastlayer._text import first_few, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat", "cat"),
        ("ein Käfer, 猫", "ein Käfer, 猫"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),  # the one-byte start of an escape sequence, and delete
        ("\u202etac", r"\u202etac"),  # what follows would read from right to left
        ("\ud800", r"\ud800"),  # half a surrogate pair
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),  # Persian, whose letters a non-joiner keeps apart
        ("👩\u200d💻", "👩\u200d💻"),
        (7, "7"),
    ],
)
def test_what_is_shown(text, expected):
    assert shown(text) == expected


@pytest.mark.parametrize("number", range(0xA0))
def test_no_control_character_is_shown(number):
    assert shown(chr(number)).isprintable()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cat"], "cat"),
        (["cat", 7, "cow"], "cat, 7, cow"),
        (["cat", "dog", "horse"], "cat, dog ..."),
        (["a name of more than twelve", "dog"], "a name of m… ..."),
        (["\x1b[31m", "b"], r"\x1b[31m, b"),
    ],
)
def test_the_first_few_names(names, expected):
    assert first_few(names, 12) == expected

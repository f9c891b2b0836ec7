import pytest

from lastlayer.explorer.class_scores import named


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        ([], "none"),
        (["cat"], "cat"),
        (["cat", "dog", ""], "cat, dog and class 2"),
        (list("abcdefgh"), "a, b, c, d, e, f, g and h"),
        (list("abcdefghij"), "a, b, c, d, e, f, g, h and 2 more"),
        (["x" * 200], "x" * 39 + "…"),
        # A name from right to left, or one that would turn the text around it, leaves the sentence in order.
        (["שלג", "\u202eb"], "\u2068שלג\u2069 and \\u202eb"),
    ],
)
def test_names_in_a_sentence(classes, text):
    assert named(classes, list(range(len(classes)))) == text

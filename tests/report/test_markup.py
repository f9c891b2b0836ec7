import json

from hypothesis import given
from hypothesis import strategies as st

from lastlayer.report.markup import embedded, escaped
from tests.report.reading import Page


@given(st.text())
def test_text_comes_back_as_it_is_or_as_escapes(text):
    page = Page(f"<p>{escaped(text, 10_000)}</p>")
    assert [tag for tag, _ in page.tags] == ["p"]
    if text.isprintable():
        assert "".join(page.text) == text


@given(st.text())
def test_embedded_text_ends_no_script(text):
    written = embedded({"name": text})
    assert "<" not in written
    assert json.loads(written) == {"name": text}


def test_long_text_is_cut():
    assert escaped("abcdef", 4) == "abc…"

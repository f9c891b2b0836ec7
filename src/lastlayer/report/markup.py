"""Text of a user in HTML and in scripts: escaped, and as long as a page can bear."""

import html
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from lastlayer._json import json_text

# Characters that HTML has no place for, or that no reader can see.
_INVISIBLE = ("Cc", "Cs", "Cn")
_LINE = "\n\t"


def escaped(text: object, most: int = 120) -> str:
    r"""`text` for the content of an element or a quoted attribute, at most `most` characters of it and an ellipsis.

    Control characters, surrogates and what is no character are shown as escapes of a Python string.

    >>> escaped("<b>'\x00")
    '&lt;b&gt;&#x27;\\x00'
    """
    text = str(text)
    text = text if len(text) <= most else text[: most - 1] + "…"
    if not text.isprintable():
        text = "".join(
            letter.encode("unicode_escape").decode()
            if letter not in _LINE and unicodedata.category(letter) in _INVISIBLE
            else letter
            for letter in text
        )
    return html.escape(text)


def embedded(value: Any) -> str:
    """`value` as JSON that can stand between <script> tags: no letter of it ends the element or begins a comment."""
    return json_text(value).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def table(
    heads: Sequence[tuple[str, str]],
    rows: Iterable[str],
    label: str,
    *,
    kind: str = "",
    name: str = "",
    foot: Iterable[str] = (),
) -> str:
    """A table in a region that scrolls by itself.

    Args:
      heads: HTML of each column's heading, and "n" for numbers or "t" for text.
      rows: HTML of the cells of each row.
      label: what a screen reader calls the region.
      kind: class of the table; where "sortable" is among them the headings are buttons.
      name: its id.
      foot: HTML of the cells of each row of its foot, such as sums.
    """
    sorts = "sortable" in kind
    cells = "".join(
        f'<th scope="col" class="{of}" aria-sort="none"><button type="button">{title}</button></th>'
        if sorts
        else f'<th scope="col" class="{of}">{title}</th>'
        for title, of in heads
    )
    identity = f' id="{name}"' if name else ""
    body, below = ("".join(f"<tr>{row}</tr>" for row in part) for part in (rows, foot))
    below = f"<tfoot>{below}</tfoot>" if below else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table class="{kind}"{identity}>'
        f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody>{below}</table></div>"
    )

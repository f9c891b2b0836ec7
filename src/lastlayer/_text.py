"""Text of a user, such as the name of a class, as it may be shown on a terminal."""

from collections.abc import Iterable

# Format characters that many scripts and emoji need between letters, and that move no cursor: the zero-width
# non-joiner and joiner.
_HARMLESS = "\u200c\u200d"


def shown(text: object) -> str:
    r"""`text` with control and other unprintable characters as escapes, so that it cannot steer a terminal.

    Escapes are those of a Python string, such as \x1b for the start of a colour. Line ends are control characters too:
    what is shown is one line.

    >>> print(shown("\x1b[31mred\n"))
    \x1b[31mred\n
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in _HARMLESS else letter.encode("unicode_escape").decode()
        for letter in text
    )


def first_few(names: Iterable[object], width: int) -> str:
    """As many of `names`, at least one, as fit a line of `width` characters, with ... for the others.

    A first name that does not fit is cut.

    >>> first_few(["cat", "dog", "cow"], 8)
    'cat, dog ...'
    """
    first, *others = names
    first = shown(first)
    text = first if len(first) <= width else f"{first[: width - 1]}…"
    for name in map(shown, others):
        if len(text) + len(name) > width:
            return f"{text} ..."
        text += f", {name}"
    return text

"""Rows of text under headings, aligned by spaces."""

from collections.abc import Sequence

from lastlayer._text import shown


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, foot: Sequence[Sequence[str]] = ()) -> str:
    """Lines of `rows` under `columns`, which control no terminal; the first column is text, the others right-aligned.

    Args:
      columns: names.
      rows: lists of str, as long as `columns`.
      foot: rows set apart below the others, such as sums.
    Returns: text without a line end after the last line.
    >>> print(plain_table(["class", "n"], [["cat", "3"]], foot=[["sum", "12"]]))
    class   n
    -----  --
    cat     3
    -----  --
    sum    12
    """
    body = [[shown(cell) for cell in row] for row in (columns, *rows, *foot)]
    widths = column_widths(body)
    rule = "  ".join("-" * width for width in widths)
    lines = [_aligned(row, widths) for row in body]
    lines.insert(1, rule)
    if foot:
        lines.insert(2 + len(rows), rule)
    return "\n".join(lines)


def column_widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Characters of the longest cell of each column."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _aligned(row, widths):
    first, *others = (
        cell.ljust(width) if index == 0 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()

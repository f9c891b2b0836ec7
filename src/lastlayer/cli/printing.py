"""Results on standard output: a rich table on a terminal, aligned plain text when piped, JSON when asked."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from lastlayer._json import json_text
from lastlayer._plain_table import column_widths, plain_table
from lastlayer._text import shown


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, foot: Sequence[Sequence[str]] = ()) -> None:
    """Print `rows` under `columns`; the first column is text, the others are right-aligned.

    Args:
      columns: names.
      rows: lists of str, as long as `columns`.
      foot: rows set apart below the others, such as sums.
    """
    if not sys.stdout.isatty():
        click.echo(plain_table(columns, rows, foot=foot))
        return
    columns, *others = ([shown(cell) for cell in row] for row in (columns, *rows, *foot))
    _print_rich(columns, others[: len(rows)], others[len(rows) :])


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print (name, value) pairs of str, one a line, values aligned."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        click.echo(f"{click.style(name.ljust(width), dim=True)}  {shown(value)}")


def print_json(value: Any) -> None:
    """Print `value` as one strict JSON document; see `json_value`."""
    print_document(json_text(value, indent=2))


def print_document(text: str) -> None:
    """Print JSON `text`. Unprintable characters stand in strings alone and are escaped: the values stay the same."""
    click.echo("\n".join(map(_escaped, text.split("\n"))))


def _escaped(line):
    if line.isprintable() and encodes(line):
        return line
    return "".join(letter if letter.isprintable() and encodes(letter) else json.dumps(letter)[1:-1] for letter in line)


def encodes(text: str) -> bool:
    """Whether standard output can encode `text`."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _print_rich(columns, rows, foot):
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if index == 0 else "right", no_wrap=True)
    for index, row in enumerate(rows):
        table.add_row(*map(Text, row), end_section=bool(foot) and index == len(rows) - 1)
    for row in foot:
        table.add_row(*(Text(cell, style="bold") for cell in row))
    console = Console(highlight=False)
    # A figure cut short would be a wrong figure: a table that is too wide goes beyond the edge instead.
    console.width = max(console.width, sum(column_widths([columns, *rows, *foot])) + 2 * len(columns))
    console.print(table)


def beta_in_words(beta: float | list[float]) -> str:
    """One number, or the least and the largest of many."""
    return f"{min(beta):.4f} to {max(beta):.4f}, one a label" if isinstance(beta, list) else f"{beta:.4f}"

"""`lastlayer explain`: every step from scores to probabilities, with the library's own numbers."""

import math
from datetime import UTC, datetime

import click
import numpy as np

from lastlayer.cli.arguments import CommandWithExamples, typed_command
from lastlayer.cli.printing import print_json, print_table
from lastlayer.cli.refusals import about_the_input
from lastlayer.explanation import Explanation, explain
from lastlayer.explanation.step_table import LEGEND, columns, notes_of, rows_of


@click.command(
    "explain",
    cls=CommandWithExamples,
    context_settings={"ignore_unknown_options": True},
    examples=[
        "lastlayer explain 2.0 1.0 0.1",
        "lastlayer explain 2.0 1.0 0.1 --classes cat,dog,cow --label cat",
        "lastlayer explain 0.95 0.99 0.98 --beta 500",
        "lastlayer explain -1.5 -inf 2 --json",
        "lastlayer explain 2.0 1.0 0.1 --classes cat,dog,cow --html steps.html",
    ],
)
@click.argument("scores", nargs=-1, required=True, metavar="SCORE...")
@click.option("--beta", default=1.0, help="Inverse temperature, greater than 0.", show_default=True)
@click.option("--label", help="The right class, by number or name: shows its loss.")
@click.option("--classes", help="Names of the classes, with commas between.")
@click.option("--html", "html_path", metavar="FILE", type=click.Path(), help="Write the steps to this HTML file too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    scores: tuple[str, ...], beta: float, label: str | None, classes: str | None, html_path: str | None, as_json: bool
) -> None:
    """Show every step from scores to probabilities.

    Scores may be negative; -inf marks a class as impossible.
    """
    values = np.array([_score(text) for text in scores])
    if values.max() == -math.inf:
        raise click.UsageError("SCORE: every class is impossible (-inf), expected at least one finite score")
    if not (math.isfinite(beta) and beta > 0):
        raise click.UsageError(f"--beta: received {beta:g}, expected a finite number greater than 0")
    names = _names(classes, len(values))
    index = None if label is None else _index(label, names)
    with about_the_input():
        explanation = explain(values, beta=beta, classes=names, label=index)
    if html_path is not None:
        _write_page(html_path, explanation)
    if as_json:
        print_json(explanation.to_dict())
        return
    rows, foot = rows_of(explanation)
    print_table(columns(), rows, foot=foot)
    for line in (*notes_of(explanation), LEGEND):
        click.echo(line)


def _write_page(path: str, explanation: Explanation) -> None:
    # Loading these takes a while, which whoever wants no page does not wait for.
    from lastlayer.explanation.explanation_page import explanation_page
    from lastlayer.report import Provenance, write_report

    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    origin = Provenance(command=typed_command(click.get_current_context()), made=made)
    write_report(path, explanation_page(explanation, origin))
    click.echo(f"page written to {path}", err=True)


def _score(text):
    try:
        value = float(text)
    except ValueError:
        raise click.UsageError(f"SCORE: received {text!r}, expected a number such as 2.0 or -1e3") from None
    if math.isnan(value) or value == math.inf:
        raise click.UsageError(f"SCORE: received {text}, expected a finite number, or -inf for an impossible class")
    return value


def _names(classes, count):
    if classes is None:
        return [str(index) for index in range(count)]
    names = [name.strip() for name in classes.split(",")]
    if len(names) != count:
        raise click.UsageError(f"--classes: received {len(names)} names, expected {count}, one for each score")
    return names


def _index(label, names):
    if label in names:
        return names.index(label)
    if label.isdecimal() and int(label) < len(names):
        return int(label)
    raise click.UsageError(
        f"--label: received {label!r}, expected one of {', '.join(names[:8])}, or a number from 0 to {len(names) - 1}"
    )

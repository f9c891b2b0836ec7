"""`lastlayer predict`: the class and its probability for every row of a table of any length."""

from itertools import pairwise

import click
import numpy as np
import polars as pl

from lastlayer._json import json_text
from lastlayer.cli.arguments import (
    CommandWithExamples,
    calibration_option,
    column_option,
    data_argument,
    format_option,
    json_option,
    model_argument,
    quiet_option,
    standard_input,
    where_option,
)
from lastlayer.cli.calibrated_model import calibrated_model
from lastlayer.cli.distinct_files import require_apart
from lastlayer.cli.interruption import says_what_was_not_written
from lastlayer.cli.prediction_file import kind_of, write_predictions
from lastlayer.cli.refusals import about_the_input
from lastlayer.cli.saved_model import batches, feature_columns, load_model
from lastlayer.decision import can_abstain, gives_sets
from lastlayer.estimators import has_many_labels, is_default
from lastlayer.storage import require_writable
from lastlayer.tables import InputError, open_table


@click.command(
    "predict",
    cls=CommandWithExamples,
    examples=[
        "lastlayer predict kind.safetensors new.parquet -o kinds.parquet",
        "lastlayer predict kind.safetensors 'part-*.csv' --top 3 --keep id -o out.csv",
        "head -5 rows.jsonl | lastlayer predict kind.safetensors - --json",
        "lastlayer predict kind.safetensors new.csv --calibration cal.json -o out.csv",
    ],
)
@model_argument
@data_argument
@where_option
@format_option
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="The K likeliest classes of every row.")
@click.option("--probabilities", "every", is_flag=True, help="The probability of every class, in a column of its own.")
@calibration_option
@column_option("--keep", multiple=True, help="Copy this column too; repeat it, or put commas between.")
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="OUT",
    type=click.Path(),
    help="parquet, csv or jsonl; - is standard output.  [default: -]",
)
@quiet_option
@json_option
@says_what_was_not_written
def command(
    model: str,
    data: tuple[str, ...],
    where: str | None,
    format_: str | None,
    top: int | None,
    every: bool,
    calibration: str | None,
    keep: tuple[str, ...],
    output: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Predict the class and its probability for every row.

    OUT has the columns of --keep, then prediction and probability; with --top K prediction_1, probability_1 and so on
    to K, the likeliest first; with --probabilities also probability_CLASS for every class. Rows keep their order.

    Of a model of many labels a row, prediction and probability are lists, of the labels that are more probable than
    not, the likeliest first; csv has them as JSON.

    A model with a decision rule of `lastlayer decide` answers by it: "don't know" is null beside the largest
    probability, and sets of classes are lists. --top shows the likeliest classes all the same.

    With --calibration probabilities are what the calibration makes of the model's own.

    Standard output gets csv, or JSON lines with --json.

    Rows go through in batches, so files may be larger than memory. OUT appears when it is whole.
    """
    if every and top is not None:
        raise click.UsageError("--probabilities: stands beside --top, expected one of the two; leave one out")
    kind = kind_of(output, as_json)
    if output != "-":
        require_apart(output, [model, *data, *([] if calibration is None else [calibration])])
        require_writable(output)
    head = load_model(model)
    judge = head if calibration is None else calibrated_model(head, model, calibration)
    if top is not None and top > len(head.classes_):
        raise InputError(f"--top {top}: {model} has {len(head.classes_)} classes, expected at most that many.")
    table = open_table(data, stdin=standard_input(), format=format_)
    columns = feature_columns(head, table, head.training_.label)
    names = _names(top, head.classes_ if every else ())
    kept = _kept(keep, table, kind, names)
    table = table.as_written(set(kept).difference(columns.names)).filtered(where)
    many_labels = has_many_labels(head)
    unknown = [0]
    if top is None and gives_sets(head.decision_):
        predicted = _sets(head, table, columns, kept, names, as_text=kind == "csv")
    elif top is None and not is_default(head.decision_, many_labels=many_labels):
        predicted = _decided(head, table, columns, kept, names, unknown)
    else:
        predicted = (_probabilities if every else _predictions)(
            *(judge, table, columns, kept, names), 1 if judge is head and not every else len(head.classes_)
        )
    rows = write_predictions(predicted, output, kind)
    if quiet:
        return
    if output != "-":
        click.echo(f"{rows:,} rows written to {output}", err=True)
    if can_abstain(head.decision_) and top is None:
        click.echo(f"don't know: {unknown[0]:,} of {rows:,} rows, {unknown[0] / max(1, rows):.1%}", err=True)


def _kept(keep, table, kind, names):
    kept = [name for option in keep for name in ([option] if option in table.schema else option.split(","))]
    table.require_columns(kept)
    for name in kept:
        if name in names:
            raise InputError(f"--keep {name}: is a column of the predictions too, expected another; rename it.")
        if kind != "parquet" and table.schema[name] == pl.Binary:
            raise InputError(f"--keep {name}: holds bytes, which {kind} cannot hold; write parquet.")
        if kind == "csv" and table.schema[name].is_nested():
            raise InputError(f"--keep {name}: holds lists, which csv cannot hold; write parquet or jsonl.")
    return list(dict.fromkeys(kept))


def _names(top, classes):
    """The names of the columns of predictions, all different since the classes are."""
    if top is None:
        return ["prediction", "probability", *(f"probability_{name}" for name in classes)]
    return [f"{name}_{place}" for place in range(1, top + 1) for name in ("prediction", "probability")]


def _predictions(head, table, columns, kept, names, columns_of_output):
    """DataFrames of the kept columns and the `names`d predictions, the likeliest first, batch by batch."""
    top = len(names) // 2
    for frame, X, _ in batches(head, table, columns, kept, columns_of_output=columns_of_output):
        with about_the_input():
            labels, probabilities = head.predict_top_k(X, top)
        values = [part[:, place] for place in range(top) for part in (labels, probabilities)]
        found = [pl.Series(name, value.copy()) for name, value in zip(names, values, strict=True)]
        yield pl.DataFrame([*frame.select(kept), *found])


def _decided(head, table, columns, kept, names, unknown):
    """DataFrames of the kept columns, what the rule answers and how probable that is, and with more names every class.

    "Don't know" is null, beside the largest probability; unknown[0] counts it.
    """
    classes = pl.Series(head.classes_.tolist())
    for frame, X, _ in batches(head, table, columns, kept, columns_of_output=len(head.classes_)):
        with about_the_input():
            probabilities = head.predict_proba(X)
            answers = head.decision_.apply(probabilities)
        is_unknown = answers < 0
        unknown[0] += int(is_unknown.sum())
        chosen = np.where(is_unknown, probabilities.argmax(axis=1), answers)
        labels = classes.gather(chosen).set(pl.Series(is_unknown), None).alias(names[0])
        values = [np.take_along_axis(probabilities, chosen[:, None], axis=1)[:, 0], *_columns(probabilities, names)]
        found = [pl.Series(name, value) for name, value in zip(names[1:], values, strict=True)]
        yield pl.DataFrame([*frame.select(kept), labels, *found])


def _sets(head, table, columns, kept, names, *, as_text):
    """DataFrames of the kept columns and lists of the labels that the rule answers, and with more names every class."""
    classes = pl.Series(head.classes_.tolist())
    for frame, X, _ in batches(head, table, columns, kept, columns_of_output=len(head.classes_)):
        with about_the_input():
            probabilities = head.predict_proba(X)
            answers = head.decision_.apply(probabilities)
        rows, chosen = answers.nonzero()
        ranked = probabilities[rows, chosen]
        order = np.lexsort((chosen, -ranked, rows))
        lengths = np.bincount(rows, minlength=len(probabilities))
        lists = [classes.gather(chosen[order]).alias(names[0]), pl.Series(names[1], ranked[order])]
        every = [
            pl.Series(name, column) for name, column in zip(names[2:], _columns(probabilities, names), strict=True)
        ]
        yield pl.DataFrame([*frame.select(kept), *(_as_lists(series, lengths, as_text) for series in lists), *every])


def _columns(probabilities, names):
    """Every class's probabilities, if more than the answer and its probability are wanted."""
    return [np.ascontiguousarray(column) for column in probabilities.T] if names[2:] else []


def _as_lists(series, lengths, as_text):
    """Entries one after another as lists of such lengths, or as JSON text of them."""
    edges, values = np.concatenate([[0], np.cumsum(lengths)]).tolist(), series.to_list()
    lists = [values[first:last] for first, last in pairwise(edges)]
    if as_text:
        return pl.Series(series.name, [json_text(part) for part in lists])
    return pl.Series(series.name, lists, dtype=pl.List(series.dtype))


def _probabilities(head, table, columns, kept, names, columns_of_output):
    """DataFrames of the kept columns, the prediction, and the probability of it and of every class, batch by batch."""
    for frame, X, _ in batches(head, table, columns, kept, columns_of_output=columns_of_output):
        with about_the_input():
            labels, probabilities = head.predict(X), head.predict_proba(X)
        values = [labels, probabilities.max(axis=1), *probabilities.T]
        found = [pl.Series(name, np.ascontiguousarray(value)) for name, value in zip(names, values, strict=True)]
        yield pl.DataFrame([*frame.select(kept), *found])

"""`lastlayer predict`: the class and its probability for every row of a table of any length."""

from pathlib import Path

import click

from lastlayer.cli.arguments import (
    CommandWithExamples,
    calibration_option,
    column_option,
    data_argument,
    format_option,
    json_option,
    model_argument,
    quiet_option,
    ray_options,
    standard_input,
    where_option,
)
from lastlayer.cli.calibrated_model import calibrated_model
from lastlayer.cli.distinct_files import require_apart
from lastlayer.cli.interruption import says_what_was_not_written
from lastlayer.cli.on_ray import on_ray, refuse_beside_ray
from lastlayer.cli.prediction_file import kind_of
from lastlayer.cli.refusals import about_the_input
from lastlayer.cli.saved_model import feature_columns, load_model
from lastlayer.decision import can_abstain
from lastlayer.storage import require_writable
from lastlayer.tables import InputError, open_table, paths_for_workers, write_predictions
from lastlayer.tables.predictions import Wanted, kept_columns, predictions


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
    help="parquet, csv or jsonl; - is standard output; with --ray also a folder, for a file from each shard.  "
    "[default: -]",
)
@ray_options
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
    ray: str | None,
    workers: int | None,
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

    With --ray workers predict, on one machine or many, each of which finds DATA under the same paths. An OUT without a
    suffix is a folder that they write to: part-00000.parquet and so on, in the order of the rows.

    Rows go through in batches, so files may be larger than memory. OUT appears when it is whole.
    """
    if every and top is not None:
        raise click.UsageError("--probabilities: stands beside --top, expected one of the two; leave one out")
    refuse_beside_ray(ray, workers, calibration=calibration)
    if ray is not None and output == "-":
        raise click.UsageError("-o: is standard output, expected a file or a folder with --ray; name one")
    kind = "parquet" if ray is not None and not Path(output).suffix else kind_of(output, as_json)
    if output != "-":
        require_apart(output, [model, *data, *([] if calibration is None else [calibration])])
        if ray is None:
            require_writable(output)
    head = load_model(model)
    judge = head if calibration is None else calibrated_model(head, model, calibration)
    if top is not None and top > len(head.classes_):
        raise InputError(f"--top {top}: {model} has {len(head.classes_)} classes, expected at most that many.")
    files = data if ray is None else paths_for_workers(data)
    table = open_table(files, stdin=standard_input() if ray is None else None, format=format_)
    columns = feature_columns(head, table, head.training_.label)
    wanted = Wanted(top, every, as_text=kind == "csv")
    wanted = wanted._replace(kept=kept_columns(keep, table, kind, wanted.names(head.classes_), option="--keep"))
    table = table.as_written(set(wanted.kept).difference(columns.names)).filtered(where)
    if ray is not None:
        with on_ray():
            from lastlayer.ray.predict_files import predict_table

            rows = predict_table(
                head, table, columns, wanted, Path(output), format=format_, num_workers=workers, address=ray
            )
        if not quiet:
            click.echo(f"{rows:,} rows written to {output}", err=True)
        return
    unknown = [0]
    rows = write_predictions(_frames(predictions(head, table, columns, wanted, judge=judge), unknown), output, kind)
    if quiet:
        return
    if output != "-":
        click.echo(f"{rows:,} rows written to {output}", err=True)
    if can_abstain(head.decision_) and top is None:
        click.echo(f"don't know: {unknown[0]:,} of {rows:,} rows, {unknown[0] / max(1, rows):.1%}", err=True)


def _frames(predicted, unknown):
    """The DataFrames of `predicted`; unknown[0] counts the rows that the rule does not know."""
    with about_the_input():
        for frame, count in predicted:
            unknown[0] += count
            yield frame

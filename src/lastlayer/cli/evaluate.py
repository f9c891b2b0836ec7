"""`lastlayer evaluate`: a model judged on labelled rows, with gates for continuous integration."""

import click
import polars as pl

from lastlayer.cli.arguments import data_argument, fraction, json_option, standard_input, where_option
from lastlayer.cli.exit_codes import GATE_FAILED
from lastlayer.cli.refusals import about_the_input
from lastlayer.cli.saved_model import batches, feature_columns, load_model
from lastlayer.metrics import ClassIndex, EvaluationAccumulator
from lastlayer.tables import InputError, cast_labels, label_array, label_column, open_table


@click.command("evaluate")
@click.argument("model")
@data_argument
@where_option
@click.option("--label", metavar="COLUMN", help="The label column.  [default: the one of the fit]")
@click.option("--max-ece", type=float, callback=fraction, help="Fail above this expected calibration error.")
@click.option("--min-accuracy", type=float, callback=fraction, help="Fail below this accuracy.")
@json_option
def command(model, data, where, label, max_ece, min_accuracy, as_json):
    """Judge a model on labelled rows: accuracy, log-loss, calibration.

    Every label must be a class of the model; leave other rows out with --where. A gate that fails, --max-ece or
    --min-accuracy, ends with exit code 1 after the evaluation is printed.
    """
    head = load_model(model)
    remembered = head.training_.label
    table = open_table(data, where=where, wanted=[label or remembered or "label"], stdin=standard_input())
    label = label_column(table, label or (remembered if remembered in table.schema else None))
    columns = feature_columns(head, table, label)
    index, accumulator = ClassIndex(head.classes_), EvaluationAccumulator(classes=head.classes_)
    for frame, X, place in batches(head, table, columns, [label], columns_of_output=len(head.classes_)):
        labels = label_array(cast_labels(frame[label], head.classes_), place)
        known = index.knows(labels)
        if not known.all():
            row = int(known.argmin())
            raise _unknown_label(table, label, head.classes_, place(row), labels.tolist()[row])
        with about_the_input():
            accumulator.add(head.predict_proba(X), labels)
    evaluation = accumulator.result()
    click.echo(evaluation.to_json() if as_json else str(evaluation))
    failures = []
    if max_ece is not None and not evaluation.ece <= max_ece:
        failures.append(f"expected calibration error {evaluation.ece:.4f} is above --max-ece {max_ece:g}")
    if min_accuracy is not None and not evaluation.accuracy >= min_accuracy:
        failures.append(f"accuracy {evaluation.accuracy:.4f} is below --min-accuracy {min_accuracy:g}")
    if failures:
        click.echo(f"gate failed: {' and '.join(failures)}.", err=True)
        click.get_current_context().exit(GATE_FAILED)


def _unknown_label(table, label, classes, place, found):
    series = cast_labels(table.collect([label])[label], classes)
    unknown = series.filter(~series.is_in(pl.Series(classes.tolist()).cast(series.dtype).implode()))
    names = unknown.unique(maintain_order=True)
    sql = f"{label} <> '{found}'" if isinstance(found, str) else f"{label} <> {found}"
    remedy = f'--where "{sql}"' if len(names) == 1 else "--where"
    others = "" if len(names) == 1 else f" of {len(names)} such labels"
    return InputError(
        f"{place}: column {label} is {found!r}, which the model never saw ({len(unknown)} rows{others}), expected one "
        f"of its {len(classes)} classes; leave such rows out with {remedy}."
    )

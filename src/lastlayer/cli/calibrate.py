"""`lastlayer calibrate`: what makes honest probabilities of any model's outputs, fitted, kept in a file and applied."""

import warnings
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import polars as pl

import lastlayer as ll
from lastlayer.calibration import CALIBRATION_METHODS, SCORE_KINDS, TemperatureWarning
from lastlayer.cli.arguments import (
    CommandWithExamples,
    column_option,
    data_argument,
    format_option,
    json_option,
    quiet_option,
    standard_input,
    weight_option,
    where_option,
)
from lastlayer.cli.array_output import write_array
from lastlayer.cli.distinct_files import require_apart
from lastlayer.cli.interruption import says_what_was_not_written
from lastlayer.cli.memory_option import memory_option, spool_option
from lastlayer.cli.prediction_file import kind_of
from lastlayer.cli.printing import print_json, print_pairs
from lastlayer.cli.refusals import about_the_input
from lastlayer.cli.score_table import ScoreTable, class_names, only_scores
from lastlayer.cli.scored_rows import require_kind, rows_that_weigh
from lastlayer.metrics import EvaluationAccumulator
from lastlayer.storage import calibration_document, require_writable
from lastlayer.tables import (
    InputError,
    Storage,
    choose_scores,
    label_column,
    open_table,
    require_weight,
    write_predictions,
)

_ROWS = 1 << 16


@click.command(
    "calibrate",
    cls=CommandWithExamples,
    examples=[
        "lastlayer calibrate held_out.parquet --from logits --label kind -o cal.json",
        "lastlayer calibrate scores.csv --from probabilities --scores 'p_*' \\",
        "  --label kind --method vector -o cal.json",
        "lastlayer calibrate z.npy y.npy --from logits --scores z --label y -o cal.json",
        "lastlayer calibrate --apply cal.json new.parquet --keep id -o honest.parquet",
        "lastlayer calibrate --apply cal.json z.npy -o p.npy",
    ],
)
@data_argument
@where_option
@format_option
@click.option("--from", "scores_are", type=click.Choice(SCORE_KINDS), help="What the scores are; never guessed.")
@column_option(
    "--scores", metavar="COLUMNS", help="A column of lists, or columns of numbers.  [default: the only column of lists]"
)
@column_option("--label", help="The label column.  [default: label, labels or y]")
@weight_option
@click.option(
    "--classes",
    metavar="NAMES",
    help="What the scores' entries are called, with commas between; or a text file of one name a line.  "
    "[default: what * stands for in --scores, else 0, 1, ...]",
)
@click.option(
    "--method",
    type=click.Choice(CALIBRATION_METHODS),
    help="One number; two, by how sure the row is; or two for each class.  [default: temperature]",
)
@click.option("--apply", "calibration", metavar="CALIBRATION", type=click.Path(), help="Apply this, fit nothing.")
@column_option("--keep", multiple=True, help="With --apply: copy this column too; repeat it, or put commas between.")
@memory_option
@spool_option
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="OUT",
    type=click.Path(),
    help="The CALIBRATION to write; with --apply parquet, csv, jsonl or npy, or - for standard output.",
)
@quiet_option
@json_option
@says_what_was_not_written
def command(
    data: tuple[str, ...],
    where: str | None,
    format_: str | None,
    scores_are: str | None,
    scores: str | None,
    label: str | None,
    weight: str | None,
    classes: str | None,
    method: str | None,
    calibration: str | None,
    keep: tuple[str, ...],
    memory: float,
    spool: str | None,
    output: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make honest probabilities of any model's outputs.

    DATA are held-out rows with scores and labels, which the model was not trained on; several .npy files are the
    columns of one table, named as the files. The figures that are printed are of the same rows: judge the calibration
    on others, with --apply and `lastlayer evaluate`.

    Scores that --memory has no room for are kept on the disk of --spool; with --method vector they take memory anyway.

    With --apply OUT has the columns of --keep, then prediction and probability, and probability_CLASS for every class;
    a .npy file has the probabilities alone.
    """
    if calibration is not None:
        fitting = {"--label": label, "--weight": weight, "--method": method}
        for option, value in fitting.items():
            if value is not None:
                raise click.UsageError(f"{option}: stands beside --apply, which fits nothing; leave one out")
        _apply(calibration, data, where, format_, scores_are, scores, classes, keep, output, quiet, as_json)
        return
    if keep:
        raise click.UsageError("--keep: expected --apply beside it; leave it out")
    if scores_are is None:
        raise click.UsageError(f"--from: missing, expected one of {', '.join(SCORE_KINDS)}; it is never guessed")
    if output == "-":
        raise click.UsageError("-o: missing, expected the file to write the calibration to")
    require_apart(output, data)
    require_writable(output)
    given = _score_table(data, where, format_, scores, classes, label=label, weight=weight, labelled=True)
    storage = Storage(memory, "float32", spool, quiet)
    document = _fit(given, scores_are, method or "temperature", output, storage)
    if as_json:
        print_json(document)
    else:
        print_pairs(_readable(document))


def _score_table(data, where, format_, scores, classes, *, label=None, weight=None, labelled=False):
    wanted = [] if scores is None else [scores]
    table = open_table(data, wanted=wanted, stdin=standard_input(), format=format_)
    if labelled:
        label = label_column(table, label)
        require_weight(table, weight, label)
        table = table.as_written([label])
    table = table.filtered(where)
    if scores is None:
        columns, names = only_scores(table, "--scores", taken=(label, weight))
    else:
        columns, names = choose_scores(table, scores, "--scores", taken=(label, weight))
    if names is not None and classes is not None:
        raise click.UsageError("--classes: stands beside columns that say their classes, expected one of the two")
    names = names if classes is None else class_names(classes)
    given = ScoreTable(table, columns, names, "--scores", label=label, weight=weight)
    if given.width < 2:
        raise InputError(
            f"--scores: {columns} has one class, expected at least two; a binary model has two columns, such as 1 - p "
            "and p."
        )
    return given


def _fit(given, scores_are, method, output, storage):
    scores, labels, weights, kind = rows_that_weigh(given, scores_are, storage)
    with about_the_input(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TemperatureWarning)
        calibration = ll.fit_calibration(scores, labels, scores_are=kind, method=method, sample_weight=weights)
    for warning in caught:
        click.echo(f"warning: {str(warning.message).removeprefix('fit_calibration: ')}", err=True)
    classes = None if given.names is None else tuple(given.index.classes.tolist())
    calibration = replace(calibration, classes=classes)
    unchanged = replace(calibration, method="temperature", beta=1.0, entropy_betas=None, vector=None)
    before, after = (_evaluation(each, scores, labels, weights) for each in (unchanged, calibration))
    calibration = replace(calibration, scores_are=scores_are)
    ll.save_calibration(calibration, output)
    document = {"schema": 1, "calibration": output, **calibration_document(calibration)}
    document.pop("library_version")
    for name in ("log_loss", "ece", "accuracy"):
        document |= {f"{name}_before": getattr(before, name), f"{name}_after": getattr(after, name)}
    return document


def _evaluation(calibration, scores, labels, weights):
    accumulator = EvaluationAccumulator()
    step = max(1, (_ROWS << 6) // scores.shape[1])
    for first in range(0, len(scores), step):
        rows = slice(first, first + step)
        accumulator.add(calibration.apply(scores[rows]), labels[rows], None if weights is None else weights[rows])
    return accumulator.result()


def _readable(document):
    entropy, factors = document["entropy_betas"], document["factors"]
    pairs = [
        ("calibration", document["calibration"]),
        ("rows", f"{document['rows']:,} of {document['num_classes']:,} classes, {document['scores_are']}"),
        ("beta", f"{document['beta']:.4f}"),
    ]
    if entropy is not None:
        pairs.append(("beta by entropy", f"{entropy[0]:.4f} where certain to {entropy[1]:.4f} where uniform"))
    if factors is not None:
        pairs.append(("factors", f"{min(factors):.4f} to {max(factors):.4f}"))
        pairs.append(("shifts", f"{min(document['shifts']):.4f} to {max(document['shifts']):.4f}"))
    for name, key in (("log-loss", "log_loss"), ("calibration error", "ece"), ("accuracy", "accuracy")):
        pairs.append((name, f"{document[f'{key}_before']:.4f} before, {document[f'{key}_after']:.4f} after"))
    return [*pairs, ("judged on", "the rows of the calibration; judge it on others")]


def _apply(path, data, where, format_, scores_are, scores, classes, keep, output, quiet, as_json):
    is_array = Path(output).suffix.lower() == ".npy"
    kind = "npy" if is_array else kind_of(output, as_json)
    if is_array and keep:
        raise click.UsageError(f"--keep: a column, which {output} cannot hold; write parquet, or leave it out")
    if output != "-":
        require_apart(output, [path, *data])
        require_writable(output)
    with about_the_input():
        calibration = ll.load_calibration(path)
    if scores_are not in (None, calibration.scores_are):
        raise click.UsageError(
            f"--from {scores_are}: {path} is for {calibration.scores_are}, expected the same; leave it out"
        )
    given = _score_table(data, where, format_, scores, classes)
    names = _matching_names(calibration, given, path)
    table = given.table
    kept = list(dict.fromkeys(name for option in keep for name in option.split(",")))
    columns = ["prediction", "probability", *(f"probability_{name}" for name in names)]
    table.require_columns(kept)
    for name in kept:
        if name in columns:
            raise InputError(f"--keep {name}: is a column of the output too, expected another; rename it.")
        if kind == "csv" and table.schema[name].is_nested():
            raise InputError(f"--keep {name}: holds lists, which csv cannot hold; write parquet or jsonl.")
    if is_array:
        arrays = (values for _, values in _calibrated(calibration, given, (), path))
        rows = write_array(arrays, table.count(), output)
    else:
        frames = _frames(_calibrated(calibration, given, kept, path), kept, names, columns)
        rows = write_predictions(frames, output, kind)
    if output != "-" and not quiet:
        click.echo(f"{rows:,} rows written to {output}", err=True)


def _matching_names(calibration, given, path):
    """What the classes are called, in the order of the scores."""
    if given.width != calibration.num_classes:
        raise InputError(
            f"--scores: {given.width} classes, but {path} was fitted on {calibration.num_classes}, expected the same."
        )
    if given.names is not None and calibration.classes is not None and tuple(given.names) != calibration.classes:
        k = next(k for k, pair in enumerate(zip(given.names, calibration.classes, strict=True)) if pair[0] != pair[1])
        raise InputError(
            f"--scores: class {k} is {given.names[k]!r}, but {path} was fitted with {calibration.classes[k]!r} there, "
            "expected the classes of the fit in its order; name the columns in that order."
        )
    named = given.names if calibration.classes is None else calibration.classes
    return range(given.width) if named is None else named


def _calibrated(calibration, given, kept, path):
    """Each batch's frame and its calibrated probabilities (n, K)."""
    remedy = f"{path} was fitted on {calibration.scores_are}, apply it to such"
    for batch in given.batches(kept):
        require_kind(given, batch.scores, calibration.scores_are, batch.place, remedy)
        with about_the_input():
            yield batch.frame, calibration.apply(batch.scores)


def _frames(calibrated, kept, names, columns):
    classes = pl.Series(list(names))
    for frame, values in calibrated:
        best = values.argmax(axis=1)
        found = [classes.gather(best), pl.Series(values[np.arange(len(best)), best])]
        found += [pl.Series(np.ascontiguousarray(column)) for column in values.T]
        renamed = [series.alias(name) for series, name in zip(found, columns, strict=True)]
        yield pl.DataFrame([*frame.select(kept), *renamed])

"""`lastlayer fit`: from files of features and labels to a calibrated head in one file."""

import math
import shutil
from typing import Any, Literal

import click
import numpy as np

import lastlayer as ll
from lastlayer._memory import memory_allowance
from lastlayer._stopwatch import compiling_seconds, stopwatch
from lastlayer.cli.arguments import (
    CommandWithExamples,
    column_option,
    data_argument,
    format_option,
    json_option,
    positive,
    positive_or_infinite,
    quiet_option,
    ray_options,
    standard_input,
    weight_option,
    where_option,
)
from lastlayer.cli.distinct_files import require_apart, share_a_file
from lastlayer.cli.fit_here import fit_here
from lastlayer.cli.fit_on_ray import fit_on_ray
from lastlayer.cli.fit_rows import FitTable
from lastlayer.cli.fit_summary import fit_in_words
from lastlayer.cli.interruption import Interrupted, says_what_was_not_written
from lastlayer.cli.memory_option import memory_option, spool_option
from lastlayer.cli.on_ray import refuse_beside_ray
from lastlayer.cli.printing import print_json, print_pairs
from lastlayer.cli.refusals import about_the_input
from lastlayer.storage import require_writable
from lastlayer.tables import Storage, choose_features, label_column, open_table, require_weight
from lastlayer.tables.model_rows import remember_columns

_HOLDOUT = 0.1
# Columns of the chart of a path of C, at most.
_CHART = 80


def _number_or_auto(context: click.Context, parameter: click.Parameter, value: str) -> float | None:
    """A click callback: a number greater than 0, or None for "auto"."""
    if value == "auto":
        return None
    return positive_or_infinite(context, parameter, click.FLOAT(value, parameter, context))


@click.command(
    "fit",
    cls=CommandWithExamples,
    examples=[
        "lastlayer fit train.parquet --label kind -o kind.safetensors",
        "lastlayer fit 'part-*.csv' --label kind --features 'f_*' -o m.safetensors",
        """lastlayer fit all.parquet --label kind --where "split = 'train'" \\""",
        """  --validation-where "split = 'val'" -o kind.safetensors""",
        "lastlayer fit posts.parquet --labels emotions --C 10 -o emotions.safetensors",
        "lastlayer fit train.parquet --label kind --C auto -o kind.safetensors",
        "lastlayer fit - --weight count --json -o m.safetensors < rows.jsonl",
    ],
)
@data_argument
@column_option("--label", help="The label column.  [default: label, labels or y]")
@column_option(
    "--labels", help="A column of lists of labels, many a row: fit a sigmoid head, a yes or no to each label."
)
@column_option(
    "--features",
    multiple=True,
    help="Feature columns, or globs; repeat it, or put commas between.  [default: the only column of lists of numbers, "
    "else every column of numbers but the label and an index]",
)
@weight_option
@where_option
@format_option
@click.option("--validation", multiple=True, metavar="DATA", type=click.Path(), help="Calibrate on these files.")
@click.option("--validation-where", metavar="SQL", help="Calibrate on these rows, of --validation or else of DATA.")
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, max_open=True),
    help=f"Without validation rows: calibrate on this share of every class, and fit the rest; 0 calibrates nothing.  "
    f"[default: {_HOLDOUT}]",
)
@click.option(
    "--C",
    "C",
    default="1.0",
    show_default=True,
    metavar="FLOAT|auto",
    callback=_number_or_auto,
    help="Weak penalty when large, none when inf. Unit-length embeddings want 10 to 100: C = 1 shrinks their scores "
    "hard, and calibration repairs most of it, not all. auto tries 19 values from 1e-4 to 1e4 and takes the one of "
    "least log-loss on the validation rows, or else in 5 folds of the rows of the fit.",
)
@click.option(
    "--standardize",
    is_flag=True,
    help="Divide features by their standard deviations, so that the penalty depends on no feature's unit. The saved "
    "head is for features as they are.",
)
@click.option("--class-weight", type=click.Choice(["balanced"]), help="Let every class weigh the same.")
@click.option("--tol", default=1e-4, show_default=True, callback=positive, help="Accuracy of the optimum.")
@click.option(
    "--max-iter",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Iterations at most; with --candidates, passes over the rows.",
)
@click.option(
    "--candidates",
    type=click.IntRange(min=1),
    metavar="S",
    help="For very many classes: score this many sampled classes in each step, not all. Thousands come near the "
    "optimum, which is then not certified.",
)
@click.option(
    "--checkpoint",
    metavar="FILE",
    type=click.Path(),
    help="Keep the state of a fit with --candidates or --ray in this file; the same command goes on from it.",
)
@memory_option
@spool_option
@click.option(
    "--spool-dtype",
    type=click.Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="What spooled features are kept in: float16 takes half the room and keeps 3 digits, of numbers up to 65504.",
)
@ray_options
@click.option("-o", "--output", required=True, metavar="MODEL", type=click.Path(), help="The model file, .safetensors.")
@click.option("--keep-interrupted", is_flag=True, help="After Ctrl-C in the fit, write the best head so far.")
@quiet_option
@json_option
@says_what_was_not_written
def command(
    data: tuple[str, ...],
    label: str | None,
    labels: str | None,
    features: tuple[str, ...],
    weight: str | None,
    where: str | None,
    format_: str | None,
    validation: tuple[str, ...],
    validation_where: str | None,
    holdout: float | None,
    C: float | None,
    class_weight: Literal["balanced"] | None,
    tol: float,
    max_iter: int,
    candidates: int | None,
    checkpoint: str | None,
    ray: str | None,
    workers: int | None,
    standardize: bool,
    memory: float,
    spool: str | None,
    spool_dtype: str,
    output: str,
    keep_interrupted: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Fit a head on files of features and labels, calibrate it, and save it.

    With --label each row has one label, and the head is a softmax; with --labels it has any number of them, and the
    head is one logistic regression a label.

    DATA is parquet, arrow, csv, tsv, jsonl, json, npy or npz, or csv, tsv and jsonl in gzip or zstd: files, patterns,
    pipes, or - for standard input. X.npy y.npy are the columns X and y. Of an object store, by addresses such as
    's3://bucket/rows/*.parquet', files are read that are parquet, arrow or text.

    Calibration needs rows that the fit has not seen. They come from --validation, from --validation-where, or else from
    --holdout: then the head is fitted on the remaining rows only. Standard output gets the summary, MODEL the head.

    With --C auto validation rows choose C as well as the inverse temperature; without them C is chosen in folds of the
    rows of the fit, each class spread over all of them, and the head is fitted anew on all of these rows.

    With --weight a row of weight 2 counts as two rows, in the fit and in the calibration; the model does not remember
    the column.

    Files may be larger than memory. Features that --memory has no room for are read once, in batches, and kept on the
    disk of --spool as float32; the fit then works on the disk's pages. Labels and weights are held.

    With --candidates a fit stops where the log-loss of a few rows of its own, which it does not learn from, falls no
    more. With --checkpoint it can be killed at any time, and the same command on the same data ends as if it had not.

    With --ray the rows are read and kept by workers, on one machine or many, each of which finds DATA under the same
    paths; the head is the same. No rows are held out: calibrate on --validation or --validation-where.

    Ctrl-C stops the fit and writes nothing; with --keep-interrupted it writes the best head so far. The exit code is
    130 either way.
    """
    seconds, compiling = stopwatch(), compiling_seconds()
    if holdout is not None and (validation or validation_where):
        raise click.UsageError("--holdout: stands beside validation rows, expected one source of them; leave one out")
    if checkpoint and not candidates and ray is None:
        raise click.UsageError("--checkpoint: stands without --candidates or --ray, expected one; leave it out")
    refuse_beside_ray(ray, workers, candidates=candidates, holdout=holdout)
    if ray is not None and spool_dtype != "float32":
        raise click.UsageError("--spool-dtype: does not go with --ray, expected one; leave one out")
    if ray is not None and C is None:
        raise click.UsageError("--C auto: does not go with --ray, expected a number; name a C")
    if labels is not None:
        _refuse_beside_labels(label=label, candidates=candidates, checkpoint=checkpoint if ray is None else None)
    if C is None and candidates:
        raise click.UsageError("--C auto: stands beside --candidates, expected one of them; name a C")
    require_apart(output, [*data, *validation])
    if checkpoint and (checkpoint == output or share_a_file([checkpoint], [output, *data, *validation])):
        raise click.UsageError(f"--checkpoint {checkpoint}: is also the model or an input, expected another file")
    if validation and not validation_where and share_a_file(data, validation):
        raise click.UsageError(
            "--validation: names a file of DATA, expected rows that the fit has not seen; choose them with "
            "--validation-where"
        )
    require_writable(output)

    many, label = labels is not None, labels or label
    wanted = [*features, *([label] if label else [])]
    table = open_table(data, wanted=wanted, stdin=None if ray else standard_input(), format=format_)
    label = label_column(table, label)
    require_weight(table, weight, label)
    table = table.as_written([] if many else [label]).filtered(where)
    columns = choose_features(table, features, label, weight=weight)
    if columns.note():
        click.echo(f"{columns.note()}; choose with --features", err=True)
    rows = FitTable(table, columns, label, weight, many, validation, validation_where, format_)
    options: Any = {"class_weight": class_weight, "standardize": standardize, "tol": tol, "max_iter": max_iter}
    options |= {"verbose": int(not quiet)}
    storage = Storage(memory, spool_dtype, spool, quiet)
    if ray is not None:
        options |= {"C": C, "checkpoint": checkpoint, "num_workers": workers, "address": ray}
        fitted = fit_on_ray(rows, data, where, storage, options)
    else:
        sampled = {"candidates": candidates, "checkpoint": checkpoint}
        fitted = fit_here(rows, C, _HOLDOUT if holdout is None else holdout, storage, options, sampled)
    model, held = fitted.model, fitted.held
    model.set_params(verbose=0)  # for whoever loads it
    optimum = model.optimum_
    interrupted = None
    if optimum.stopped == "interrupted":
        # Of labels that went on from a checkpoint and were not come to, it is not known.
        at = f" at objective {optimum.objective:.6f}" if math.isfinite(optimum.objective) else ""
        interrupted = f"interrupted{at} after {optimum.iterations} iterations"
        if not keep_interrupted:
            raise Interrupted(f"{interrupted}; {output} was not written")
    if held is not None:
        with about_the_input(), memory_allowance(fitted.allowance):
            model.calibrate(*held)
    remember_columns(model, columns, label)
    training = model.training_
    summary = {
        "rows": fitted.num_rows,
        "held_out_rows": training.held_out_rows,
        "many_labels": many,
        "labels_per_row": fitted.labels_per_row,
        "num_classes": len(model.classes_),
        "classes": model.classes_.tolist(),
        "features": fitted.width,
        "feature_columns": None if columns.is_list else list(columns.names),
        "list_column": columns.names[0] if columns.is_list else None,
        "C": model.C_ if isinstance(model, ll.SoftmaxClassifierCV | ll.SigmoidClassifierCV) else C,
        "standardized": standardize,
        "candidates": candidates,
        "objective": optimum.objective,
        "gap": optimum.gap,
        "expected": optimum.expected,
        "iterations": optimum.iterations,
        "stopped": optimum.stopped,
        "monitor_rows": training.monitor_rows,
        "monitor_log_loss": training.monitor_log_loss,
        "log_loss_before": training.log_loss_before,
        "log_loss_after": training.log_loss_after,
        "beta": np.asarray(model.beta_).tolist(),
        "bias": model.bias_.tolist() if isinstance(model, ll.SigmoidClassifier) else None,
        "seconds": seconds(),
        "spooled_bytes": fitted.spooled_bytes,
    }
    if isinstance(model, ll.SoftmaxClassifierCV | ll.SigmoidClassifierCV):
        path = model.path_
        summary["path"] = {
            "C": path.Cs.tolist(),
            "log_loss": path.mean_log_losses.tolist(),
            "standard_error": path.standard_errors.tolist(),
            "folds": path.log_losses.shape[1],
        }
        if not quiet:
            click.echo(model.path_chart(min(_CHART, shutil.get_terminal_size().columns)), err=True)
    compiling = compiling_seconds() - compiling
    if compiling >= 0.1 and not quiet:
        click.echo(f"compiling kernels: {compiling:.1f} s, not counted in the seconds of the fit", err=True)
    model.save(output)
    if as_json:
        print_json({"schema": 2, "model": str(output), **summary})
    else:
        print_pairs(fit_in_words(summary, columns, optimum.certificate(), output))
    if interrupted:
        raise Interrupted(f"{interrupted}; {output} holds the best head so far")


def _refuse_beside_labels(**options):
    for name, value in options.items():
        if value is not None:
            raise click.UsageError(f"--{name}: stands beside --labels, expected one of the two; leave one out")

"""`lastlayer decide`: choose a decision rule on held-out rows and keep it with the model."""

import math
from typing import Any, Literal

import click
import numpy as np
import scipy.sparse as sp

from lastlayer.cli.arguments import (
    CommandWithExamples,
    column_option,
    format_option,
    json_option,
    model_argument,
    open_fraction,
    where_option,
)
from lastlayer.cli.decision_document import decision_document
from lastlayer.cli.distinct_files import require_apart
from lastlayer.cli.interruption import says_what_was_not_written
from lastlayer.cli.judged_labels import judged_labels, judged_lists
from lastlayer.cli.labelled_table import labelled_table
from lastlayer.cli.printing import print_json, print_pairs
from lastlayer.cli.refusals import about_the_input
from lastlayer.cli.saved_model import load_model
from lastlayer.decision import (
    ABSTENTION_SCORES,
    Argmax,
    Rule,
    Thresholds,
    choose_abstention,
    choose_prediction_sets,
    choose_thresholds,
    evidence_in_words,
    least_cost,
    rule_in_words,
)
from lastlayer.decision.abstention_scores import AbstentionScore
from lastlayer.decision.head_rules import has_many_labels
from lastlayer.metrics import ClassIndex
from lastlayer.storage import require_writable
from lastlayer.tables import InputError, read_costs
from lastlayer.tables.model_rows import batches

_AIMS = ("accuracy", "coverage", "threshold", "precision", "recall", "cost", "argmax")


def _threshold(context: click.Context, parameter: click.Parameter, value: str | None) -> str | float | None:
    if value is None or value == "f1":
        return value
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise click.UsageError(f"--threshold: received {value!r}, expected f1 or a number from 0 to 1")
    return number


@click.command(
    "decide",
    cls=CommandWithExamples,
    examples=[
        "lastlayer decide kind.safetensors val.csv --accuracy .97 -o sure.safetensors",
        "lastlayer decide kind.safetensors val.csv --coverage .9 -o set.safetensors",
        "lastlayer decide tags.safetensors dev.parquet --threshold f1 --per-label \\",
        "  -o tags.safetensors",
        "lastlayer decide kind.safetensors --cost cost.csv --abstain-cost 2 \\",
        "  -o kind.safetensors",
        "lastlayer decide kind.safetensors --argmax -o kind.safetensors",
    ],
)
@model_argument
@click.argument("data", nargs=-1, metavar="[DATA...]", type=click.Path())
@where_option
@format_option
@column_option("--label", help="The label column.  [default: the one of the fit]")
@click.option(
    "--accuracy",
    type=float,
    metavar="SHARE",
    callback=open_fraction,
    help='Answer the most probable class where so many answers are right, else "don\'t know".',
)
@click.option(
    "--confidence",
    type=float,
    metavar="SHARE",
    callback=open_fraction,
    help="With --accuracy: how surely that holds on new rows.  [default: 0.95]",
)
@click.option(
    "--score",
    type=click.Choice(ABSTENTION_SCORES),
    help="With --accuracy: what must be high enough; entropy and renyi_entropy tell rows that belong to no class "
    "better.  [default: max_probability]",
)
@click.option(
    "--coverage",
    type=float,
    metavar="SHARE",
    callback=open_fraction,
    help="Answer sets of classes that hold the label of so many rows.",
)
@click.option("--by-class", is_flag=True, help="With --coverage: of the rows of every class.")
@click.option(
    "--threshold",
    callback=_threshold,
    metavar="f1|NUMBER",
    help="Answer the labels above the threshold of the best F1.",
)
@click.option("--precision", type=float, metavar="SHARE", help="Answer labels at this precision, with the most recall.")
@click.option("--recall", type=float, metavar="SHARE", help="Answer labels at this recall, as few as possible.")
@click.option("--per-label", is_flag=True, help="With --threshold f1, --precision or --recall: one for each label.")
@click.option(
    "--unmet",
    type=click.Choice(("refuse", "never")),
    help="With --precision and --per-label: refuse if a label cannot have it, or never answer that label.  "
    "[default: refuse]",
)
@click.option(
    "--cost",
    metavar="FILE",
    type=click.Path(),
    help="Answer the class of the least expected cost: a table with the true class in its first column, and a column "
    "for each answer.",
)
@click.option("--abstain-cost", type=float, metavar="NUMBER", help='With --cost: what "don\'t know" costs.')
@click.option("--argmax", is_flag=True, help="Answer the most probable class, or labels above one half, as before.")
@click.option("-o", "--output", metavar="MODEL", type=click.Path(), required=True, help="The model with its rule.")
@json_option
@says_what_was_not_written
def command(
    model: str,
    data: tuple[str, ...],
    where: str | None,
    format_: str | None,
    label: str | None,
    accuracy: float | None,
    confidence: float | None,
    score: AbstentionScore | None,
    coverage: float | None,
    by_class: bool,
    threshold: str | float | None,
    precision: float | None,
    recall: float | None,
    per_label: bool,
    unmet: Literal["refuse", "never"] | None,
    cost: str | None,
    abstain_cost: float | None,
    argmax: bool,
    output: str,
    as_json: bool,
) -> None:
    """Choose by which rule a model answers, on held-out rows.

    DATA are rows with labels that neither the fit nor the calibration has seen; --cost, --argmax and a --threshold that
    is a number take none. `lastlayer predict` and Python's `predict` then answer by the rule, which the file keeps.

    Of a model of one label a row: --accuracy, --coverage, --cost. Of a model of many: --threshold, --precision,
    --recall.
    """
    given = (accuracy, coverage, threshold, precision, recall, cost, argmax or None)
    aims = [name for name, value in zip(_AIMS, given, strict=True) if value is not None]
    if len(aims) != 1:
        what = " and ".join(f"--{name}" for name in aims) if aims else "no aim"
        raise click.UsageError(f"{what}: expected one of {', '.join(f'--{name}' for name in _AIMS)}")
    _require_beside(aims[0], "confidence", confidence, ("accuracy",))
    _require_beside(aims[0], "score", score, ("accuracy",))
    _require_beside(aims[0], "by-class", by_class or None, ("coverage",))
    _require_beside(aims[0], "abstain-cost", abstain_cost, ("cost",))
    _require_beside(aims[0], "per-label", per_label or None, ("threshold", "precision", "recall"))
    if unmet is not None and not (per_label and precision is not None):
        raise click.UsageError("--unmet: expected --precision and --per-label beside it; leave it out")
    if per_label and isinstance(threshold, float):
        raise click.UsageError(f"--per-label: stands beside --threshold {threshold:g}, expected f1; leave it out")
    needs_rows = not (cost or argmax or isinstance(threshold, float))
    if data and not needs_rows:
        raise click.UsageError(f"DATA: --{aims[0]} is not chosen on rows, expected MODEL alone; leave {data[0]} out")
    if output == "-":
        raise click.UsageError("-o -: is standard output, expected a file to write the model to")
    require_apart(output, [*data, *([] if cost is None else [cost])])
    require_writable(output)
    head = load_model(model)
    many_labels = has_many_labels(head)
    if many_labels != (aims[0] in ("threshold", "precision", "recall")) and aims[0] != "argmax":
        kind = "many labels" if many_labels else "one label"
        others = ("threshold", "precision", "recall") if many_labels else ("accuracy", "coverage", "cost")
        raise click.UsageError(
            f"--{aims[0]}: {model} is of {kind} a row, expected one of {', '.join(f'--{name}' for name in others)}"
        )

    def held_out() -> tuple[Any, Any]:
        if not data:
            raise click.UsageError(f"DATA: no file given, expected rows with labels to choose --{aims[0]} on")
        return (_rows_of_many if many_labels else _rows_of_one)(head, data, where, format_, label)

    rule: Rule
    with about_the_input():
        if accuracy is not None:
            rule = choose_abstention(
                *held_out(), accuracy=accuracy, confidence=confidence or 0.95, score=score or "max_probability"
            )
        elif coverage is not None:
            rule = choose_prediction_sets(*held_out(), coverage=coverage, class_conditional=by_class)
        elif cost is not None:
            rule = least_cost(read_costs(cost, head.classes_), abstain_cost=abstain_cost)
        elif argmax:
            rule = Thresholds(0.5) if many_labels else Argmax()
        elif isinstance(threshold, float):
            rule = Thresholds(threshold)
        else:
            rule = choose_thresholds(
                *held_out(), precision=precision, recall=recall, per_label=per_label, unmet=unmet or "refuse"
            )
        head.set_decision(rule)
    head.save(output)
    if as_json:
        print_json({"schema": 1, "model": output, "decision": decision_document(rule)})
    else:
        evidence = [] if rule.evidence is None else [("evidence", evidence_in_words(rule.evidence))]
        print_pairs([("rule", rule_in_words(rule)), *evidence, ("model", output)])


def _require_beside(aim, option, value, aims):
    if value is not None and aim not in aims:
        expected = " or ".join(f"--{name}" for name in aims)
        raise click.UsageError(f"--{option}: stands beside --{aim}, expected {expected}; leave it out")


def _rows_of_one(head, data, where, format_, label):
    """Probabilities (N, K) of rows and their labels (N,), as class indices."""
    table, label, columns = labelled_table(head, data, where, format_, label)
    index, probabilities, labels = ClassIndex(head.classes_), [], []
    for frame, X, place in batches(head, table, columns, [label], columns_of_output=len(head.classes_)):
        found = judged_labels(table, frame[label], index, place, None, unknown="which the model never saw")
        probabilities.append(head.predict_proba(X))
        labels.append(index.find(found))
    if not labels:
        raise InputError(f"{table.name}: has no rows, expected some to choose a rule on.")
    return np.concatenate(probabilities), np.concatenate(labels)


def _rows_of_many(head, data, where, format_, label):
    """Probabilities (N, K) of rows and their answers (N, K), CSR."""
    from lastlayer.estimators import answers_of

    table, label, columns = labelled_table(head, data, where, format_, label)
    probabilities, answers = [], []
    for frame, X, place in batches(head, table, columns, [label], columns_of_output=len(head.classes_)):
        lists = judged_lists(frame[label], head.classes_, place, None)
        probabilities.append(head.predict_proba(X))
        answers.append(answers_of(lists, head.classes_, len(lists), one_of_two=False))
    if not answers:
        raise InputError(f"{table.name}: has no rows, expected some to choose a rule on.")
    return np.concatenate(probabilities), sp.vstack(answers, format="csr")

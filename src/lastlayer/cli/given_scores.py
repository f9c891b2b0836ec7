"""Probabilities or logits that any model has written to files, judged as a head's own are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

import lastlayer as ll
from lastlayer.cli.arguments import standard_input
from lastlayer.cli.refusals import about_the_input
from lastlayer.cli.report_request import ReportRequest, accumulator_for, describer, provenance
from lastlayer.cli.score_table import ScoreTable, class_names
from lastlayer.cli.unknown_label import unknown_value
from lastlayer.metrics import DetailedAccumulator, NoDistributionError
from lastlayer.report import report_page
from lastlayer.tables import (
    FeatureColumns,
    InputError,
    choose_scores,
    label_column,
    nothing_weighs,
    open_table,
    require_weight,
)


def evaluate_scores(
    data: Sequence[str],
    scores: str,
    *,
    are_logits: bool,
    labels: str | None,
    where: str | None,
    format_: str | None,
    label: str | None,
    weight: str | None,
    classes: str | None,
    classwise: bool,
    intervals: float | None,
    unknown_label: str | None,
    report: ReportRequest | None = None,
) -> tuple[ll.Evaluation, str | None]:
    """The Evaluation of the probabilities, or else the logits, that `scores` names, and the page of it.

    Args:
      data: files of one table; empty where `scores` and `labels` are .npy files themselves.
      scores: with `data` a column or glob, see `choose_scores`; else a .npy file.
      are_logits: whether softmax makes probabilities of them.
      labels: a .npy file, without `data`.
      where: as in `open_table`.
      format_: what `data` is, as in `open_table`.
      label: with `data`, the column of labels; None for the usual one.
      weight: with `data`, the column of weights; without, a .npy file; None for none.
      classes: names of the classes, see `class_names`; None where columns say them, or for 0 to K - 1.
      classwise: as in `evaluate`.
      intervals: as in `evaluate`.
      unknown_label: the label of rows that belong to no class; None for none.
      report: the page that is asked for; without it the page is None.
    Raises: InputError, click.UsageError.
    """
    option = "--logits" if are_logits else "--probabilities"
    if data:
        table = open_table(data, wanted=[scores], stdin=standard_input(), format=format_)
        label = label_column(table, label)
        require_weight(table, weight, label)
        table = table.as_written([label]).filtered(where)
        columns, names = choose_scores(table, scores, option, taken=(label, weight))
    else:
        table, columns, label, weight = _from_arrays(option, scores, labels, weight, where)
        names = None
    if names is not None and classes is not None:
        raise click.UsageError("--classes: stands beside columns that say their classes, expected one of the two")
    names = names if classes is None else class_names(classes)
    given = ScoreTable(table, columns, names, option, label=label, weight=weight, unknown_label=unknown_label)
    kept = [] if report is None else report.kept(table)
    accumulator = accumulator_for(
        report,
        given.index.classes,
        classwise=classwise,
        intervals=intervals,
        unknown_label=unknown_value(unknown_label, given.index.classes),
    )
    for batch in given.batches(kept):
        probabilities = batch.scores
        if are_logits:
            _require_scores(given, batch)
            probabilities = ll.softmax(batch.scores)
        with about_the_input():
            _add(accumulator, probabilities, given, batch, kept)
    if not accumulator.rows and unknown_label is None:
        raise nothing_weighs(table.name, weight)
    with about_the_input():
        result = accumulator.result()
    evaluation, detail = result if isinstance(result, tuple) else (result, None)
    evaluation = replace(evaluation, classes=None) if given.names is None else evaluation
    if detail is None:
        return evaluation, None
    pairs = {option[2:].capitalize(): scores, "Label": label, "Label of no class": unknown_label, "Rows where": where}
    return evaluation, report_page(evaluation, detail, provenance(None, None, table, pairs))


def _add(accumulator, probabilities, given, batch, kept):
    try:
        if isinstance(accumulator, DetailedAccumulator):
            accumulator.add(probabilities, batch.labels, batch.weights, describe=describer(batch.frame, kept))
        else:
            accumulator.add(probabilities, batch.labels, batch.weights)
    except NoDistributionError as failure:
        place = batch.place(failure.row)
        raise InputError(f"{place}: {given.subject()} {failure.found}; logits go to --logits.") from None


def _from_arrays(option, scores, labels, weight, where):
    """(table, columns, label, weight) of .npy files, each a column."""
    if labels is None:
        raise click.UsageError(
            f"{option} {scores}: names a file, since there is no DATA, expected --labels FILE beside it"
        )
    files = {option: scores, "--labels": labels} | ({} if weight is None else {"--weight": weight})
    for name, file in files.items():
        if Path(file).suffix.lower() != ".npy":
            raise InputError(
                f"{name} {file}: is no .npy file, expected one, or the name of a column and the table as DATA."
            )
        if not Path(file).exists():
            raise InputError(f"{name} {file}: no such file, expected a .npy file; check the path.")
    table = open_table(list(files.values()), where=where)
    stems = [Path(file).stem for file in files.values()]
    for name, stem, is_matrix in zip(files, stems, (True, False, False), strict=False):
        if is_matrix != table.schema[stem].is_nested():
            dimensions = "(N, K), one column for each class" if is_matrix else "one dimension"
            raise InputError(f"{name} {files[name]}: has the wrong number of dimensions, expected {dimensions}.")
    return table, FeatureColumns((stems[0],), is_list=True), stems[1], stems[2] if weight is not None else None


def _require_scores(given, batch):
    """Raise InputError for NaN or +inf, or a row without a possible class, in a row that weighs."""
    values, weights = batch.scores, batch.weights
    rows = np.isnan(values).any(axis=1) | (values.max(axis=1) == np.inf) | (values.max(axis=1) == -np.inf)
    if weights is not None:
        rows &= weights > 0
    if rows.any():
        row = int(rows.argmax())
        wrong = np.isnan(values[row]) | (values[row] == np.inf)
        found = f"has {values[row][wrong][0]}" if wrong.any() else "is all -inf"
        raise InputError(
            f"{batch.place(row)}: {given.subject()} {found}, expected finite logits, or -inf for an impossible class."
        )

"""The scores, labels and weights that a calibration is fitted on: in memory, or spooled where they do not fit."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import click
import numpy as np
import polars as pl
from numpy.typing import NDArray

from lastlayer.calibration import NotTheseScoresError, as_logits
from lastlayer.calibration.score_kinds import ScoreKind
from lastlayer.cli.score_table import ScoreTable
from lastlayer.tables import InputError, nothing_weighs
from lastlayer.tables.bytes_in_memory import feature_types
from lastlayer.tables.feature_matrix import matrix_type
from lastlayer.tables.spool_choice import Storage, choose_spool


def rows_that_weigh(
    given: ScoreTable, scores_are: ScoreKind, storage: Storage
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64] | None, ScoreKind]:
    """Scores (n, K), class indices (n,) and weights (n,) or None, of every row whose weight is not 0, and their kind.

    Scores that do not fit into memory are spooled, as the logits that they amount to, in the dtype that they have.
    """
    dtypes, _ = feature_types(given.table, given.columns)
    storage = replace(storage, dtype="float32" if matrix_type(dtypes) == pl.Float32 else "float64")
    choice = choose_spool(given.table, given.columns, storage, splits=True)
    scores, labels, weights = [], [], []
    with nullcontext() if choice is None else choice.spool() as spool:
        if choice is not None and spool is not None and not storage.quiet:
            click.echo(choice.in_words(spool.num_bytes, "scores"), err=True)
        for own, of_label, weight in _batches(given, scores_are):
            if spool is None:
                scores.append(own)
            else:
                spool.add(as_logits(own, scores_are))
            labels.append(of_label)
            weights.append(weight)
        if not labels:
            raise nothing_weighs(given.table.name, given.weight)
        return (
            np.concatenate(scores) if spool is None else spool.features(),
            np.concatenate(labels),
            None if weights[0] is None else np.concatenate(weights),
            scores_are if spool is None else "logits",
        )


def _batches(given, scores_are):
    """Yield scores, class indices and weights or None of the rows of a batch whose weight is not 0."""
    for batch in given.batches():
        kept = np.arange(len(batch.scores)) if batch.weights is None else np.flatnonzero(batch.weights)
        own, of_label = batch.scores[kept], given.index.find(batch.labels[kept])
        if not len(kept):
            continue
        require_kind(given, own, scores_are, batch.place, "say with --from what the scores are", kept)
        impossible = own[np.arange(len(kept)), of_label] == (0 if scores_are == "probabilities" else -np.inf)
        if impossible.any():
            row = int(impossible.argmax())
            name = batch.labels[kept].tolist()[row]
            remedy = "drop the row" if scores_are == "logits" else "drop the row, or calibrate on logits"
            raise InputError(
                f"{batch.place(int(kept[row]))}: {given.subject()} gives the label {name!r} the probability 0, "
                f"which no calibration can change, expected one above it; {remedy}."
            )
        yield own, of_label, None if batch.weights is None else batch.weights[kept]


def require_kind(
    given: ScoreTable,
    scores: NDArray[Any],
    scores_are: ScoreKind,
    place: Callable[[int], str],
    remedy: str,
    rows: NDArray[np.int64] | None = None,
) -> None:
    """Raise InputError, with its place, at the first row that is not what the scores are said to be."""
    try:
        as_logits(scores, scores_are)
    except NotTheseScoresError as failure:
        row = failure.row if rows is None else int(rows[failure.row])
        raise InputError(f"{place(row)}: {given.subject()} {failure.found}; {remedy}.") from None
    except (ValueError, TypeError) as failure:
        raise InputError(str(failure)) from None

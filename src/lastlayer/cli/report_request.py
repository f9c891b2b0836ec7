"""What `lastlayer evaluate --report` gathers besides the evaluation, and the page it becomes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl
from numpy.typing import NDArray

import lastlayer as ll
from lastlayer.cli.arguments import typed_command
from lastlayer.cli.decided_answers import DecidedAnswers
from lastlayer.cli.distinct_files import require_apart
from lastlayer.decision import Abstain, evidence_in_words, rule_in_words
from lastlayer.functions import logsumexp, sigmoid
from lastlayer.metrics import (
    DecisionEvaluation,
    DetailedAccumulator,
    DetailedLabelAccumulator,
    EvaluationAccumulator,
    LabelEvaluationAccumulator,
)
from lastlayer.report import Provenance, fingerprint
from lastlayer.storage import read_digest, require_writable
from lastlayer.tables import Table
from lastlayer.tables.model_rows import LinearHead

# With which the intervals of a page hold their figures, where nobody says.
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class ReportRequest:
    """A page that was asked for.

    Attributes:
      path: where it goes.
      keep: columns to show beside the most confident mistakes, as they were given.
    """

    path: str
    keep: tuple[str, ...] = ()

    def require_writable(self, files: Sequence[str]) -> None:
        """Raise before any work is done if the page cannot be written, or would replace one of `files`."""
        require_apart(self.path, [file for file in files if file != "-"], option="--report")
        require_writable(self.path)

    def kept(self, table: Table) -> list[str]:
        """The names of the columns to keep. Raises: InputError if the table lacks one."""
        names = [name for option in self.keep for name in ([option] if option in table.schema else option.split(","))]
        table.require_columns(names)
        return list(dict.fromkeys(names))


def accumulator_for(
    report: ReportRequest | None, classes: NDArray[Any], *, intervals: float | None, **figures: Any
) -> EvaluationAccumulator | DetailedAccumulator:
    """What takes the blocks of rows: with a report, one that keeps what the page shows, and intervals."""
    if report is None:
        return EvaluationAccumulator(classes=classes, intervals=intervals, **figures)
    return DetailedAccumulator(classes, intervals=_CONFIDENCE if intervals is None else intervals, **figures)


def label_accumulator_for(
    report: ReportRequest | None, classes: NDArray[Any], intervals: float | None, threshold: float | NDArray[np.float64]
) -> LabelEvaluationAccumulator | DetailedLabelAccumulator:
    """The same for many labels a row."""
    if report is None:
        return LabelEvaluationAccumulator(classes=classes, intervals=intervals, threshold=threshold)
    intervals = _CONFIDENCE if intervals is None else intervals
    return DetailedLabelAccumulator(classes, intervals=intervals, threshold=threshold)


def describer(frame: pl.DataFrame, kept: list[str]) -> Callable[[int], Mapping[str, object]] | None:
    """A function of a row of `frame` to what its `kept` columns hold; None if there are none."""
    if not kept:
        return None
    shown = frame.select(kept)
    return lambda row: shown.row(row, named=True)


def is_calibrated(head: LinearHead) -> bool:
    """Whether its probabilities are others than those of its scores as they are."""
    return bool(np.any(head.beta_ != 1) or np.any(getattr(head, "bias_", 0.0) != 0))


def confidence_before(head: LinearHead, X: NDArray[Any]) -> NDArray[np.floating[Any]] | None:
    """(N,) confidence of a head as it was fitted, before calibration; None where that is the same."""
    if isinstance(head, ll.SigmoidClassifier) or not is_calibrated(head):
        return None
    scores = head.decision_function(X)
    if scores.ndim == 1:
        return sigmoid(np.abs(scores))
    return np.exp(scores.max(axis=1) - logsumexp(scores))


def provenance(
    model: str | None,
    head: "LinearHead | None",
    table: Table,
    pairs: Mapping[str, str | None],
    decided: DecidedAnswers | None = None,
) -> Provenance:
    """Where the numbers come from.

    Args:
      model: the file of `head`; None for numbers that another program wrote.
      head: the model.
      table: the data.
      pairs: what else is said of the data, by name; None for what was not given.
      decided: the answers of its decision rule, where it has one for one label a row.
    """
    rule = None if head is None else head.decision_
    title = Path(model).name if model is not None else table.name
    return Provenance(
        title=title,
        model=() if model is None or head is None else _model_pairs(model, head),
        data=tuple((name, value) for name, value in pairs.items() if value is not None),
        files=tuple(fingerprint(source.name) for source in table.sources),
        decision=None if rule is None else _decision(rule, decided),
        threshold=rule.threshold if isinstance(rule, Abstain) and isinstance(rule.threshold, float) else None,
        command=typed_command(click.get_current_context()),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _decision(rule, decided):
    """The rule, what it was chosen on, and what its answers are worth on these rows, a paragraph each."""
    words = [f"It answers {rule_in_words(rule)}."]
    if rule.evidence is not None:
        words.append(f"Chosen on held-out rows: {evidence_in_words(rule.evidence)}.")
    result = None if decided is None else decided.result()
    if isinstance(result, DecisionEvaluation):
        of_unknown = ""
        if result.unknown_rows:
            of_unknown = f", and of {result.unknown_rows:,} rows of no class {result.unknown_answered:.1%}"
        cost = "" if math.isnan(result.mean_cost) else f" A row costs {result.mean_cost:.6g}."
        words.append(
            f"On these {result.rows:,} rows: {result.answered:.1%} answered{of_unknown}; "
            f"{result.accuracy_answered:.2%} of the answers to rows of a class are right.{cost}"
        )
    elif result is not None:
        words.append(
            f"On these {result.rows:,} rows: {result.coverage:.2%} of the sets hold the label, of "
            f"{result.mean_size:.2f} classes on average."
        )
    return tuple(words)


def _model_pairs(model, head):
    beta, training = np.atleast_1d(head.beta_), head.training_
    scale = f"{beta.min():.4g}" if beta.min() == beta.max() else f"{beta.min():.4g} to {beta.max():.4g}, one a label"
    pairs = [
        ("File", model),
        ("SHA-256 digest", read_digest(model) or "none, of an older file"),
        ("Kind", f"{type(head).__name__}, {len(head.classes_):,} classes, {head.n_features_in_:,} features"),
        ("C", f"{head.C:g}" if hasattr(head, "C") else None),
        ("beta", scale),
        ("Fitted on", None if training.rows is None else f"{training.rows:,} rows"),
        ("Calibrated on", f"{training.held_out_rows:,} rows" if training.held_out_rows else None),
    ]
    return tuple((name, value) for name, value in pairs if value is not None)

"""The few numbers that a page begins with, each with its interval and what it means."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lastlayer.decision import threshold_in_words
from lastlayer.report.markup import escaped
from lastlayer.report.numbers_as_text import amount, decimals, percent

if TYPE_CHECKING:
    from lastlayer.metrics.evaluation import Evaluation
    from lastlayer.metrics.label_evaluation import LabelEvaluation


@dataclass(frozen=True)
class Figure:
    """One number of the summary.

    Attributes:
      name: what it is called.
      value: as text.
      meaning: in a few words.
      interval: as text; empty without one.
    """

    name: str
    value: str
    meaning: str
    interval: str = ""


def figures_as_html(figures: list[Figure]) -> str:
    """A list of terms and numbers."""
    parts = []
    for figure in figures:
        interval = f'<span class="between">{figure.interval}</span>' if figure.interval else ""
        parts.append(
            f"<div><dt>{escaped(figure.name)}</dt><dd><b>{figure.value}</b>{interval}"
            f"<small>{escaped(figure.meaning)}</small></dd></div>"
        )
    return f'<dl class="figures">{"".join(parts)}</dl>'


def figures_of(evaluation: "Evaluation") -> list[Figure]:
    """Those of one label a row."""
    every = evaluation
    figures = [
        Figure(
            "Accuracy", decimals(every.accuracy), "rows whose prediction is right", _between(every.accuracy_interval)
        ),
        Figure("Log-loss", decimals(every.log_loss), "nats a row", _between(every.log_loss_interval)),
        Figure(
            "Calibration error",
            decimals(every.ece),
            f"of the confidence, {len(every.reliability.rows)} bins",
            _between(every.ece_interval),
        ),
        Figure("Mean confidence", decimals(every.mean_confidence), _verdict(every)),
        Figure("Macro F1", decimals(every.macro_f1), "mean over the classes"),
        Figure("Balanced accuracy", decimals(every.balanced_accuracy), "mean recall of the classes"),
        Figure("Brier score", decimals(every.brier), "0 to 2, lower is better"),
    ]
    if every.top_k < every.num_classes:
        figures.insert(
            1, Figure(f"Top-{every.top_k} accuracy", decimals(every.top_k_accuracy), "right among the likeliest")
        )
    if not np.isnan(every.aurc):
        meaning = "mean error over all coverages, lower is better"
        figures.append(Figure("AURC", decimals(every.aurc), meaning, _between(every.aurc_interval)))
    if every.unknown_rows:
        meaning = f"confidence tells {amount(every.unknown_rows)} unknown rows apart"
        figures.append(Figure("AUROC of unknown rows", decimals(every.unknown_auroc), meaning))
    return figures


def figures_of_labels(evaluation: "LabelEvaluation") -> list[Figure]:
    """Those of many labels a row."""
    every = evaluation
    has, predicted = every.labels_per_row, every.predicted_per_row
    figures = [
        Figure(
            "Micro F1",
            decimals(every.micro_f1),
            f"above {threshold_in_words(every.threshold)}",
            _between(every.micro_f1_interval),
        ),
        Figure("Macro F1", decimals(every.macro_f1), "mean over the labels"),
        Figure(
            "Exact match",
            decimals(every.exact_match),
            "rows all of whose labels are right",
            _between(every.exact_match_interval),
        ),
        Figure(
            "Log-loss",
            decimals(every.log_loss),
            "nats a row and label",
            _between(every.log_loss_interval),
        ),
        Figure("Calibration error", decimals(every.ece), f"{len(every.reliability.rows)} bins of probability"),
        Figure("Brier score", decimals(every.brier), "0 to 1, lower is better"),
        Figure("Labels a row", decimals(has, 2), f"{decimals(predicted, 2)} predicted"),
    ]
    later = (
        ("Macro AP", every.macro_average_precision, "mean average precision of the labels"),
        ("Micro AP", every.micro_average_precision, "average precision of all answers"),
        ("Ranking loss", every.ranking_loss, "pairs of labels in the wrong order"),
    )
    return figures + [Figure(name, decimals(value), text) for name, value, text in later if not np.isnan(value)]


def intervals_note(evaluation: "Evaluation | LabelEvaluation") -> str:
    """How surely the intervals hold their figures; empty without any."""
    confidence = evaluation.interval_confidence
    if confidence is None:
        return ""
    return f'<p class="note">Intervals hold their figure with {100 * confidence:g} % confidence.</p>'


def lead_of(evaluation: "Evaluation") -> str:
    """The result in two sentences."""
    gap = evaluation.mean_confidence - evaluation.accuracy
    claim = (
        "as sure as it is right" if abs(gap) < 0.005 else f"{percent(abs(gap))} too {'sure' if gap > 0 else 'modest'}"
    )
    unknown = f", and {amount(evaluation.unknown_rows)} rows of none" if evaluation.unknown_rows else ""
    return (
        f"{amount(evaluation.rows)} rows of {amount(evaluation.num_classes)} classes{unknown}. "
        f"{percent(evaluation.accuracy)} of the answers are right, and on average the model is {claim}."
    )


def lead_of_labels(evaluation: "LabelEvaluation") -> str:
    """The result in two sentences."""
    return (
        f"{amount(evaluation.rows)} rows and {amount(evaluation.num_labels)} labels. "
        f"Of the labels predicted above {threshold_in_words(evaluation.threshold)}, "
        f"{percent(evaluation.micro_precision)} are right, and "
        f"{percent(evaluation.micro_recall)} of the labels that rows have are found."
    )


def _between(interval):
    return "" if interval is None else f"{decimals(interval[0])} to {decimals(interval[1])}"


def _verdict(evaluation):
    gap = evaluation.mean_confidence - evaluation.accuracy
    if gap == 0 or np.isnan(gap):
        return "equal to the accuracy"
    return f"{'above' if gap > 0 else 'below'} the accuracy by {decimals(abs(gap))}"

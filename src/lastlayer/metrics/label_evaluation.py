"""The evaluation of probabilities of many labels a row."""

import math
import os
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._json import json_text, json_value
from lastlayer.metrics.per_class import PerClass
from lastlayer.metrics.reliability import Reliability
from lastlayer.metrics.text_table import label_evaluation_as_text
from lastlayer.report import label_evaluation_as_html, label_report_page, write_report


@dataclass(frozen=True, eq=False)
class LabelEvaluation:
    """How good N rows of probabilities of K labels are, any number of labels a row.

    A label is predicted where its probability exceeds `threshold`. Of weighted rows every mean, share and count is
    weighted; only `rows` counts rows.

    Attributes:
      rows: N; rows of weight 0 do not count.
      num_labels: K.
      threshold: above which a label is predicted, a number or (K,) one for each.
      labels_per_row: mean number of labels that a row has.
      predicted_per_row: mean number of labels that are predicted for it.
      exact_match: share of rows all of whose labels are right.
      micro_precision, micro_recall, micro_f1: of all answers together; NaN for 0 / 0.
      macro_f1: mean F1 of the labels that a row has or that are predicted.
      log_loss: mean over rows and labels of the binary cross-entropy, in nats; Infinity if an answer was given
        probability 0.
      brier: mean over rows and labels of (p - [the row has the label])², from 0 to 1.
      ece: expected calibration error, from 0 to 1, over the equal-width bins of `reliability`.
      per_label: precision, recall, F1, support and average precision of each label.
      reliability: probability against frequency, bin by bin, of all rows and labels; its `confidence` is the mean
        probability, its `accuracy` the share of them that the rows have.
      classes: (K,) names of the labels; None where they are just 0..K-1.
      micro_average_precision: of all answers together: the sum over thresholds of the gain in recall times the
        precision, as in scikit-learn, of probabilities that are rounded a little; see `evaluate_labels`. NaN where no
        row has a label.
      macro_average_precision: mean average precision of the labels that a row has.
      ranking_loss: mean over rows of the share of pairs of a label of the row and another of which the other is no less
        probable; 0 for a row without such pairs.
      coverage_error: mean over rows of how many labels are at least as probable as its least probable own one; 0 for a
        row without a label.
      label_ranking_average_precision: mean over rows, over its labels, of the share of its own among the labels that
        are at least as probable; 1 for a row without a label. Source of the three: Tsoumakas, Katakis & Vlahavas 2010,
        Mining multi-label data; they are scikit-learn's.
      interval_confidence: how surely the intervals hold their figures; None where none were asked for.
      exact_match_interval: (lowest, highest) share of exact matches by bootstrap of the rows; None if not asked for.
      micro_f1_interval: (lowest, highest) micro F1.
      log_loss_interval: (lowest, highest) log-loss.
    """

    rows: int
    num_labels: int
    threshold: float | NDArray[np.float64]
    labels_per_row: float
    predicted_per_row: float
    exact_match: float
    micro_precision: float
    micro_recall: float
    micro_f1: float
    macro_f1: float
    log_loss: float
    brier: float
    ece: float
    per_label: PerClass
    reliability: Reliability
    classes: NDArray[Any] | None = None
    micro_average_precision: float = math.nan
    macro_average_precision: float = math.nan
    ranking_loss: float = math.nan
    coverage_error: float = math.nan
    label_ranking_average_precision: float = math.nan
    interval_confidence: float | None = None
    exact_match_interval: tuple[float, float] | None = None
    micro_f1_interval: tuple[float, float] | None = None
    log_loss_interval: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as what JSON can hold, key by key as in `to_json`."""
        document: dict[str, Any] = {"schema": 1, "many_labels": True}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, PerClass | Reliability):
                value = {name: column.tolist() for name, column in asdict(value).items() if column is not None}
            document[field.name] = value.tolist() if isinstance(value, np.ndarray) else value
        return json_value(document)

    def to_json(self, *, indent: int | None = None) -> str:
        """The evaluation as strict JSON text; undefined is null, infinities are the strings "Infinity" and "-Infinity".

        Args:
          indent: spaces a level, as in json.dumps; None puts everything on one line.
        """
        return json_text(self.to_dict(), indent=indent)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write charts and tables to one HTML file at `path`, which needs no network.

        Raises: UnwritableFile (an OSError and ValueError) if the folder or the disk does not take it.
        """
        write_report(path, label_report_page(self))

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, LabelEvaluation) else NotImplemented

    def __str__(self) -> str:
        return label_evaluation_as_text(self)

    def _repr_html_(self) -> str:
        return label_evaluation_as_html(self)

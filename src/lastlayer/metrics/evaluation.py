"""The evaluation of probabilities against labels: frozen, prints as a table, serialises to versioned JSON."""

import math
import os
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from lastlayer.metrics.document import evaluation_from_json, evaluation_to_dict, evaluation_to_json
from lastlayer.metrics.per_class import PerClass
from lastlayer.metrics.reliability import Reliability
from lastlayer.metrics.risk_coverage import RiskCoverage
from lastlayer.metrics.text_table import evaluation_as_text
from lastlayer.report import evaluation_as_html, report_page, write_report


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good N rows of probabilities over K classes are, by one label a row.

    The prediction of a row is its largest probability, the first of equals. Of weighted rows every mean and share is
    weighted, and so are the counts in `per_class.support` and `reliability.rows`; only `rows` counts rows.

    Attributes:
      rows: N; rows of weight 0 do not count.
      num_classes: K.
      accuracy: share of rows whose prediction is the label.
      top_k: how many classes `top_k_accuracy` counts, at most K.
      top_k_accuracy: share of rows whose label is among their `top_k` most probable classes, a lower class index first
        where probabilities are equal.
      log_loss: mean of -ln p(label), in nats; Infinity if a label was given probability 0.
      brier: mean over rows of the sum over classes of (p - [class is the label])², from 0 to 2. Source: Brier 1950.
      ece: expected calibration error of the confidence, from 0 to 1, over the equal-width bins of `reliability`.
      smooth_ece: calibration error of the confidence under a kernel in place of bins, from 0 to 1; see
        `smooth_calibration`. Source: Błasiok & Nakkiran 2024, Smooth ECE.
      classwise_ece: mean over the classes of `per_class.calibration_error`, where it was asked for, else NaN. Source:
        Kull et al. 2019, Beyond temperature scaling, section 2.
      mean_confidence: mean of each row's largest probability; above `accuracy` means over-confident.
      balanced_accuracy: mean recall of the classes that have rows.
      macro_f1: mean F1 of the classes that appear among the labels or the predictions.
      weighted_f1: mean F1 of the classes, each weighted by its rows.
      per_class: precision, recall, F1 and support of each class.
      reliability: confidence against accuracy, bin by bin.
      classes: (K,) names of the classes; None where they are just 0..K-1.
      aurc: area under the risk-coverage curve, from 0 to 1: the mean over rows of the share of wrong answers among the
        rows of at least their confidence; see `area_under_risk`. Source: Geifman & El-Yaniv 2017, Selective
        classification for deep neural networks.
      risk_coverage: accuracy and coverage where only rows of some confidence are answered; None of an evaluation that
        an earlier version wrote.
      unknown_rows: how many rows belong to no class, weight 0 aside; no other figure counts them. None where
        `unknown_label` was not given.
      unknown_auroc: the chance that a row of a class has a larger confidence than a row of none, equals counting half;
        NaN where there are no rows of either. Confidences within 0.1 % of each other in what is missing to 1 (below
        1/2: in themselves) are equals, here and in `aurc`; that moves either by some 1e-5 at most.
      interval_confidence: how surely the intervals hold their figures; None where none were asked for.
      log_loss_interval: (lowest, highest) log-loss by bootstrap; None where it was not asked for.
      accuracy_interval: (lowest, highest) accuracy.
      aurc_interval: (lowest, highest) area under the risk-coverage curve.
      ece_interval: (lowest, highest) expected calibration error; it lies below `ece` where chance explains some of it.
    """

    rows: int
    num_classes: int
    accuracy: float
    top_k: int
    top_k_accuracy: float
    log_loss: float
    brier: float
    ece: float
    mean_confidence: float
    balanced_accuracy: float
    macro_f1: float
    weighted_f1: float
    per_class: PerClass
    reliability: Reliability
    classes: NDArray[Any] | None = None
    smooth_ece: float = math.nan
    classwise_ece: float = math.nan
    interval_confidence: float | None = None
    log_loss_interval: tuple[float, float] | None = None
    ece_interval: tuple[float, float] | None = None
    accuracy_interval: tuple[float, float] | None = None
    aurc_interval: tuple[float, float] | None = None
    aurc: float = math.nan
    risk_coverage: RiskCoverage | None = None
    unknown_rows: int | None = None
    unknown_auroc: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as what JSON can hold, key by key as in `to_json`."""
        return evaluation_to_dict(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """The evaluation as strict JSON text, with "schema": 1 as its first key.

        What is undefined, NaN, is written as null; the infinities, which JSON lacks too, as the strings "Infinity" and
        "-Infinity".

        Args:
          indent: spaces a level, as in json.dumps; None puts everything on one line.
        """
        return evaluation_to_json(self, indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes | bytearray) -> Self:
        """The evaluation that `to_json` wrote.

        Returns: an Evaluation equal to the one written; numeric class names come back as int64, float64 or bool.
        Raises: ValueError if `text` is no JSON, no evaluation, or of a newer schema.
        """
        return evaluation_from_json(cls, text)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write charts and tables to one HTML file at `path`, which needs no network.

        Raises: UnwritableFile (an OSError and ValueError) if the folder or the disk does not take it.
        """
        write_report(path, report_page(self))

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Evaluation) else NotImplemented

    def __str__(self) -> str:
        return evaluation_as_text(self)

    def _repr_html_(self) -> str:
        return evaluation_as_html(self)

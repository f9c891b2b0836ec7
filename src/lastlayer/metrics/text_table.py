"""An evaluation as plain text of at most 80 columns, whether it has two classes or a million."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._arrays import Integer
from lastlayer._text import shown
from lastlayer.decision import threshold_in_words
from lastlayer.metrics.per_class import PerClass

if TYPE_CHECKING:
    from lastlayer.metrics.evaluation import Evaluation
    from lastlayer.metrics.label_evaluation import LabelEvaluation

# As many classes as are shown one by one; of more than that, only the worst few.
_MOST_CLASSES, _WORST_CLASSES = 12, 5
_NAME_WIDTH = 32


def evaluation_as_text(evaluation: "Evaluation") -> str:
    """A block of figures, an empty line, and a table of classes."""
    return "\n".join([*_figures(evaluation), "", *_class_table("class", evaluation.per_class, evaluation.classes)])


def label_evaluation_as_text(evaluation: "LabelEvaluation") -> str:
    """The same of many labels a row."""
    has, predicted = evaluation.labels_per_row, evaluation.predicted_per_row
    lines = [
        ("rows", f"{evaluation.rows:,}", "weighted" if _is_weighted(evaluation.per_label) else ""),
        ("labels", f"{evaluation.num_labels:,}", f"{has:.2f} a row, {predicted:.2f} predicted"),
        (
            "exact match",
            decimals(evaluation.exact_match),
            _interval(evaluation, evaluation.exact_match_interval, "all labels of a row"),
        ),
        (
            "micro F1",
            decimals(evaluation.micro_f1),
            _interval(evaluation, evaluation.micro_f1_interval, f"above {threshold_in_words(evaluation.threshold)}"),
        ),
        ("macro F1", decimals(evaluation.macro_f1), ""),
        ("average precision", decimals(evaluation.macro_average_precision), "mean of the labels"),
        ("  of all together", decimals(evaluation.micro_average_precision), "micro"),
        ("ranking loss", decimals(evaluation.ranking_loss), "share of pairs of a row the wrong way round"),
        ("coverage error", f"{evaluation.coverage_error:.2f}", "labels from the top to a row's last one"),
        ("ranking precision", decimals(evaluation.label_ranking_average_precision), "LRAP"),
        ("log-loss", decimals(evaluation.log_loss), _interval(evaluation, evaluation.log_loss_interval, "nats")),
        ("Brier score", decimals(evaluation.brier), "0 to 1, a label"),
        ("calibration error", decimals(evaluation.ece), f"{len(evaluation.reliability.rows)} bins"),
    ]
    return "\n".join([*map(line, lines), "", *_class_table("label", evaluation.per_label, evaluation.classes)])


def line(figure: tuple[str, str, str]) -> str:
    """A name, a value and a note in columns."""
    name, value, note = figure
    return f"{name:<18} {value:>12}  {note}".rstrip()


def _figures(evaluation: "Evaluation") -> list[str]:
    # Where every class is among the top k, the figure is 1 and says nothing.
    informative = evaluation.top_k < evaluation.num_classes
    top_k = [(f"top-{evaluation.top_k} accuracy", decimals(evaluation.top_k_accuracy), "")] if informative else []
    classwise = [("  of the classes", decimals(evaluation.classwise_ece), "their mean")]
    if evaluation.per_class.calibration_error is None:
        classwise = []
    lines = [
        ("rows", f"{evaluation.rows:,}", "weighted" if _is_weighted(evaluation.per_class) else ""),
        ("classes", f"{evaluation.num_classes:,}", ""),
        ("accuracy", decimals(evaluation.accuracy), _interval(evaluation, evaluation.accuracy_interval)),
        *top_k,
        ("balanced accuracy", decimals(evaluation.balanced_accuracy), "mean recall of the classes"),
        ("macro F1", decimals(evaluation.macro_f1), ""),
        ("log-loss", decimals(evaluation.log_loss), _interval(evaluation, evaluation.log_loss_interval, "nats")),
        ("Brier score", decimals(evaluation.brier), "0 to 2"),
        (
            "calibration error",
            decimals(evaluation.ece),
            _interval(evaluation, evaluation.ece_interval, f"{len(evaluation.reliability.rows)} bins"),
        ),
        ("  without bins", decimals(evaluation.smooth_ece), "smooth ECE"),
        *classwise,
        ("mean confidence", decimals(evaluation.mean_confidence), _verdict(evaluation)),
        *_risk_coverage(evaluation),
        *_unknown(evaluation),
    ]
    return list(map(line, lines))


def _risk_coverage(evaluation: "Evaluation") -> list[tuple[str, str, str]]:
    curve = evaluation.risk_coverage
    if curve is None:
        return []
    lines = [("AURC", decimals(evaluation.aurc), _interval(evaluation, evaluation.aurc_interval, "risk by coverage"))]
    # A target that all rows reach says nothing beside a higher one, nor one that none reach beside a lower one.
    reached = (curve.target_coverage > 0) & (curve.target_coverage < 1)
    for k in np.flatnonzero(reached) if reached.any() else [-1 if curve.target_coverage[0] else 0]:
        note = "of the rows can be answered" if curve.target_coverage[k] else "of the rows: at no threshold"
        lines.append((f"  {100 * curve.targets[k]:g} % right", decimals(curve.target_coverage[k]), note))
    return lines


def _unknown(evaluation: "Evaluation") -> list[tuple[str, str, str]]:
    if evaluation.unknown_rows is None:
        return []
    return [
        ("rows of no class", f"{evaluation.unknown_rows:,}", "in no figure above"),
        ("  AUROC", decimals(evaluation.unknown_auroc), "confidence of the others above theirs"),
    ]


def _interval(evaluation: "Evaluation | LabelEvaluation", interval: tuple[float, float] | None, unit: str = "") -> str:
    if interval is None or evaluation.interval_confidence is None:
        return unit
    low, high = map(decimals, interval)
    return f"{unit}{', ' if unit else ''}{low} to {high} at {100 * evaluation.interval_confidence:g} %"


def _verdict(evaluation: "Evaluation") -> str:
    if evaluation.mean_confidence > evaluation.accuracy:
        return "above the accuracy: over-confident"
    if evaluation.mean_confidence < evaluation.accuracy:
        return "below the accuracy: under-confident"
    return ""


def _class_table(heading: str, per_class: PerClass, classes: NDArray[Any] | None) -> list[str]:
    total = len(per_class.support)
    listed = np.arange(total)
    if total > _MOST_CLASSES:
        heading = f"the {_WORST_CLASSES} lowest F1"
        listed = np.argsort(per_class.f1, kind="stable")[:_WORST_CLASSES]  # NaN, undefined, comes last
    names = [_class_name(classes, k) for k in listed]
    width = max(map(len, [heading, *names]))
    lines = [f"{heading:<{width}}  precision    recall        F1       support"]
    for k, name in zip(listed, names, strict=True):
        ratios = "  ".join(
            f"{decimals(array[k]):>8}" for array in (per_class.precision, per_class.recall, per_class.f1)
        )
        lines.append(f"{name:<{width}}   {ratios}  {_amount(per_class.support[k]):>12}")
    return lines


def _class_name(classes: NDArray[Any] | None, k: Integer) -> str:
    name = str(k) if classes is None else shown(classes[k])
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"


def _is_weighted(per_class: PerClass) -> bool:
    return per_class.support.dtype.kind == "f"


def _amount(support: float) -> str:
    return f"{support:,.6g}" if isinstance(support, np.floating) else f"{support:,}"


def decimals(value: float) -> str:
    """Four decimals, or a dash for NaN."""
    return "-" if np.isnan(value) else f"{value:.4f}"

"""An evaluation as plain text of at most 80 columns, whether it has two classes or a million."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._arrays import Integer
from lastlayer._text import shown
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
        ("exact match", _decimals(evaluation.exact_match), "rows all of whose labels are right"),
        ("micro F1", _decimals(evaluation.micro_f1), f"above {evaluation.threshold:g}"),
        ("macro F1", _decimals(evaluation.macro_f1), ""),
        ("log-loss", _decimals(evaluation.log_loss), "nats a label"),
        ("Brier score", _decimals(evaluation.brier), "0 to 1, a label"),
        ("calibration error", _decimals(evaluation.ece), f"{len(evaluation.reliability.rows)} bins"),
    ]
    return "\n".join([*map(_line, lines), "", *_class_table("label", evaluation.per_label, evaluation.classes)])


def _line(figure: tuple[str, str, str]) -> str:
    name, value, note = figure
    return f"{name:<18} {value:>12}  {note}".rstrip()


def _figures(evaluation: "Evaluation") -> list[str]:
    # Where every class is among the top k, the figure is 1 and says nothing.
    informative = evaluation.top_k < evaluation.num_classes
    top_k = [(f"top-{evaluation.top_k} accuracy", _decimals(evaluation.top_k_accuracy), "")] if informative else []
    classwise = [("  of the classes", _decimals(evaluation.classwise_ece), "their mean")]
    if evaluation.per_class.calibration_error is None:
        classwise = []
    lines = [
        ("rows", f"{evaluation.rows:,}", "weighted" if _is_weighted(evaluation.per_class) else ""),
        ("classes", f"{evaluation.num_classes:,}", ""),
        ("accuracy", _decimals(evaluation.accuracy), ""),
        *top_k,
        ("balanced accuracy", _decimals(evaluation.balanced_accuracy), "mean recall of the classes"),
        ("macro F1", _decimals(evaluation.macro_f1), ""),
        ("log-loss", _decimals(evaluation.log_loss), f"nats{_interval(evaluation, evaluation.log_loss_interval)}"),
        ("Brier score", _decimals(evaluation.brier), "0 to 2"),
        (
            "calibration error",
            _decimals(evaluation.ece),
            f"{len(evaluation.reliability.rows)} bins{_interval(evaluation, evaluation.ece_interval)}",
        ),
        ("  without bins", _decimals(evaluation.smooth_ece), "smooth ECE"),
        *classwise,
        ("mean confidence", _decimals(evaluation.mean_confidence), _verdict(evaluation)),
    ]
    return list(map(_line, lines))


def _interval(evaluation: "Evaluation", interval: tuple[float, float] | None) -> str:
    if interval is None or evaluation.interval_confidence is None:
        return ""
    low, high = map(_decimals, interval)
    return f", {low} to {high} at {100 * evaluation.interval_confidence:g} %"


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
            f"{_decimals(array[k]):>8}" for array in (per_class.precision, per_class.recall, per_class.f1)
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


def _decimals(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}"

"""An evaluation as plain text of at most 80 columns, whether it has two classes or a million."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._arrays import Integer

if TYPE_CHECKING:
    from lastlayer.metrics.evaluation import Evaluation

from lastlayer._text import shown

# As many classes as are shown one by one; of more than that, only the worst few.
_MOST_CLASSES, _WORST_CLASSES = 12, 5
_NAME_WIDTH = 32


def evaluation_as_text(evaluation: "Evaluation") -> str:
    """A block of figures, an empty line, and a table of classes."""
    return "\n".join([*_figures(evaluation), "", *_class_table(evaluation)])


def _figures(evaluation: "Evaluation") -> list[str]:
    # Where every class is among the top k, the figure is 1 and says nothing.
    informative = evaluation.top_k < evaluation.num_classes
    top_k = [(f"top-{evaluation.top_k} accuracy", _decimals(evaluation.top_k_accuracy), "")] if informative else []
    classwise = [("  of the classes", _decimals(evaluation.classwise_ece), "their mean")]
    if evaluation.per_class.calibration_error is None:
        classwise = []
    lines = [
        ("rows", f"{evaluation.rows:,}", "weighted" if _is_weighted(evaluation) else ""),
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
    return [f"{name:<18} {value:>12}  {note}".rstrip() for name, value, note in lines]


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


def _class_table(evaluation: "Evaluation") -> list[str]:
    per_class, total = evaluation.per_class, evaluation.num_classes
    listed = np.arange(total)
    heading = "class"
    if total > _MOST_CLASSES:
        heading = f"the {_WORST_CLASSES} lowest F1"
        listed = np.argsort(per_class.f1, kind="stable")[:_WORST_CLASSES]  # NaN, undefined, comes last
    names = [_class_name(evaluation.classes, k) for k in listed]
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


def _is_weighted(evaluation: "Evaluation") -> bool:
    return evaluation.per_class.support.dtype.kind == "f"


def _amount(support: float) -> str:
    return f"{support:,.6g}" if isinstance(support, np.floating) else f"{support:,}"


def _decimals(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}"

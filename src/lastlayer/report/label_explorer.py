"""The slider over thresholds of many labels a row."""

from typing import TYPE_CHECKING, Any

import numpy as np

from lastlayer.report.numbers_as_text import amount, decimals, percent
from lastlayer.report.threshold_explorer import Output, controls, few_digits

if TYPE_CHECKING:
    from lastlayer.metrics.label_detail import LabelDetail


def label_explorer(detail: "LabelDetail", threshold: float) -> tuple[str, dict[str, Any]]:
    """The controls as HTML, with the numbers at `threshold`, and the data that they work on."""
    right, false = (np.cumsum(part[::-1])[::-1] for part in (detail.present, detail.absent))
    thresholds = np.arange(len(right)) / len(right)
    place = int((thresholds <= threshold).nonzero()[0][-1])
    found, labels, predicted = float(right[place]), float(right[0]), float(right[place] + false[place])
    macro = None if detail.macro_f1 is None else float(detail.macro_f1[place])
    outputs = [
        Output("precision", "Precision", "predicted labels that are right", percent(found / max(predicted, 1e-300))),
        Output("recall", "Recall", "labels of the rows that are found", percent(found / max(labels, 1e-300))),
        Output("micro", "Micro F1", "of all labels together", decimals(2 * found / max(predicted + labels, 1e-300))),
        *([] if macro is None else [Output("macro", "Macro F1", "mean over the labels", decimals(macro))]),
        Output(
            "predicted",
            "Labels a row",
            f"rows have {decimals(labels / detail.weight, 2)}",
            decimals(predicted / detail.weight, 2),
        ),
        Output("false", "False labels", "predicted, and the row has them not", amount(false[place])),
        Output("missed", "Missed labels", f"of {amount(right[0])}", amount(right[0] - right[place])),
        Output(
            "cost", "Cost a row", "by the costs above", decimals((predicted - found + labels - found) / detail.weight)
        ),
    ]
    data = {
        "kind": "labels",
        "threshold": thresholds.tolist(),
        "predicted": few_digits(right + false),
        "right": few_digits(right),
        "macro": None if detail.macro_f1 is None else [few_digits(float(value)) for value in detail.macro_f1],
        "labels": few_digits(labels),
        "rows": few_digits(detail.weight),
    }
    costs = (("a false label", "1"), ("a missed label", "1"))
    return controls(outputs, costs, thresholds, place, "Predict a label above"), data

"""Precision against recall of all labels together, as the threshold falls."""

from typing import TYPE_CHECKING

import numpy as np

from lastlayer.report.axes import Axes, chart, frame, moving_point

if TYPE_CHECKING:
    from lastlayer.metrics.label_detail import LabelDetail

_TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)


def precision_recall_chart(detail: "LabelDetail") -> str:
    """An SVG of the curve, with a mark that a script may move."""
    right, false = (np.cumsum(part[::-1])[::-1] for part in (detail.present, detail.absent))
    kept = np.flatnonzero(right + false > 0)
    axes = Axes()
    recall, precision = right[kept] / max(float(right[0]), 1e-300), right[kept] / (right + false)[kept]
    content = (
        frame(axes, "recall: share of the rows' labels found", "precision: share that is right", _TICKS, _TICKS)
        + f'<polyline class="curve" points="{axes.points(recall, precision)}"/>'
        + moving_point(axes, float(recall[0]), float(precision[0]))
    )
    return chart(axes, content, "Precision against recall of all labels together.")

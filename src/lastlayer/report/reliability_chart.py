"""Does confidence mean what it says? Bins of confidence against how often they are right, before and after."""

import math
from typing import TYPE_CHECKING

import numpy as np

from lastlayer.report.axes import Axes, chart, frame
from lastlayer.report.numbers_as_text import amount, decimals
from lastlayer.report.reliability_table import reliability_table
from lastlayer.report.shell import figure

if TYPE_CHECKING:
    from lastlayer.metrics.reliability import Reliability

_TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)
_RIGHT = "share that is right"
_BEFORE = ' <span class="before">□</span> before calibration'
_LEGEND = '<p class="legend"><span class="after">●</span> as it is, with 95 % intervals{}</p>'
_Z = 1.959963984540054


def reliability_figures(
    reliability: "Reliability", before: "Reliability | None", *, x_label: str = "confidence", y_label: str = _RIGHT
) -> str:
    """The diagram with its legend, and its bins as numbers beside it."""
    legend = _LEGEND.format("" if before is None else _BEFORE)
    diagram = reliability_chart(reliability, before, x_label=x_label, y_label=y_label)
    table = reliability_table(reliability, x_label.capitalize(), "Right" if y_label == _RIGHT else "Have it")
    return f'<div class="charts">{figure("Reliability", diagram + legend)}{figure("In numbers", table)}</div>'


def reliability_chart(
    reliability: "Reliability",
    before: "Reliability | None" = None,
    *,
    x_label: str = "confidence",
    y_label: str = _RIGHT,
) -> str:
    """An SVG: filled circles on a solid line, with 95 % intervals; `before` as open squares on a dashed line."""
    axes = Axes(height=340)
    edge = axes.points((0, 1), (0, 1))
    parts = [frame(axes, x_label, y_label, _TICKS, _TICKS), f'<polyline class="ideal" points="{edge}"/>']
    if before is not None:
        parts.append(_line(axes, before, "before"))
    parts.append(_intervals(axes, reliability))
    parts.append(_line(axes, reliability, "after"))
    description = (
        f"Reliability diagram: {y_label} against {x_label}; the calibration error is "
        f"{decimals(reliability.expected_calibration_error)}."
    )
    return chart(axes, "".join(parts), description)


def _filled(reliability):
    return np.flatnonzero(reliability.rows > 0)


def _line(axes, reliability, kind):
    filled = _filled(reliability)
    xs, ys = reliability.confidence[filled], reliability.accuracy[filled]
    marks = []
    for x, y, rows in zip(xs, ys, reliability.rows[filled], strict=True):
        title = f"<title>{amount(rows)} rows: confidence {decimals(x, 3)}, right {decimals(y, 3)}</title>"
        left, top = axes.x(x), axes.y(y)
        if kind == "after":
            marks.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4">{title}</circle>')
        else:
            marks.append(f'<rect x="{left - 3.5:.1f}" y="{top - 3.5:.1f}" width="7" height="7">{title}</rect>')
    return f'<g class="{kind}"><polyline points="{axes.points(xs, ys)}"/>{"".join(marks)}</g>'


def _intervals(axes, reliability):
    """Wilson's interval of each share; of weighted rows as if each weighed 1."""
    steps = []
    for m in _filled(reliability):
        low, high = wilson_interval(float(reliability.accuracy[m]), float(reliability.rows[m]), _Z)
        steps.append(f"M{axes.x(reliability.confidence[m]):.1f} {axes.y(low):.1f}V{axes.y(high):.1f}")
    return f'<path class="interval" d="{"".join(steps)}"/>'


def wilson_interval(share: float, rows: float, z: float) -> tuple[float, float]:
    """The interval of a share that `rows` rows show. Source: Wilson 1927, Probable inference."""
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(0.0, middle - half), min(1.0, middle + half)

"""How sure the answers are: right, wrong and unknown rows by confidence, each on a scale of its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.report.axes import Axes, chart
from lastlayer.report.numbers_as_text import amount

_BARS = 40
_TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)
_STRIP = 92


def confidence_chart(strips: Sequence[tuple[str, str, NDArray[Any]]], x_label: str = "confidence") -> str:
    """An SVG of histograms one above the other.

    Args:
      strips: (class in the style sheet, title, (M,) counts in equal cells from 0 to 1) of each.
      x_label: what is counted by.
    """
    height = _STRIP * len(strips) + 44
    whole = Axes(height=height, top=0)
    parts = [_strip(place, *strip) for place, strip in enumerate(strips)]
    base = height - 44
    for tick in _TICKS:
        parts.append(
            f'<text class="tick" x="{whole.x(tick):.1f}" y="{base + 16:.1f}" text-anchor="middle">{tick:g}</text>'
        )
    parts.append(f'<text class="label" x="{whole.x(0.5):.1f}" y="{height - 8}" text-anchor="middle">{x_label}</text>')
    ends = f'data-left="{whole.x(0):.1f}" data-right="{whole.x(1):.1f}" x1="0" x2="0" y1="8" y2="{base}"'
    parts.append(f'<line class="cut" data-move="cut" {ends} hidden=""/>')
    description = "; ".join(f"{title}: {amount(counts.sum())}" for _, title, counts in strips)
    return chart(whole, "".join(parts), f"Histograms by {x_label}. {description}.")


def _strip(place, kind, title, counts):
    bars = _in_bars(counts)
    most = max(float(bars.max()), 1e-300)
    axes = Axes(y_range=(0, most), height=_STRIP * (place + 1), top=_STRIP * place + 26, bottom=0)
    steps = []
    for number, rows in enumerate(bars):
        if rows > 0:
            left, right = axes.x(number / len(bars)) + 0.5, axes.x((number + 1) / len(bars)) - 0.5
            top = min(axes.y(float(rows)), axes.height - 1)
            steps.append(f"M{left:.1f} {axes.height:g}V{top:.1f}H{right:.1f}V{axes.height:g}Z")
    return (
        f'<path class="axis" d="M{axes.x(0):.1f} {axes.height:g}H{axes.x(1):.1f}"/>'
        f'<path class="bar {kind}" d="{"".join(steps)}"/>'
        f'<text class="strip" x="{axes.x(0):.1f}" y="{axes.top - 8:g}">{title}: {amount(counts.sum())}</text>'
        f'<text class="tick" x="{axes.left - 7:.1f}" y="{axes.top + 4:g}" text-anchor="end">{_short(most)}</text>'
    )


def _in_bars(counts):
    """At most _BARS sums of neighbouring cells."""
    if len(counts) <= _BARS:
        return counts
    step = len(counts) // _BARS
    return np.add.reduceat(counts, np.arange(0, len(counts), step))


def _short(value):
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1e3:.3g}k" if value >= 10_000 else amount(round(value) if value >= 1 else float(value))

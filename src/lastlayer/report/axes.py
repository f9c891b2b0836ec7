"""A plot area in an SVG whose colours are those of the page: axes, grid and lines."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lastlayer.report.markup import escaped


@dataclass(frozen=True)
class Axes:
    """Where numbers of two ranges fall in an SVG of `width` x `height` units.

    Attributes:
      x_range: lowest and highest number at the left and right edge.
      y_range: at the lower and upper edge.
      width, height: of the whole SVG.
      left, right, top, bottom: margins around the plot.
    """

    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)
    width: float = 400.0
    height: float = 300.0
    left: float = 62.0
    right: float = 14.0
    top: float = 12.0
    bottom: float = 44.0

    def x(self, value: float) -> float:
        """The abscissa of `value`."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """The ordinate of `value`."""
        low, high = self.y_range
        return self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom)

    def points(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        """What the attribute `points` of a polyline takes."""
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))


def frame(axes: Axes, x_label: str, y_label: str, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> str:
    """Grid lines, ticks and what the axes are called."""
    left, right = axes.x(axes.x_range[0]), axes.x(axes.x_range[1])
    low, high = axes.y(axes.y_range[0]), axes.y(axes.y_range[1])
    parts = [
        f'<path class="grid" d="{"".join(f"M{left:.1f} {axes.y(tick):.1f}H{right:.1f}" for tick in y_ticks)}"/>',
        f'<path class="axis" d="M{left:.1f} {low:.1f}H{right:.1f}"/>',
    ]
    for tick in x_ticks:
        parts.append(_text("tick", axes.x(tick), low + 16, f"{tick:g}"))
    for tick in y_ticks:
        parts.append(_text("tick", left - 7, axes.y(tick) + 4, f"{tick:g}", "end"))
    middle = (low + high) / 2
    parts.append(_text("label", (left + right) / 2, axes.height - 8, x_label))
    turned = f"translate(12 {middle:.1f}) rotate(-90)"
    parts.append(f'<text class="label" transform="{turned}" text-anchor="middle">{escaped(y_label)}</text>')
    return "".join(parts)


def _text(kind, x, y, text, anchor="middle"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escaped(text)}</text>'


def chart(axes: Axes, content: str, description: str) -> str:
    """`content` as a whole SVG that a screen reader reads as `description`."""
    size = f"0 0 {axes.width:g} {axes.height:g}"
    return f'<svg class="chart" viewBox="{size}" role="img" aria-label="{escaped(description, 400)}">{content}</svg>'


def moving_point(axes: Axes, x: float, y: float) -> str:
    """A mark at (x, y) that the page's script moves along with a threshold."""
    low, high = axes.y_range
    return (
        f'<circle class="here" data-move="point" data-left="{axes.x(0):.1f}" data-right="{axes.x(1):.1f}" '
        f'data-base="{axes.y(low):.1f}" data-top="{axes.y(high):.1f}" data-most="{high:g}" r="6" '
        f'cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}"/>'
    )


def round_ticks(highest: float, count: int = 5) -> list[float]:
    """Round numbers from 0 to at least `highest`, about `count` steps apart.

    >>> round_ticks(0.073)
    [0.0, 0.02, 0.04, 0.06, 0.08]
    """
    step = highest / count
    power = 10.0 ** math.floor(math.log10(step))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * 0.999)
    return [round(i * step, 12) for i in range(math.ceil(highest / step * 0.999) + 1)]

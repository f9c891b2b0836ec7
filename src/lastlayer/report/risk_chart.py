"""How many answers are wrong when only the surest rows are answered: the risk-coverage curve."""

from typing import TYPE_CHECKING

from lastlayer.report.axes import Axes, chart, frame, moving_point, round_ticks
from lastlayer.report.numbers_as_text import percent

if TYPE_CHECKING:
    from lastlayer.metrics.risk_coverage import RiskCoverage

# Of fewer rows the share of wrong answers is mostly chance.
_FEWEST = 20
_TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)


def risk_chart(curve: "RiskCoverage", rows: float) -> str:
    """An SVG of risk against coverage, with a mark that a script may move.

    Args:
      curve: RiskCoverage.
      rows: how many rows it is of, or their weight; where fewer than 20 of them are answered nothing is drawn.
    """
    kept = curve.coverage * rows >= min(_FEWEST, rows / 10)
    coverage, risk = curve.coverage[kept], 1 - curve.accuracy[kept]
    ticks = round_ticks(max(float(risk.max()), 0.01))
    axes = Axes(y_range=(0, ticks[-1]))
    content = (
        frame(axes, "coverage: share of rows answered", "risk: share of them wrong", _TICKS, ticks)
        + f'<polyline class="curve" points="{axes.points(coverage, risk)}"/>'
        + moving_point(axes, float(coverage[-1]), float(risk[-1]))
    )
    return chart(axes, content, f"Risk-coverage curve; at full coverage the risk is {percent(float(risk[-1]))}.")

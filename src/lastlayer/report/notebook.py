"""An evaluation as a notebook shows it: its figures and its reliability diagram, in the colours of what is around."""

from typing import TYPE_CHECKING

from lastlayer.report.figures import Figure, figures_of, figures_of_labels, intervals_note, lead_of, lead_of_labels
from lastlayer.report.markup import escaped
from lastlayer.report.reliability_chart import reliability_chart

if TYPE_CHECKING:
    from lastlayer.metrics.evaluation import Evaluation
    from lastlayer.metrics.label_evaluation import LabelEvaluation

# Text takes the colour around it, so that light and dark pages are legible alike; a notebook may drop all of this.
_STYLE = (
    ".lastlayer{display:flex;flex-wrap:wrap;gap:1rem 2.5rem;align-items:flex-start;font-variant-numeric:tabular-nums}"
    ".lastlayer p{flex-basis:100%;margin:0;max-width:46rem}.lastlayer .note{opacity:.7;font-size:.9em}"
    ".lastlayer table{border-collapse:collapse;margin:0;color:inherit}"
    ".lastlayer th,.lastlayer td{padding:.15rem .6rem;text-align:left;font-weight:400;background:none}"
    ".lastlayer td:nth-child(2){text-align:right;font-weight:600}.lastlayer td:nth-child(n+3){opacity:.7}"
    ".lastlayer svg{width:22rem;max-width:100%;height:auto}"
    ".lastlayer text{fill:currentColor;opacity:.75;font-size:12px}"
    ".lastlayer .grid{stroke:currentColor;opacity:.15;fill:none}"
    ".lastlayer .axis,.lastlayer .ideal{stroke:currentColor;opacity:.6;fill:none}"
    ".lastlayer .ideal{stroke-dasharray:1 5;stroke-linecap:round}"
    ".lastlayer .after polyline,.lastlayer .interval{stroke:#2a8fcb;stroke-width:2;fill:none}"
    ".lastlayer .interval{stroke-opacity:.5}.lastlayer .after circle{fill:#2a8fcb}"
)


def evaluation_as_html(evaluation: "Evaluation") -> str:
    """Of one label a row."""
    return _html(evaluation, lead_of(evaluation), figures_of(evaluation), "confidence", "share that is right")


def label_evaluation_as_html(evaluation: "LabelEvaluation") -> str:
    """Of many labels a row."""
    figures = figures_of_labels(evaluation)
    return _html(evaluation, lead_of_labels(evaluation), figures, "probability", "share of rows that have it")


def _html(evaluation, lead: str, figures: list[Figure], x_label: str, y_label: str) -> str:
    rows = "".join(
        f"<tr><th>{escaped(figure.name)}</th><td>{figure.value}</td><td>{figure.interval}</td>"
        f"<td>{escaped(figure.meaning)}</td></tr>"
        for figure in figures
    )
    diagram = reliability_chart(evaluation.reliability, x_label=x_label, y_label=y_label)
    return (
        f'<div class="lastlayer"><style>{_STYLE}</style><p>{escaped(lead, 1000)}</p>'
        f"<table><tbody>{rows}</tbody></table>{diagram}{intervals_note(evaluation)}</div>"
    )

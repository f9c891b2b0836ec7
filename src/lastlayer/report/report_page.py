"""The page of an evaluation of one label a row."""

from typing import TYPE_CHECKING

import numpy as np

import lastlayer
from lastlayer.report.class_table import ClassNames, class_table
from lastlayer.report.confidence_chart import confidence_chart
from lastlayer.report.confusion_table import MOST_CLASSES, confusion_matrix, confusion_pairs
from lastlayer.report.figures import figures_as_html, figures_of, intervals_note, lead_of
from lastlayer.report.mistake_table import ROWS_COUNT, mistake_table
from lastlayer.report.provenance import Provenance, closing_sections
from lastlayer.report.reliability_chart import reliability_figures
from lastlayer.report.risk_chart import risk_chart
from lastlayer.report.shell import Section, figure, page
from lastlayer.report.threshold_explorer import explorer
from lastlayer.report.threshold_stops import stops_of_cells, stops_of_curve

if TYPE_CHECKING:
    from lastlayer.metrics.evaluation import Evaluation
    from lastlayer.metrics.evaluation_detail import EvaluationDetail


def report_page(
    evaluation: "Evaluation", detail: "EvaluationDetail | None" = None, provenance: Provenance | None = None
) -> str:
    """A whole HTML document; what is not known is left out."""
    provenance = Provenance() if provenance is None else provenance
    names = ClassNames(evaluation.classes)
    summary = figures_as_html(figures_of(evaluation)) + intervals_note(evaluation)
    charts = reliability_figures(evaluation.reliability, None if detail is None else detail.before)
    about = "Of the rows with a confidence of .8, 80 % should be right: points on the dotted line."
    thresholds, data = _thresholds(evaluation, detail, provenance.threshold or 0.0)
    sections = [
        Section("summary", "Summary", summary),
        Section("calibration", "Calibration", charts, about),
        *thresholds,
    ]
    sections.append(Section("classes", "Classes", class_table(evaluation.per_class, names, "class")))
    if detail is not None:
        sections += [*_confusions(evaluation, detail, names), *_mistakes(detail, names)]
    sections += closing_sections(provenance, lastlayer.__version__)
    return page(provenance.heading, lead_of(evaluation), sections, data)


def _thresholds(evaluation, detail, default):
    """The section as a list, and what its script works on; empty and None for an evaluation of an older file."""
    curve = evaluation.risk_coverage
    if curve is None:
        return [], None
    stops = stops_of_curve(evaluation, curve) if detail is None else stops_of_cells(detail.cells)
    controls, data = explorer(stops, default)
    risk = figure("Risk and coverage", risk_chart(curve, float(evaluation.per_class.support.sum())))
    histogram = figure("Rows by confidence", confidence_chart(_strips(evaluation, detail)))
    about = "An answer only where the confidence reaches a threshold: fewer answers, and fewer of them wrong."
    return [Section("thresholds", "Thresholds", f'{controls}<div class="charts">{risk}{histogram}</div>', about)], data


def _strips(evaluation, detail):
    """Rows by confidence: those whose answer is right, wrong, and those of no class."""
    if detail is None:
        rows = evaluation.reliability.rows
        right = np.nan_to_num(rows * evaluation.reliability.accuracy)
        right = np.round(right).astype(rows.dtype) if rows.dtype.kind == "i" else right
        return [("right", "right", right), ("wrong", "wrong", rows - right)]
    cells = detail.cells
    strips = [("right", "right", cells.right), ("wrong", "wrong", cells.wrong)]
    return [*strips, ("unknown", "of no class", cells.unknown)] if cells.unknown.any() else strips


def _confusions(evaluation, detail, names):
    confusions = detail.confusions
    if not len(confusions.rows):
        return []
    per_class = evaluation.per_class
    content = ""
    if evaluation.num_classes <= MOST_CLASSES:
        wrong = np.zeros(evaluation.num_classes)
        np.add.at(wrong, confusions.label, confusions.rows)
        right = (per_class.support - wrong).astype(per_class.support.dtype)
        content = confusion_matrix(confusions, right, per_class.support, names)
    content += confusion_pairs(confusions, per_class.support, names)
    return [Section("confusions", "Confusions", content, "Which class is taken for which.")]


def _mistakes(detail, names):
    if not detail.mistakes:
        return []
    about = f"Wrong answers that the model was surest of: false labels, often, or rows worth a look. {ROWS_COUNT}"
    return [Section("mistakes", "Most confident mistakes", mistake_table(detail.mistakes, names), about)]

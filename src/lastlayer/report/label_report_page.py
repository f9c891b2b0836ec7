"""The page of an evaluation of many labels a row."""

from typing import TYPE_CHECKING

import numpy as np

import lastlayer
from lastlayer.report.class_table import ClassNames, class_table
from lastlayer.report.confidence_chart import confidence_chart
from lastlayer.report.figures import figures_as_html, figures_of_labels, intervals_note, lead_of_labels
from lastlayer.report.label_explorer import label_explorer
from lastlayer.report.mistake_table import ROWS_COUNT, label_mistake_table
from lastlayer.report.precision_recall_chart import precision_recall_chart
from lastlayer.report.provenance import Provenance, closing_sections
from lastlayer.report.reliability_chart import reliability_figures
from lastlayer.report.shell import Section, figure, page

if TYPE_CHECKING:
    from lastlayer.metrics.label_detail import LabelDetail
    from lastlayer.metrics.label_evaluation import LabelEvaluation


def label_report_page(
    evaluation: "LabelEvaluation", detail: "LabelDetail | None" = None, provenance: Provenance | None = None
) -> str:
    """A whole HTML document; what is not known is left out."""
    provenance = Provenance() if provenance is None else provenance
    names = ClassNames(evaluation.classes)
    summary = figures_as_html(figures_of_labels(evaluation)) + intervals_note(evaluation)
    charts = reliability_figures(
        evaluation.reliability,
        None if detail is None else detail.before,
        x_label="probability",
        y_label="share of rows that have it",
    )
    about = "Of the labels with a probability of .8, the rows should have 80 %: points on the dotted line."
    sections = [Section("summary", "Summary", summary), Section("calibration", "Calibration", charts, about)]
    data = None
    if detail is not None:
        controls, data = label_explorer(detail, float(np.median(evaluation.threshold)))
        strips = [
            ("right", "labels that rows have", detail.present),
            ("wrong", "labels that they have not", detail.absent),
        ]
        content = figure("Precision and recall of all labels", precision_recall_chart(detail)) + figure(
            "Labels by probability", confidence_chart(strips, "probability")
        )
        about = "A label is predicted where its probability is above a threshold, the same one for all labels."
        sections.append(Section("thresholds", "Thresholds", f'{controls}<div class="charts">{content}</div>', about))
    sections.append(Section("classes", "Labels", class_table(evaluation.per_label, names, "label")))
    if detail is not None and detail.mistakes:
        about = f"Wrong answers that the model was surest of, for or against a label. {ROWS_COUNT}"
        table = label_mistake_table(detail.mistakes, names)
        sections.append(Section("mistakes", "Most confident mistakes", table, about))
    sections += closing_sections(provenance, lastlayer.__version__)
    return page(provenance.heading, lead_of_labels(evaluation), sections, data)

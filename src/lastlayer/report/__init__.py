"""An evaluation as one HTML file that needs no network: charts, tables, and a slider over thresholds."""

from lastlayer.report.label_report_page import label_report_page
from lastlayer.report.markup import escaped, table
from lastlayer.report.notebook import evaluation_as_html, label_evaluation_as_html
from lastlayer.report.provenance import FileFingerprint, Provenance, closing_sections, fingerprint
from lastlayer.report.report_page import report_page
from lastlayer.report.shell import Section, page, stylesheet
from lastlayer.report.write_report import write_report

__all__ = [
    "FileFingerprint",
    "Provenance",
    "Section",
    "closing_sections",
    "escaped",
    "evaluation_as_html",
    "fingerprint",
    "label_evaluation_as_html",
    "label_report_page",
    "page",
    "report_page",
    "stylesheet",
    "table",
    "write_report",
]

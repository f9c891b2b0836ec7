"""An evaluation as one HTML file that needs no network: charts, tables, and a slider over thresholds."""

from lastlayer.report.label_report_page import label_report_page
from lastlayer.report.notebook import evaluation_as_html, label_evaluation_as_html
from lastlayer.report.provenance import FileFingerprint, Provenance, fingerprint
from lastlayer.report.report_page import report_page
from lastlayer.report.write_report import write_report

__all__ = [
    "FileFingerprint",
    "Provenance",
    "evaluation_as_html",
    "fingerprint",
    "label_evaluation_as_html",
    "label_report_page",
    "report_page",
    "write_report",
]

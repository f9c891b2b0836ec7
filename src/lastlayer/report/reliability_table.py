"""The bins of a reliability diagram as numbers."""

from typing import TYPE_CHECKING

import numpy as np

from lastlayer.report.markup import table
from lastlayer.report.numbers_as_text import amount, decimals

if TYPE_CHECKING:
    from lastlayer.metrics.reliability import Reliability


def reliability_table(reliability: "Reliability", x_label: str = "Confidence", y_label: str = "Right") -> str:
    """A row for each bin that is not empty: its edges, its rows, their mean confidence, the share that is right."""
    bins, rows = len(reliability.rows), []
    for m in np.flatnonzero(reliability.rows > 0).tolist():
        x, y = float(reliability.confidence[m]), float(reliability.accuracy[m])
        rows.append(
            f"<th scope=row>{m / bins:.2f} to {(m + 1) / bins:.2f}</th><td>{amount(reliability.rows[m])}</td>"
            f"<td>{decimals(x, 3)}</td><td>{decimals(y, 3)}</td><td>{_signed(y - x)}</td>"
        )
    heads = [("Bin", "t"), ("Rows", "n"), (x_label, "n"), (y_label, "n"), ("Gap", "n")]
    return table(heads, rows, "Bins of the reliability diagram", kind="dense")


def _signed(value):
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")

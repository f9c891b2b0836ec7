"""The table of classes or labels: sortable, searchable, and no longer than a page can bear."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.report.markup import escaped, table
from lastlayer.report.numbers_as_text import amount, decimals

if TYPE_CHECKING:
    from lastlayer.metrics.per_class import PerClass

MOST_ROWS = 1000
_NAME = 60
# Classes that an eye finds without a search.
_FEW = 12
_BAR = '<svg viewBox="0 0 100 9" aria-hidden="true"><path d="M0 0H{}V9H0Z"/></svg>'
_SEARCH = (
    '<p class="search" hidden=""><label>Find a {heading} <input type="search" data-filter="class-table" '
    'autocomplete="off" spellcheck="false"></label> <output data-found="class-table"></output></p>'
)


def class_table(per_class: "PerClass", names: "ClassNames", heading: str) -> str:
    """Rows in the order of the classes; of more than 1,000 those with the lowest F1, the worst first.

    Args:
      per_class: PerClass of K classes.
      names: what they are called.
      heading: "class" or "label".
    """
    total = len(per_class.support)
    listed, note = np.arange(total), ""
    if total > MOST_ROWS:
        listed = np.argsort(per_class.f1, kind="stable")[:MOST_ROWS]  # NaN, undefined, comes last
        note = f"<p>Of {amount(total)} these are the {amount(MOST_ROWS)} of the lowest F1.</p>"
    columns: list[tuple[str, NDArray[Any]]] = [("Precision", per_class.precision), ("Recall", per_class.recall)]
    for name, array in (
        ("AP", per_class.average_precision),
        ("Calibration error", per_class.calibration_error),
    ):
        if array is not None:
            columns.append((name, array))
    heads = [(heading.capitalize(), "t"), ("F1", "n"), *((name, "n") for name, _ in columns), ("Support", "n")]
    rows = (_row(per_class, columns, names, int(k)) for k in listed)
    search = "" if total <= _FEW else _SEARCH.format(heading=heading)
    return note + search + table(heads, rows, f"Table of every {heading}", kind="sortable", name="class-table")


class ClassNames:
    """What classes are called on the page, by index: short enough for a table."""

    def __init__(self, classes: NDArray[Any] | None):
        """Take (K,) names, or None for 0 to K - 1."""
        self._classes = classes

    def __call__(self, k: int, most: int = _NAME) -> str:
        """The name of class k as HTML; -1 is a row that belongs to none."""
        if k < 0:
            return "<i>none of them</i>"
        return escaped(k if self._classes is None else self._classes[k], most)


def _row(per_class, columns, names, k):
    cells = "".join(f"<td>{decimals(float(array[k]))}</td>" for _, array in columns)
    f1 = float(per_class.f1[k])
    bar = "" if np.isnan(f1) else _BAR.format(round(100 * f1))
    return f"<th scope=row>{names(k)}</th><td>{bar}{decimals(f1)}</td>{cells}<td>{amount(per_class.support[k])}</td>"

"""Which class is taken for which: a matrix of few classes, and the most frequent pairs of any number."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.report.class_table import ClassNames
from lastlayer.report.markup import table
from lastlayer.report.numbers_as_text import amount, percent

if TYPE_CHECKING:
    from lastlayer.metrics.confusions import Confusions

MOST_CLASSES, MOST_PAIRS = 30, 50
# Shades of a cell: its share of the rows of the label.
_SHADES = 9


def confusion_matrix(confusions: "Confusions", right: NDArray[Any], support: NDArray[Any], names: ClassNames) -> str:
    """A table of K x K counts, labels down and predictions across.

    Args:
      confusions: pairs.
      right: (K,) rows of the class that were given to it.
      support: (K,) rows of the class.
      names: what they are called.
    """
    total = len(support)
    counts = np.zeros((total, total), confusions.rows.dtype if confusions.rows.size else right.dtype)
    counts[confusions.label, confusions.predicted] = confusions.rows
    head = "".join(f'<th scope="col"><span>{names(k, 24)}</span></th>' for k in range(total))
    body = []
    for k in range(total):
        cells = []
        for j in range(total):
            rows = right[k] if j == k else counts[k, j]
            shade = 0 if rows <= 0 else max(1, round(_SHADES * float(rows) / float(support[k])))
            kind = "h" if j == k else "m"
            cells.append(f'<td class="{kind}{shade}">{amount(rows) if rows > 0 else ""}</td>')
        body.append(f'<tr><th scope="row">{names(k, 24)}</th>{"".join(cells)}</tr>')
    return (
        '<p class="note">Labels down, predictions across; the darker, the larger a share of the label.</p>'
        '<div class="scroll fit" tabindex="0" role="region" aria-label="Confusion matrix"><table class="matrix">'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def confusion_pairs(confusions: "Confusions", support: NDArray[Any], names: ClassNames) -> str:
    """A table of the most frequent pairs."""
    rows = []
    of_pairs = (part[:MOST_PAIRS].tolist() for part in (confusions.label, confusions.predicted, confusions.rows))
    for label, predicted, count in zip(*of_pairs, strict=True):
        numbers = f"<td>{amount(count)}</td><td>{percent(count / float(support[label]))}</td>"
        rows.append(f"<th scope=row>{names(label)}</th><td class=t>{names(predicted)}</td>{numbers}")
    total = len(confusions.rows)
    note = f"<p>The {MOST_PAIRS} most frequent of {amount(total)} pairs.</p>" if total > MOST_PAIRS else ""
    heads = [("Label", "t"), ("Predicted", "t"), ("Rows", "n"), ("Of the label", "n")]
    return note + table(heads, rows, "Pairs of classes", kind="sortable")

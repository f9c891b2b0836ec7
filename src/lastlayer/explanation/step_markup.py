"""The table of an explanation in HTML: cells as they are printed, and a bar for each probability."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from lastlayer.explanation.step_table import HEADINGS
from lastlayer.explanation.step_texts import Texts
from lastlayer.report import escaped, table

if TYPE_CHECKING:
    from lastlayer.explanation.explanation import Explanation

_NAME = 60
_BAR = '<svg viewBox="0 0 100 9" preserveAspectRatio="none" aria-hidden="true"><path d="M0 0H{}V9H0Z"/></svg>'


def table_as_html(explanation: "Explanation", places: Iterable[int], *, sortable: bool = False) -> str:
    """A table in a region that scrolls, with the sum and the max in its foot.

    Args:
      explanation: of K classes.
      places: which of them have a row, by index, in order.
      sortable: whether the headings are buttons, for a page that has the script.
    """
    texts = explanation.texts()
    rows = (_row(explanation, texts, place) for place in places)
    heads = [("class", "t"), *((heading, "n") for heading in HEADINGS.values())]
    foot = [
        f"<th scope=row>{name}</th>{_cells({step: texts[name].get(step, '') for step in HEADINGS})}"
        for name in ("sum", "max")
    ]
    kind = "steps sortable" if sortable else "steps"
    return table(heads, rows, "Every step of every class", kind=kind, name="steps-table" if sortable else "", foot=foot)


def _row(explanation: "Explanation", texts: Texts, place: int) -> str:
    cells = {step: texts["steps"][step][place] for step in HEADINGS}
    share = float(explanation.softmax[place])
    cells["softmax"] = _BAR.format(f"{100 * share:.4g}") + cells["softmax"]
    mark = ' class="label"' if place == explanation.label else ""
    name = escaped(explanation.classes[place], _NAME)
    sort = f' data-sort="{np.clip(explanation.exponential_log10[place], -1e308, 1e308):.6g}"'
    return f"<th scope=row{mark}>{name}</th>{_cells(cells, sort)}"


def _cells(cells: dict[str, str], sort: str = "") -> str:
    return "".join(f"<td{sort if step == 'exponential' else ''}>{cell}</td>" for step, cell in cells.items())

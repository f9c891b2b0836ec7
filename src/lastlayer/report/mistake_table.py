"""The wrong answers that were given with the most confidence, with what else is known of their rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lastlayer.report.class_table import ClassNames
from lastlayer.report.markup import escaped, table
from lastlayer.report.numbers_as_text import decimals

if TYPE_CHECKING:
    from lastlayer.metrics.mistakes import Mistake

# What both tables say of their last column.
ROWS_COUNT = "Rows count from 0, of those that were evaluated."
_KEPT = 400


def mistake_table(mistakes: "Sequence[Mistake]", names: ClassNames) -> str:
    """A table of mistakes of one label a row."""
    titles = (("Confidence", "n"), ("Predicted", "t"), ("Label", "t"), ("Its probability", "n"))
    rows = [
        (
            decimals(mistake.confidence),
            names(mistake.predicted),
            names(mistake.label),
            decimals(mistake.of_label),
        )
        for mistake in mistakes
    ]
    return _table(mistakes, rows, titles)


def label_mistake_table(mistakes: "Sequence[Mistake]", names: ClassNames) -> str:
    """A table of mistakes of many labels a row."""
    rows = [
        (decimals(mistake.of_label), names(mistake.predicted), "yes" if mistake.label else "no") for mistake in mistakes
    ]
    return _table(mistakes, rows, (("Probability", "n"), ("Label", "t"), ("Row has it", "t")))


def _table(mistakes, rows, titles):
    kept = list(dict.fromkeys(name for mistake in mistakes for name in mistake.kept))
    heads = [*titles, *((escaped(name, 40), "k") for name in kept), ("Row", "n")]
    body = []
    for mistake, cells in zip(mistakes, rows, strict=True):
        others = (escaped(mistake.kept.get(name, ""), _KEPT) for name in kept)
        values = zip(heads, (*cells, *others, f"{mistake.row:,}"), strict=True)
        # On a narrow page each cell stands under the other, after the name of its column.
        body.append("".join(f'<td class={kind} data-name="{title}">{value}</td>' for (title, kind), value in values))
    return table(heads, body, "Most confident mistakes", kind="mistakes")

"""An explanation as a notebook shows it: the table with bars, in the colours of what is around."""

from typing import TYPE_CHECKING

import numpy as np

from lastlayer.explanation.step_markup import table_as_html
from lastlayer.explanation.step_table import notes_of
from lastlayer.report import escaped

if TYPE_CHECKING:
    from lastlayer.explanation.explanation import Explanation

# Rows that a notebook keeps of each output; all of them are in the text and in the document.
MOST_ROWS = 200

# Text takes the colour around it, so that light and dark pages are legible alike; a notebook may drop all of this.
_STYLE = (
    ".lastlayer-steps{font-variant-numeric:tabular-nums}.lastlayer-steps p{margin:.5rem 0 0}"
    ".lastlayer-steps .scroll{overflow:auto;max-height:32rem}"
    ".lastlayer-steps table{border-collapse:collapse;margin:0;color:inherit}"
    ".lastlayer-steps th,.lastlayer-steps td{padding:.2rem .7rem;text-align:right;font-weight:400;background:none;"
    "color:inherit;white-space:nowrap}"
    ".lastlayer-steps th:first-child{text-align:left;max-width:20rem;overflow:hidden;text-overflow:ellipsis;"
    "unicode-bidi:isolate}"
    ".lastlayer-steps thead th{opacity:.7}.lastlayer-steps .label{font-weight:700}"
    ".lastlayer-steps tfoot tr:first-child>*{border-top:1px solid;padding-top:.35rem}"
    ".lastlayer-steps td:nth-child(6){font-weight:600}"
    ".lastlayer-steps svg{float:left;width:5rem;height:.6em;margin:.35em .6rem 0 0}"
    ".lastlayer-steps path{fill:#2a8fcb}"
)


def explanation_as_html(explanation: "Explanation") -> str:
    """A part of a document: the table of at most 200 classes, those of the largest scores and the label, and notes."""
    count = len(explanation.classes)
    places, note = np.arange(count), ""
    if count > MOST_ROWS:
        order = np.argsort(-explanation.score, kind="stable")
        chosen = order[:MOST_ROWS]
        label = explanation.label
        if label is not None and label not in chosen:
            chosen = np.append(chosen[:-1], label)
        places = np.sort(chosen)
        others = " and the label" if label is not None else ""
        note = f"<p>Of {count:,} classes these are the {MOST_ROWS} of the largest scores{others}; print shows all.</p>"
    notes = "".join(f"<p>{escaped(text, 1000)}</p>" for text in notes_of(explanation))
    table = table_as_html(explanation, places.tolist())
    return f'<div class="lastlayer-steps"><style>{_STYLE}</style>{table}{note}{notes}</div>'

"""An explanation as one HTML file that needs no network."""

from typing import TYPE_CHECKING

import lastlayer
from lastlayer._text import shown
from lastlayer.explanation.formulas import formulas_of
from lastlayer.explanation.step_markup import table_as_html
from lastlayer.explanation.step_table import notes_of
from lastlayer.explanation.step_texts import short
from lastlayer.report import Provenance, Section, closing_sections, escaped, page

if TYPE_CHECKING:
    from lastlayer.explanation.explanation import Explanation

# Classes that an eye finds without a search, and takes in without sorting.
_FEW = 12
_SEARCH = (
    '<p class="search" hidden=""><label>Find a class <input type="search" data-filter="steps-table" '
    'autocomplete="off" spellcheck="false"></label> <output data-found="steps-table"></output></p>'
)
_LEGEND = (
    ("score", "what the network says of a class; its unit is its own"),
    ("beta*score", "the score times the inverse temperature: a larger beta sharpens"),
    ("exp", "exp(beta*score), the plain exponential; inf above 10^38.53 in float32, 10^308.25 in float64"),
    ("shifted", "exp(beta*(score - max)), never above 1: the same proportions, and nothing overflows"),
    ("softmax", "shifted over its sum: the probability"),
    ("hardmax", "1 for the first largest score; what softmax becomes as beta grows"),
    ("-log p", "the loss in nats if the class is the right one"),
)


def explanation_page(explanation: "Explanation", provenance: Provenance | None = None) -> str:
    """A whole HTML document."""
    provenance = Provenance() if provenance is None else provenance
    count = len(explanation.classes)
    many = count > _FEW
    notes = "".join(f'<p class="note">{escaped(text, 1000)}</p>' for text in notes_of(explanation))
    table = table_as_html(explanation, range(count), sortable=many)
    worked = "".join(
        f"<dt>{escaped(heading)}</dt><dd><code>{escaped(text, 1000)}</code></dd>"
        for heading, text in formulas_of(explanation)
    )
    legend = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(meaning)}</dd>" for name, meaning in _LEGEND)
    sections = [
        Section("steps", "Every step", (_SEARCH if many else "") + table + notes),
        Section("formulas", "With the numbers", f'<dl class="pairs">{worked}</dl>', _shown_class(explanation)),
        Section("columns", "Columns", f'<dl class="pairs">{legend}</dl>'),
        *closing_sections(provenance, lastlayer.__version__),
    ]
    return page("From scores to probabilities", _lead(explanation), sections)


def _lead(explanation: "Explanation") -> str:
    likeliest = int(explanation.hardmax.argmax())
    count = len(explanation.classes)
    lead = (
        f"{count:,} {'class' if count == 1 else 'classes'} at beta = {explanation.beta:g}. The most probable is "
        f"{shown(explanation.classes[likeliest])}, with a probability of {short(explanation.softmax[likeliest])}."
    )
    if explanation.label is not None:
        loss = short(explanation.loss[explanation.label])
        lead += f" The right one is {shown(explanation.classes[explanation.label])}, at a loss of {loss} nats."
    return lead


def _shown_class(explanation: "Explanation") -> str:
    if explanation.label is None:
        return "The steps of the most probable class."
    return "The steps of the right class."

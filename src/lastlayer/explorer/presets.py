"""Worked examples that the scores view starts from."""

import math
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode


@dataclass(frozen=True)
class Preset:
    """A state of the scores view.

    Attributes:
      name: what its link says.
      classes: names.
      scores: one for each class, as text: as it stands in the address and in the table.
      beta: text.
      label: the right class; -1: none.
    """

    name: str
    classes: tuple[str, ...]
    scores: tuple[str, ...]
    beta: str = "1"
    label: int = -1

    @property
    def address(self) -> str:
        """Path and query of the page in this state."""
        fields = {"class": self.classes, "score": self.scores, "beta": self.beta, "label": self.label}
        return f"/scores?{urlencode(fields, doseq=True)}"


def _logarithms(*probabilities):
    # Four decimals: exp gives the probabilities back to the digits that they were printed with.
    return tuple(f"{math.log(probability):.4f}" for probability in probabilities)


PRESETS = (
    Preset("three logits", ("0", "1", "2"), ("2.0", "1.0", "0.1")),
    Preset("beta = 500", ("0", "1", "2"), ("0.95", "0.99", "0.98"), "500"),
    Preset("beta = 1", ("0", "1", "2"), ("0.95", "0.99", "0.98")),
    Preset(
        "the bear classifier",
        ("apple", "bear", "candy", "dog", "egg"),
        _logarithms(0.001, 0.04, 0.008, 0.95, 0.001),
        label=1,
    ),
    Preset(
        "five fruits",
        ("apple", "banana", "cherry", "grape", "orange"),
        ("-0.401", "0.0468", "-0.4071", "0.6252", "1.0899"),
    ),
    Preset("cat, dog, cow, zebra", ("cat", "dog", "cow", "zebra"), ("1.8", "2.1", "-3.0", "-4.2")),
)


def preset_links() -> str:
    """HTML of a link to each."""
    return "\n".join(f'<a href="{escape(preset.address)}">{escape(preset.name)}</a>' for preset in PRESETS)

"""The steps from one row of scores to probabilities: frozen, prints as a table, shows itself in a notebook."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.explanation.document import document_of
from lastlayer.explanation.step_table import explanation_as_text
from lastlayer.explanation.step_texts import Texts, texts_of
from lastlayer.functions import logsumexp


@dataclass(frozen=True, eq=False)
class Explanation:
    """Every step from K scores to probabilities and losses; arrays are (K,) float64 and read-only.

    Attributes:
      classes: K names.
      beta: inverse temperature.
      label: index of the right class; None where it was not given.
      score: the logits; -inf where a class is impossible.
      beta_score: beta * score, infinite beyond float64.
      exponential_log10: decimal logarithm of exp(beta * score), which itself would overflow.
      shifted_exponential: exp(beta * (score - max)), never above 1.
      softmax: probabilities.
      hardmax: 1 for the first largest score, 0 for the others.
      loss: -ln of the probability, in nats: what the loss would be if the class were the label.
    """

    classes: tuple[str, ...]
    beta: float
    label: int | None
    score: NDArray[np.float64]
    beta_score: NDArray[np.float64]
    exponential_log10: NDArray[np.float64]
    shifted_exponential: NDArray[np.float64]
    softmax: NDArray[np.float64]
    hardmax: NDArray[np.float64]
    loss: NDArray[np.float64]

    @property
    def exponential_sum_log10(self) -> float:
        """Decimal logarithm of the sum of exp(beta * score)."""
        return float(logsumexp(self.beta_score)) / math.log(10)

    def to_dict(self) -> dict[str, Any]:
        """What `lastlayer explain --json` prints, as strict JSON can hold it: an infinity is a string.

        Numbers are exact; "exponential", which the other steps do without, is exp(beta * score) or "Infinity".
        """
        return document_of(self)

    def texts(self) -> Texts:
        """The cells of the table as they are printed, by step, and those of its sum and max rows."""
        return texts_of(self)

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Explanation) else NotImplemented

    def __str__(self) -> str:
        return explanation_as_text(self)

    def _repr_html_(self) -> str:
        # Not at import: what pages are made of takes a while to load, and printing does without it.
        from lastlayer.explanation.notebook import explanation_as_html

        return explanation_as_html(self)

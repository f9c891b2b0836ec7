"""What a decision rule was chosen on, and what that promises."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Evidence:
    """The held-out rows behind a decision rule.

    Attributes:
      rows: how many rows the rule was chosen on.
      objective: what was asked for: "accuracy", "f1", "precision", "recall", "cost" or "coverage".
      target: the value of it that was asked for; None where the best was sought.
      reached: its value on those rows, under the rule.
      bound: the value that holds for new rows like these with `confidence`, or for "coverage" on average; None where
        nothing is promised.
      confidence: how surely `bound` holds, over the choice of the rows; None without a bound or for one on average.
      answered: share of those rows that the rule answers; None where it answers all.
    """

    rows: int
    objective: str
    target: float | None = None
    reached: float | None = None
    bound: float | None = None
    confidence: float | None = None
    answered: float | None = None

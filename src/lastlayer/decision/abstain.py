"""The rule that answers only where it is sure: the most probable class, or "don't know"."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer.decision.abstention_scores import AbstentionScore, checked_score, scores_of
from lastlayer.decision.checked_threshold import one_or_each
from lastlayer.decision.evidence import Evidence
from lastlayer.decision.probability_rows import as_distributions


@dataclass(frozen=True, eq=False)
class Abstain:
    """Answers with the most probable class where the row's score is at least the threshold, else "don't know".

    Attributes:
      threshold: from 0 to 1: one for all rows, a float, or (K,), that of the class which would be the answer.
      score: what is compared with it: "max_probability", or another score of `abstention_score`.
      evidence: the rows that it was chosen on; None where it was set by hand.
    """

    threshold: float | NDArray[np.float64]
    score: AbstentionScore = "max_probability"
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        checked_score(self.score)
        object.__setattr__(self, "threshold", one_or_each(self.threshold, "class"))

    @property
    def num_classes(self) -> int | None:
        """How many classes the rule is made for; None for any number."""
        return len(self.threshold) if isinstance(self.threshold, np.ndarray) else None

    def apply(self, probabilities: ArrayLike) -> NDArray[np.int64]:
        """The class index of each row, the first of equals, or -1 for "don't know".

        Args:
          probabilities: (N, K), rows of distributions.
        Returns: (N,) int64.
        Raises: ValueError for another number of classes, or if a row is no distribution, naming the first such row.

        >>> Abstain(0.7).apply([[0.2, 0.8], [0.4, 0.6]]).tolist()
        [1, -1]
        """
        rows = as_distributions(probabilities, self.num_classes)
        answers = rows.argmax(axis=1).astype(np.int64, copy=False)
        threshold = self.threshold[answers] if isinstance(self.threshold, np.ndarray) else self.threshold
        answers[scores_of(rows, self.score) < threshold] = -1
        return answers

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Abstain):
            return NotImplemented
        same = np.shape(self.threshold) == np.shape(other.threshold) and np.array_equal(self.threshold, other.threshold)
        return same and self.score == other.score and self.evidence == other.evidence

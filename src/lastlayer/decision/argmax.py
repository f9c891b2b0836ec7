"""The rule that always answers: the most probable class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer.decision.evidence import Evidence
from lastlayer.decision.probability_rows import as_distributions


@dataclass(frozen=True)
class Argmax:
    """Answers with the most probable class, whatever its probability.

    Attributes:
      evidence: None; every rule has it.
    """

    evidence: Evidence | None = None

    @property
    def num_classes(self) -> int | None:
        """How many classes the rule is made for; None for any number."""
        return None

    def apply(self, probabilities: ArrayLike) -> NDArray[np.int64]:
        """The class index of each row, the first of equals.

        Args:
          probabilities: (N, K), rows of distributions.
        Returns: (N,) int64.
        Raises: ValueError if a row is no distribution, naming the first such row.

        >>> Argmax().apply([[0.2, 0.8], [0.5, 0.5]]).tolist()
        [1, 0]
        """
        return as_distributions(probabilities).argmax(axis=1).astype(np.int64, copy=False)

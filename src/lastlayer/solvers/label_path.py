"""Labels that move together along the optima of falling penalties, a few iterations for each."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.solvers.label_block import LabelBlock
from lastlayer.solvers.sigmoid_regression import SigmoidRegression


class LabelPath:
    """As PenaltyPath, for a block of labels; where the penalty changes, what is known of the losses stays.

    Args:
      problem: SigmoidRegression.
      labels: (B,) those of the block; see `blocks_of`.
    """

    def __init__(self, problem: SigmoidRegression, labels: NDArray[np.int64]):
        self._problem, self._labels = problem, labels
        self._block = LabelBlock(problem, labels, None)
        self._proposal: tuple[NDArray[Any], NDArray[np.float64]] | None = None

    def set_penalty(self, penalty: float) -> None:
        """Make 1 / C those of the next iterations, which is the penalty where the losses are summed."""
        self._block.set_penalty(self._problem.penalty_of(1 / penalty)[self._labels])
        self._proposal = None

    def predicted_share(self) -> float:
        """The decrease of all objectives that their quadratic models predict, as a share of their sum."""
        self._proposal = self._block.proposal()
        objective = max(float(self._block.state.objective.sum()), float(np.finfo(float).tiny))
        return float(np.maximum(self._proposal[1], 0.0).sum()) / objective

    def advance(self) -> bool:
        """Take one iteration; False if rounding hides any decrease of every objective."""
        direction, _ = self._block.proposal() if self._proposal is None else self._proposal
        self._proposal = None
        self._block.advance(direction)
        return bool((self._block.state.idle < 2).any())

    def head(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The weights (B, D) and intercepts (B,) as they are."""
        return self._block.head()

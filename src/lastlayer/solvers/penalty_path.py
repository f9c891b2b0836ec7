"""One search that goes from penalty to penalty, so that a whole path costs little more than its hardest fits.

The loss and its gradient do not depend on the penalty: where it changes, the head, its logits, its gradient and what
L-BFGS knows of the loss's curvature stay as they are, and the penalty's own part of them is known. The next direction
is there without a pass over the data, and mostly a good one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.solvers.softmax_regression import SoftmaxRegression
from lastlayer.solvers.softmax_search import SoftmaxSearch


class PenaltyPath:
    """A head that moves along the optima of falling penalties, a few iterations for each.

    Args:
      problem: SoftmaxRegression; its penalty is the first one, and is changed.
    """

    def __init__(self, problem: SoftmaxRegression):
        self._problem = problem
        self._search = SoftmaxSearch(problem, None)
        self._direction: NDArray[Any] | None = None

    def set_penalty(self, penalty: float) -> None:
        """Make `penalty` > 0 that of the next iterations."""
        self._search.set_penalty(penalty)
        self._direction = None

    def predicted_share(self) -> float:
        """The decrease of F that the quadratic model predicts, as a share of F; 0 where rounding hides it."""
        self._direction, decrease, _ = self._search.direction()
        objective = max(self._search.point.objective, float(np.finfo(float).tiny))
        return max(decrease, 0.0) / objective if np.isfinite(decrease) else 0.0

    def advance(self) -> bool:
        """Take one iteration; False if rounding hides any decrease."""
        if self._direction is None:
            self._direction, _, _ = self._search.direction()
        direction, self._direction = self._direction, None
        return self._search.advance(direction)

    def head(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The weights (K, D) and intercepts (K,) as they are."""
        return self._search.point.head(self._problem)

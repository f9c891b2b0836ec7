"""FittedHead: what a fit, exact or sampled, hands to the estimator."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.solvers import Optimum


class FittedHead(NamedTuple):
    """A head for scaled features, where there is a scale.

    weight: (K, D). intercept: (K,) float64. optimum: what is known of it. failure: what ended the fit early and is
    still to be raised, or None. held_out_rows, log_loss: the rows that a sampled fit has held out, and their log-loss.
    """

    weight: NDArray[Any]
    intercept: NDArray[np.float64]
    optimum: Optimum
    failure: BaseException | None = None
    held_out_rows: int = 0
    log_loss: float | None = None

    def shown(self) -> Optimum:
        """What the progress line ends with: of a sampled fit, the log-loss in place of the objective."""
        return self.optimum if self.log_loss is None else replace(self.optimum, objective=self.log_loss)

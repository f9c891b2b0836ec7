"""What the solver of many labels asks of the rows of a fit, as `training_rows` says it of one label a row.

Whoever answers may hold the rows in memory (`local_labels`, `label_line`) or have others hold them, each a part
(`parted_labels`). Row weights sum to 1 over all rows.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lastlayer.solvers.curvature import Curvature


class LabelSlopes(NamedTuple):
    """The losses of labels at their heads and the gradients, sums over rows.

    loss: (B,) in nats. gradient: (B, D), with respect to the weights for features as they are, without the penalty.
    residual_sum: (B,), the sum of weighted residuals, which is the intercepts' gradient. masses: (B,), the weighted sum
    of p (1 - p).
    """

    loss: NDArray[np.float64]
    gradient: NDArray[Any]
    residual_sum: NDArray[np.float64]
    masses: NDArray[np.float64]


class LabelLine(Protocol):
    """The logits of some labels along lines of heads, Z_k + t_k V_k, each label's its own; (B, N) both."""

    def set_heads(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Set Z to the logits of weights (B, D) and offsets (B,), and V to 0."""

    def set_offsets(self, offset: NDArray[Any]) -> None:
        """Set Z to the logits of offsets (B,) alone; V is any."""

    def set_directions(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Set V to the logits of weights (B, D) and offsets (B,)."""

    def evaluate(self, which: NDArray[np.int64], steps: NDArray[Any]) -> NDArray[np.float64]:
        """Loss, first and second derivative in t, (m, 3), of the labels of these indices (m,) at their steps (m,)."""
        raise NotImplementedError

    def step(self, steps: NDArray[Any]) -> LabelSlopes:
        """Set Z to Z + t V for steps t (B,); V is any afterwards."""
        raise NotImplementedError

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Leave out the labels where `which` (B,) is False; V is any afterwards."""


class LabelRows(Protocol):
    """N rows of D features, any of K labels each, and a weight.

    Attributes:
      shape: (N, D).
      dtype: float32 or float64, of the features as they are computed with.
      num_labels: K.
      weighing: how many rows have a weight.
      lightest: the least weight above 0.
      total: what the weights as they were given sum to.
      counts: (K,) how many of the rows that weigh have each label.
      shares: (K,) the weight of the rows that have each label.
      labels_at_once: how many labels' logits there is room for on a line.
      takes_turns: whether there is one line at a time.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    num_labels: int
    weighing: int
    lightest: float
    total: float
    counts: NDArray[np.int64]
    shares: NDArray[np.float64]
    labels_at_once: int
    takes_turns: bool

    def feature_sum(self) -> NDArray[np.float64]:
        """(D,), the weighted sum of all features."""
        raise NotImplementedError

    def label_sums(self) -> NDArray[Any]:
        """(K, D), the weighted sums of the features of the rows that have each label."""
        raise NotImplementedError

    def curvature(self, mean: NDArray[np.float64], generator: np.random.RandomState) -> Curvature:
        """That of the features about `mean` (D,), from a sample of the rows that weigh."""
        raise NotImplementedError

    def line(self, labels: NDArray[np.int64], factors: NDArray[np.float64]) -> LabelLine:
        """A line of `labels` (B,), whose rows without and with them weigh `factors` (B, 2) times as much."""
        raise NotImplementedError

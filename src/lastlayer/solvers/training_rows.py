"""What the softmax solver asks of the rows of a fit: sums over all of them, and a few of them by number.

Whoever answers may hold the rows in memory (`local_rows`, `logit_line`) or have others hold them, each a part
(`parted_rows`). Row weights sum to 1 over all rows.
"""

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lastlayer.solvers.curvature import Curvature

if TYPE_CHECKING:
    from lastlayer.solvers.local_rows import LocalRows


class Uncertainty(NamedTuple):
    """What rows add to the curvature, as scores >= 0, which are 0 where a row weighs nothing.

    total: the sum of all scores. sample: (m,) those of every so many rows. rows: (M,) int64, the numbers of the rows of
    the highest scores, in no order. scores: (M,) theirs.
    """

    total: float
    sample: NDArray[np.float64]
    rows: NDArray[np.int64]
    scores: NDArray[np.float64]


class Slope(NamedTuple):
    """The loss at a head and its gradient, sums over rows.

    loss: in nats. gradient: (K, D), with respect to the weights for features as they are, without the penalty.
    residual_sum: (K,), the sum of weighted residuals, which is the intercepts' gradient. masses: (K,), the weighted sum
    of p (1 - p) of each class.
    """

    loss: float
    gradient: NDArray[Any]
    residual_sum: NDArray[np.float64]
    masses: NDArray[np.float64]


class Steps(Protocol):
    """What goes along a line of heads, Z(t) = Z + t V: logits Z of a head and V = X D' + offset, both (N, K)."""

    def set_head(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Set Z to the logits X weight' + offset; (K, D) and (K,)."""

    def set_direction(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Set the direction to X weight' + offset; (K, D) and (K,)."""

    def step(self, t: float) -> Slope:
        """Set Z to Z(t)."""
        raise NotImplementedError


class Line(Steps, Protocol):
    """What knows more of a line than its steps."""

    @property
    def keeps_logits(self) -> bool:
        """Whether `evaluate` takes no product with X."""
        raise NotImplementedError

    def evaluate(self, t: float) -> tuple[float, float, float]:
        """Loss, first and second derivative in t of the weighted mean cross-entropy at Z(t)."""
        raise NotImplementedError

    def add_offset(self, offset: NDArray[Any]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Add `offset` (K,) to the logits of every row; the loss, residual sum and masses of a Slope there."""
        raise NotImplementedError

    def uncertainty(self, factors: NDArray[np.float64], every: int, most: int) -> Uncertainty:
        """Score each row by its weight times the sum over classes of p (1 - p) times the class's factor (K,).

        `every` says how far the rows of the sample are apart, `most` how many rows of high score are told at most.
        """
        raise NotImplementedError


class TrainingRows(Protocol):
    """N rows of D features, a label in 0..K-1 and a weight.

    Attributes:
      shape: (N, D).
      dtype: float32 or float64, of the features as they are computed with.
      num_classes: K.
      lightest: the least weight above 0.
      shares: (K,), each class's weight.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    num_classes: int
    lightest: float
    shares: NDArray[np.float64]

    def class_sums(self) -> NDArray[np.float64]:
        """(K, D), the weighted sum of each class's features."""
        raise NotImplementedError

    def curvature(self, mean: NDArray[np.float64], generator: np.random.RandomState) -> Curvature:
        """That of the features about `mean` (D,), from a sample of the rows that weigh."""
        raise NotImplementedError

    def take(self, rows: NDArray[np.int64]) -> "LocalRows":
        """Of the rows with these numbers, in ascending order, those that weigh, in memory and with their weights."""
        raise NotImplementedError

    def line(self) -> Line:
        """A line with Z = 0 and V = 0."""
        raise NotImplementedError

    def coarse_steps(self, mean: NDArray[np.float64]) -> Steps | None:
        """What takes steps several times faster, rounded to about three digits; None where nothing does."""
        raise NotImplementedError

"""The rule that answers with the class of the least expected cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import Number, as_float_array
from lastlayer._blas import on_one_blas_thread
from lastlayer._threads import run_blocks
from lastlayer.decision.evidence import Evidence
from lastlayer.decision.probability_rows import as_distributions, blocks_of

# Rows that share one pass over the costs, at least, and probabilities worth a dispatch to another thread.
_ROWS, _DISPATCH = 256, 1 << 17


@dataclass(frozen=True, eq=False)
class LeastCost:
    """Answers with the class whose expected cost is least, or "don't know" where even that costs more than abstaining.

    Attributes:
      cost: (K, K) finite: cost[y, a] is that of answering a where the truth is y, in any unit; below 0 is a gain.
      abstain_cost: that of "don't know", in the same unit; None always answers.
      evidence: the rows that it was judged on; None where there are none.
    """

    cost: NDArray[np.float64]
    abstain_cost: float | None = None
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "cost", as_cost(self.cost))
        if self.abstain_cost is not None:
            object.__setattr__(self, "abstain_cost", _as_abstain_cost(self.abstain_cost))

    @property
    def num_classes(self) -> int | None:
        """How many classes the rule is made for."""
        return len(self.cost)

    def apply(self, probabilities: ArrayLike) -> NDArray[np.int64]:
        """The class index of each row, or -1 for "don't know".

        Expected costs are computed in float64, and those that differ by no more than its rounding are equal: the first
        of equal classes is the answer, and an answer that costs as much as abstaining is given.

        Args:
          probabilities: (N, K), rows of distributions.
        Returns: (N,) int64.
        Raises: ValueError for another number of classes, or if a row is no distribution, naming the first such row.

        >>> miss, false_alarm = 10, 1
        >>> LeastCost([[0, false_alarm], [miss, 0]]).apply([[0.8, 0.2], [0.95, 0.05]]).tolist()
        [1, 0]
        """
        rows = as_distributions(probabilities, self.num_classes)
        return on_one_blas_thread(_answers, rows, self.cost, self.abstain_cost)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LeastCost):
            return NotImplemented
        same = np.array_equal(self.cost, other.cost) and self.abstain_cost == other.abstain_cost
        return same and self.evidence == other.evidence


def least_cost(cost: ArrayLike, *, abstain_cost: Number | None = None) -> LeastCost:
    """The rule of the least expected cost, which needs no held-out rows but honest probabilities.

    Args:
      cost: (K, K) finite: cost[y, a] is that of answering a where the truth is y.
      abstain_cost: that of "don't know"; None always answers.
    Raises: ValueError if `cost` is not square or holds NaN or an infinity; TypeError if it holds no numbers.
    """
    return LeastCost(as_cost(cost), None if abstain_cost is None else _as_abstain_cost(abstain_cost))


def _answers(rows, cost, abstain_cost):
    answers = np.empty(len(rows), np.int64)
    slack = len(cost) * np.finfo(np.float64).eps * np.abs(cost).max()

    def work(start, stop):
        of_thread, found = rows[start:stop], answers[start:stop]
        for where in blocks_of(of_thread, fewest=_ROWS):
            expected = of_thread[where].astype(np.float64, copy=False) @ cost
            least = expected.min(axis=1)
            found[where] = (expected <= (least + slack)[:, None]).argmax(axis=1)
            if abstain_cost is not None:
                found[where][least > abstain_cost + slack] = -1

    run_blocks(work, len(rows), items_per_block=max(_ROWS, _DISPATCH // len(cost)))
    return answers


def as_cost(cost: ArrayLike) -> NDArray[np.float64]:
    """A read-only float64 copy of costs (K, K). Raises ValueError unless they are square and finite."""
    values = np.array(as_float_array(cost, "cost"), dtype=np.float64, order="C")
    if values.ndim != 2 or values.shape[0] != values.shape[1] or values.size == 0:
        raise ValueError(
            f"cost: shape is {values.shape}, expected (K, K), a row for each true class and a column for each answer."
        )
    bad = ~np.isfinite(values)
    if bad.any():
        truth, answer = np.unravel_index(int(bad.argmax()), values.shape)
        raise ValueError(f"cost: row {truth}, column {answer} is {values[truth, answer]}, expected a finite number.")
    values.setflags(write=False)
    return values


def _as_abstain_cost(abstain_cost):
    value = np.asarray(as_float_array(abstain_cost, "abstain_cost"), dtype=np.float64)
    if value.ndim or not np.isfinite(value):
        raise ValueError(f"abstain_cost: received {abstain_cost!r}, expected one finite number.")
    return float(value)

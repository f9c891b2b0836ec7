"""The rows of a fit of many labels that are held in parts by others, as `parted_rows` is of one label a row."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.label_rows import LabelLine, LabelSlopes
from lastlayer.solvers.local_labels import LocalLabels
from lastlayer.solvers.parts import Parts, curvature_of_parts, sample_of


class LabelDescription(NamedTuple):
    """What is known of a part beforehand: what `LabelRows` says of the same names, of its rows alone but for `total`.

    dtype: its name.
    """

    shape: tuple[int, int]
    dtype: str
    weighing: int
    lightest: float
    total: float
    counts: NDArray[np.int64]
    shares: NDArray[np.float64]
    labels_at_once: int


class PartOfLabels:
    """One part and what it answers: rows that it holds, and the line that it is asked about."""

    def __init__(self, rows: LocalLabels):
        self._rows = rows
        self._line: LabelLine = self._of_none()

    def describe(self) -> LabelDescription:
        """What is known of the part beforehand."""
        rows = self._rows
        of_labels = rows.counts, rows.shares, rows.labels_at_once
        return LabelDescription(rows.shape, str(rows.dtype), rows.weighing, rows.lightest, rows.total, *of_labels)

    def feature_sum(self) -> tuple[NDArray[np.float64]]:
        """See `LabelRows`."""
        return (self._rows.feature_sum(),)

    def label_sums(self) -> tuple[NDArray[Any]]:
        """See `LabelRows`."""
        return (self._rows.label_sums(),)

    def sample(self, numbers: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Features and weights of rows by their numbers, counted among those that weigh."""
        return sample_of(self._rows.features, self._rows.row_weight, numbers)

    def start_line(self, labels: NDArray[np.int64], factors: NDArray[np.float64]) -> None:
        """Answer about this line from now on; see `LabelRows.line`."""
        self._line = self._of_none()  # before there is room for another
        self._line = self._rows.line(labels, factors)

    def set_heads(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._line.set_heads(weight, offset)

    def set_offsets(self, offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._line.set_offsets(offset)

    def set_directions(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._line.set_directions(weight, offset)

    def evaluate(self, which: NDArray[np.int64], steps: NDArray[Any]) -> NDArray[np.float64]:
        """See `LabelLine`."""
        return self._line.evaluate(which, steps)

    def step(self, steps: NDArray[Any]) -> LabelSlopes:
        """See `LabelLine`."""
        return self._line.step(steps)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """See `LabelLine`."""
        self._line.keep(which)

    def _of_none(self):
        return self._rows.line(np.empty(0, np.int64), np.empty((0, 2)))


class PartedLabels:
    """LabelRows that ask their parts, about one line at a time.

    Args:
      parts: who reaches them.
    """

    def __init__(self, parts: Parts):
        self._parts = parts
        described: list[LabelDescription] = parts.ask("describe")
        self._weighing = np.cumsum([0, *(part.weighing for part in described)])
        first = described[0]
        self.shape: tuple[int, int] = sum(part.shape[0] for part in described), first.shape[1]
        self.dtype: np.dtype[Any] = np.result_type(*(part.dtype for part in described))
        self.num_labels: int = len(first.counts)
        self.weighing: int = int(self._weighing[-1])
        self.lightest: float = min(part.lightest for part in described)
        self.total: float = first.total
        self.counts: NDArray[np.int64] = np.sum([part.counts for part in described], axis=0)
        self.shares: NDArray[np.float64] = np.sum([part.shares for part in described], axis=0)
        self.labels_at_once: int = min(part.labels_at_once for part in described)
        self.takes_turns: bool = True

    def feature_sum(self) -> NDArray[np.float64]:
        """See `LabelRows`."""
        return self._parts.sum("feature_sum")[0]

    def label_sums(self) -> NDArray[Any]:
        """See `LabelRows`."""
        return self._parts.sum("label_sums")[0]

    def curvature(self, mean: NDArray[np.float64], generator: np.random.RandomState) -> Curvature:
        """See `LabelRows`."""
        return curvature_of_parts(self._parts, self._weighing, mean, generator)

    def line(self, labels: NDArray[np.int64], factors: NDArray[np.float64]) -> LabelLine:
        """See `LabelRows`; from then on no other line can be asked."""
        self._parts.ask("start_line", labels, factors)
        return _PartedLabelLine(self._parts, self.dtype)


class _PartedLabelLine:
    """LabelLine that asks the parts."""

    def __init__(self, parts, dtype):
        self._parts, self._dtype = parts, dtype

    def set_heads(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._parts.ask("set_heads", weight, offset)

    def set_offsets(self, offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._parts.ask("set_offsets", offset)

    def set_directions(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `LabelLine`."""
        self._parts.ask("set_directions", weight, offset)

    def evaluate(self, which: NDArray[np.int64], steps: NDArray[Any]) -> NDArray[np.float64]:
        """See `LabelLine`."""
        return np.sum(self._parts.ask("evaluate", which, steps), axis=0)

    def step(self, steps: NDArray[Any]) -> LabelSlopes:
        """See `LabelLine`."""
        loss, gradient, residual_sum, masses = self._parts.sum("step", steps)
        return LabelSlopes(loss, gradient.astype(self._dtype), residual_sum, masses)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """See `LabelLine`."""
        self._parts.ask("keep", which)

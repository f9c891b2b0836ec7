"""The rows of a fit that are held in parts by others: the solver's questions, put to every part and answered as one.

A part is a `PartOfRows`, wherever it lives; how it is reached is for `Parts` to say. What parts answer is added up in
their order and in float64, so that nothing depends on who answers first.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer.linear import DenseFeatures
from lastlayer.solvers.curvature import Curvature
from lastlayer.solvers.local_rows import LocalRows
from lastlayer.solvers.parts import Parts, by_part, curvature_of_parts, sample_of
from lastlayer.solvers.training_rows import Line, Slope, Steps, Uncertainty


class Description(NamedTuple):
    """What is known of a part beforehand.

    shape: (N, D). dtype: of its features. weighing: how many rows have a weight. lightest: the least weight above 0,
    inf where there is none. shares: (K,) each class's weight. keeps_logits: whether its line keeps them.
    rounds: whether it can take rounded steps.
    """

    shape: tuple[int, int]
    dtype: str
    weighing: int
    lightest: float
    shares: NDArray[np.float64]
    keeps_logits: bool
    rounds: bool


class PartOfRows:
    """One part and what it answers: rows that it holds, and their line."""

    def __init__(self, rows: LocalRows):
        self._rows, self._line = rows, rows.line()
        self._steps: Steps = self._line

    def describe(self) -> Description:
        """What is known of the part beforehand."""
        rows = self._rows
        weighing = int(np.count_nonzero(rows.row_weight))
        keeps, rounds = self._line.keeps_logits, rows.coarse_steps(np.zeros(rows.shape[1])) is not None
        return Description(rows.shape, str(rows.dtype), weighing, rows.lightest, rows.shares, keeps, rounds)

    def class_sums(self) -> tuple[NDArray[np.float64]]:
        """(K, D), the weighted sum of each class's features."""
        return (self._rows.class_sums(),)

    def sample(self, numbers: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Features and weights of rows by their numbers, counted among those that weigh."""
        return sample_of(self._rows.features, self._rows.row_weight, numbers)

    def take(self, numbers: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]:
        """Features, labels and weights of rows by their numbers, of those that weigh."""
        found = self._rows.take(numbers)
        return found.features.take(slice(None)), found.labels, found.row_weight

    def set_head(self, weight: NDArray[Any], offset: NDArray[Any], mean: NDArray[np.float64] | None = None) -> None:
        """See `Line`; with a mean (D,) about which features may be rounded, steps are, until a head comes without.

        The mean is that of the fit, always the same. Where this machine rounds none they are exact, which serves as
        well.
        """
        if mean is None:
            self._steps = self._line
        elif self._steps is self._line:
            rounded = self._rows.coarse_steps(mean)
            self._steps = self._line if rounded is None else rounded
        self._steps.set_head(weight, offset)

    def set_direction(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `Line`."""
        self._steps.set_direction(weight, offset)

    def evaluate(self, t: float) -> tuple[float, float, float]:
        """See `Line`."""
        return self._line.evaluate(t)

    def step(self, t: float) -> Slope:
        """See `Line`."""
        return self._steps.step(t)

    def add_offset(self, offset: NDArray[Any]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """See `Line`."""
        return self._line.add_offset(offset)

    def uncertainty(self, factors: NDArray[np.float64], every: int, most: int) -> Uncertainty:
        """See `Line`."""
        return self._line.uncertainty(factors, every, most)


class PartedRows:
    """TrainingRows that ask their parts.

    Args:
      parts: who reaches them.
    """

    def __init__(self, parts: Parts):
        self._parts = parts
        described: list[Description] = parts.ask("describe")
        self._starts = np.cumsum([0, *(part.shape[0] for part in described)])
        self._weighing = np.cumsum([0, *(part.weighing for part in described)])
        self.shape: tuple[int, int] = int(self._starts[-1]), described[0].shape[1]
        self.dtype: np.dtype[Any] = np.result_type(*(part.dtype for part in described))
        self.num_classes: int = described[0].shares.size
        self.lightest: float = min(part.lightest for part in described)
        self.shares: NDArray[np.float64] = np.sum([part.shares for part in described], axis=0)
        self._keeps_logits = all(part.keeps_logits for part in described)
        self._rounds = all(part.rounds for part in described)

    def class_sums(self) -> NDArray[np.float64]:
        """(K, D), the weighted sum of each class's features."""
        return self._parts.sum("class_sums")[0]

    def curvature(self, mean: NDArray[np.float64], generator: np.random.RandomState) -> Curvature:
        """That of the features about `mean` (D,), from a sample of the rows that weigh."""
        num_logits = self.shape[0] * self.num_classes
        return curvature_of_parts(self._parts, self._weighing, mean, generator, num_logits)

    def take(self, rows: NDArray[np.int64]) -> LocalRows:
        """Of the rows with these numbers, in ascending order, those that weigh, with their weights."""
        found = self._parts.ask_each("take", by_part(rows, self._starts))
        features, labels, weights = (np.concatenate(pieces) for pieces in zip(*found, strict=True))
        return LocalRows(DenseFeatures(features), labels, weights, self.num_classes, total=1.0)

    def line(self) -> Line:
        """A line with Z = 0 and V = 0."""
        return _PartedLine(self._parts, self._starts, self.dtype, self._keeps_logits)

    def coarse_steps(self, mean: NDArray[np.float64]) -> Steps | None:
        """Those of the parts, about `mean` (D,), if all can round theirs."""
        return _PartedSteps(self._parts, self.dtype, mean) if self._rounds else None


class _PartedSteps:
    """Steps that ask the parts, rounded ones about a mean if there is one."""

    def __init__(self, parts, dtype, *mean):
        self._parts, self._dtype, self._mean = parts, dtype, mean

    def set_head(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `Line`."""
        self._parts.ask("set_head", weight, offset, *self._mean)

    def set_direction(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """See `Line`."""
        self._parts.ask("set_direction", weight, offset)

    def step(self, t: float) -> Slope:
        """See `Line`."""
        loss, gradient, residual_sum, masses = self._parts.sum("step", t)
        return Slope(float(loss), gradient.astype(self._dtype), residual_sum, masses)


class _PartedLine(_PartedSteps):
    """Line that asks the parts."""

    def __init__(self, parts, starts, dtype, keeps_logits):
        super().__init__(parts, dtype)
        self._starts, self._keeps_logits = starts, keeps_logits

    @property
    def keeps_logits(self) -> bool:
        """Whether no part takes a product with X in `evaluate`."""
        return self._keeps_logits

    def evaluate(self, t: float) -> tuple[float, float, float]:
        """See `Line`."""
        loss, slope, curvature = np.sum(self._parts.ask("evaluate", t), axis=0).tolist()
        return loss, slope, curvature

    def add_offset(self, offset: NDArray[Any]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """See `Line`."""
        loss, residual_sum, masses = self._parts.sum("add_offset", offset)
        return float(loss), residual_sum, masses

    def uncertainty(self, factors: NDArray[np.float64], every: int, most: int) -> Uncertainty:
        """See `Line`; every part's sample begins with its own first row."""
        found: list[Uncertainty] = self._parts.ask("uncertainty", factors, every, most)
        totals, samples, rows, scores = zip(*found, strict=True)
        rows = np.concatenate([part + start for part, start in zip(rows, self._starts, strict=False)])
        scores = np.concatenate(scores)
        highest = np.argsort(-scores, kind="stable")[:most]
        return Uncertainty(sum(totals), np.concatenate(samples), rows[highest], scores[highest])

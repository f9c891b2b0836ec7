"""Rows of a fit that are held in parts by others, and how all of them are asked."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lastlayer.solvers.curvature import Curvature, rows_for_covariance


class Parts(Protocol):
    """Whoever reaches the parts. A question is the name of a method of `PartOfRows` or `PartOfLabels`."""

    def ask(self, question: str, *arguments: Any) -> list[Any]:
        """Put the same question to every part; the answers in the order of the parts."""
        raise NotImplementedError

    def ask_each(self, question: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Put a question to every part with arguments of its own; the answers in the order of the parts."""
        raise NotImplementedError

    def sum(self, question: str, *arguments: Any) -> tuple[Any, ...]:
        """Put the same question to every part; the sums of their answers, tuples of numbers and arrays in float64.

        They are added two by two, always the same two.
        """
        raise NotImplementedError


def by_part(rows: NDArray[np.int64], starts: NDArray[np.int64]) -> list[tuple[NDArray[np.int64]]]:
    """For each part a tuple of the numbers in it of its rows, from `starts` (M + 1,) of M parts."""
    cuts = np.searchsorted(rows, starts)
    return [(rows[a:b] - start,) for a, b, start in zip(cuts, cuts[1:], starts, strict=False)]


def curvature_of_parts(
    parts: Parts,
    weighing: NDArray[np.int64],
    mean: NDArray[np.float64],
    generator: np.random.RandomState,
    num_logits: int = 0,
) -> Curvature:
    """That of the features about `mean` (D,), from the parts' answers to "sample".

    Args:
      parts: Parts.
      weighing: (M + 1,) how many rows weigh before each of M parts, and in all.
      mean: (D,).
      generator: samples rows.
      num_logits: N K of a pass, where a sample may cost the more for it.
    """
    count, enough = int(weighing[-1]), rows_for_covariance(mean.size, num_logits)
    rows = np.arange(count)
    if count > enough:
        rows = np.sort(generator.choice(count, enough, replace=False))
    found = parts.ask_each("sample", by_part(rows, weighing))
    features, weights = (np.concatenate(pieces) for pieces in zip(*found, strict=True))
    return Curvature.of_sample(features, mean, weights)


def sample_of(features: Any, row_weight: NDArray[np.float64], numbers: NDArray[np.int64]) -> tuple[Any, Any]:
    """What a part answers to "sample": features and weights of rows by their numbers, counted among those that weigh.

    Args:
      features: DenseFeatures, (N, D).
      row_weight: (N,).
      numbers: (n,).
    """
    rows = np.flatnonzero(row_weight)[numbers]
    return features.take(rows), row_weight[rows]

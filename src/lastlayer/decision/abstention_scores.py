"""How sure a row of probabilities is of its most probable class, as one number from 0 to 1."""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer.decision.probability_rows import as_distributions, blocks_of

AbstentionScore: TypeAlias = Literal["max_probability", "margin", "entropy", "renyi_entropy"]
ABSTENTION_SCORES: tuple[str, ...] = get_args(AbstentionScore)


def abstention_score(probabilities: ArrayLike, score: AbstentionScore = "max_probability") -> NDArray[np.float64]:
    """The score by which `Abstain` answers or not: from 0 to 1, higher where the row is surer.

    * "max_probability": the largest. It tells right answers from wrong ones best.
    * "margin": what the largest is above the second largest.
    * "entropy": 1 - H / ln K with Shannon's H = -sum p ln p: 0 for equal probabilities, 1 for a certain class.
    * "renyi_entropy": the same of order 1/2, H = 2 ln sum sqrt(p), to which every class of small probability matters.
      It tells rows that belong to no class best, and wrong answers worse. Source: Rényi 1961, On Measures of Entropy
      and Information.

    Args:
      probabilities: (N, K), rows of distributions. One class alone has the score 1.
      score: one of the four.
    Returns: (N,) float64; a row's score depends on nothing but that row.
    Raises: ValueError for another score, or if a row is no distribution, naming the first such row.

    >>> abstention_score([[0.7, 0.2, 0.1]], "margin").round(6).tolist()
    [0.5]
    """
    return scores_of(as_distributions(probabilities), checked_score(score))


def checked_score(score: object) -> AbstentionScore:
    """`score`. Raises ValueError unless it is one of `ABSTENTION_SCORES`."""
    for known in get_args(AbstentionScore):
        if score == known:
            return known
    raise ValueError(f"score: received {score!r}, expected one of {', '.join(map(repr, ABSTENTION_SCORES))}.")


def scores_of(rows: NDArray[np.float32 | np.float64], score: AbstentionScore) -> NDArray[np.float64]:
    """`abstention_score` of (N, K) `rows` that are known to be distributions."""
    scores = np.empty(len(rows))
    for where in blocks_of(rows):
        # A copy in one layout: the order of summation, and so the last digit, must not depend on the caller's strides.
        scores[where] = _SCORES[score](np.array(rows[where], dtype=np.float64, order="C"))
    return np.clip(scores, 0.0, 1.0, out=scores)


def _max_probability(block):
    return block.max(axis=1)


def _margin(block):
    if block.shape[1] == 1:
        return np.ones(len(block))
    block.partition(block.shape[1] - 2, axis=1)
    return block[:, -1] - block[:, -2]


def _entropy(block):
    if block.shape[1] == 1:
        return np.ones(len(block))
    logarithms = np.log(block, out=np.zeros_like(block), where=block > 0)
    return 1 + (block * logarithms).sum(axis=1) / np.log(block.shape[1])


def _renyi_entropy(block):
    if block.shape[1] == 1:
        return np.ones(len(block))
    return 1 - 2 * np.log(np.sqrt(block).sum(axis=1)) / np.log(block.shape[1])


_SCORES = {
    "max_probability": _max_probability,
    "margin": _margin,
    "entropy": _entropy,
    "renyi_entropy": _renyi_entropy,
}

"""How far down a ranking the share of right answers is certain to reach a target: a sequence of exact tests."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

# Each start has so many times the rows of the one before; rules on two data sets answer no more rows by 2 or 3.
_FACTOR = 4


def accepted_rank(scores: NDArray[np.float64], right: NDArray[np.bool_], accuracy: float, risk: float) -> int:
    """How many rows, best scores first, may be answered so that new rows at or above the last one's score are right.

    Right in a share of `accuracy` or more, that is, except with a probability of `risk` over the draw of these rows.

    Of the n rows at or above a threshold t that does not depend on them, the wrong ones are Binomial(n, R(t)), so that
    P(Binomial(n, 1 - accuracy) <= wrong) is an exact p-value of R(t) >= 1 - accuracy (Clopper & Pearson 1934).
    Thresholds are tested from the strictest down until one fails. An error passes the highest threshold at which R is
    too large; no data chose it, so its p-value is <= risk with a probability of at most risk, however many were tested
    (fixed-sequence testing: Angelopoulos et al. 2021, Learn then Test).

    The first few rows have no power, and bad luck among them would end it all, hence several starts, at `starts`. Each
    has an equal part of the risk, and adds to it what an unbroken sequence brings along (fallback procedure: Wiens
    2003). A start is a rank, its threshold random: decisions/0015 shows that the p-values hold all the same. It is
    tested on the rows strictly above the next one, the wrong first where it divides a tie; all else at ends of ties.
    Nothing is above the score 1, a threshold that no data chose: starts within a tie there wait for its end.

    Args:
      scores: (N,) from 0 to 1, higher where surer.
      right: (N,) whether the answer is right.
      accuracy: the target, above 0 and below 1.
      risk: how probable a wrong result may be, over the draw of the rows: 1 - confidence.
    Returns: how many rows, the end of a tie; 0 where no number of them is certain.
    """
    first_ranks = starts(len(scores), accuracy, risk)
    if not first_ranks:
        return 0
    order = np.lexsort((right, -scores))
    ranked, wrong = scores[order], np.cumsum(~right[order], dtype=np.int64)
    ends = np.append(np.flatnonzero(ranked[1:] < ranked[:-1]) + 1, len(scores))
    certain = int((scores == 1).sum())
    accepted, level = 0, 0.0
    for rank, following in zip(first_ranks, [*first_ranks[1:], len(scores)], strict=True):
        level += risk / len(first_ranks)
        if rank >= certain and p_values(np.array([rank]), wrong[[rank - 1]], accuracy)[0] > level:
            level = 0.0
            continue
        tested = ends[(ends > rank) & (ends <= following)]
        failed = p_values(tested, wrong[tested - 1], accuracy) > level
        passed = int(failed.argmax()) if failed.any() else len(tested)
        if passed:
            accepted = int(tested[passed - 1])
        if failed.any():
            level = 0.0
    return accepted


def starts(num_rows: int, accuracy: float, risk: float) -> list[int]:
    """The ranks at which sequences start: the fewest rows that can pass, all right, then 4 times as many, and so on.

    As many as fit below `num_rows`; none where even one does not. They depend on nothing but the arguments.
    """
    found: list[int] = []
    while True:
        first = fewest_rows(accuracy, risk / (len(found) + 1))
        more = [first * _FACTOR**j for j in range(len(found) + 1)]
        if more[-1] >= num_rows:
            return found
        found = more


def fewest_rows(accuracy: float, risk: float) -> int:
    """The least n at which n right answers out of n have the p-value accuracy^n <= risk."""
    rows = max(1, math.ceil(math.log(risk) / math.log(accuracy)))
    rounded_up = p_values(np.array([rows]), np.array([0]), accuracy)[0] <= risk
    return rows if rounded_up else rows + 1


def p_values(rows: NDArray[np.int64], wrong: NDArray[np.int64], accuracy: float) -> NDArray[np.float64]:
    """P(Binomial(rows, 1 - accuracy) <= wrong), of arrays of one shape.

    It is r where the lower Clopper-Pearson bound of confidence 1 - r for the accuracy is just `accuracy`.

    >>> p_values(np.array([100]), np.array([0]), 0.97).round(6).tolist()  # .97^100
    [0.047553]
    """
    right = rows - wrong
    return np.where(right > 0, betainc(np.maximum(right, 1), wrong + 1.0, accuracy), 1.0)

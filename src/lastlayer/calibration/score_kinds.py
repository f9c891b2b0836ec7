"""What scores are, as their owner says: logits, log-probabilities or probabilities; and the logits that they amount to.

Which of them an array holds is never guessed: a row of probabilities is a row of logits too.
"""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_float_array
from lastlayer._threads import run_blocks

ScoreKind: TypeAlias = Literal["logits", "log-probabilities", "probabilities"]
SCORE_KINDS: tuple[str, ...] = get_args(ScoreKind)

# Wide enough for float16 rows, which sum to 1 within about 5e-4; far too narrow for logits.
_TOLERANCE = 1e-3
# Entries of a block, whose exponentials or comparisons stay in the second cache, and blocks worth a thread.
_BLOCK, _DISPATCH = 1 << 16, 1 << 17


class NotTheseScoresError(ValueError):
    """Scores are not what they were said to be: `row` is the first such row, `found` what it holds instead."""

    def __init__(self, kind: str, row: int, found: str):
        super().__init__(f"scores: row {row} {found}; say what they are with scores_are (it is {kind!r}).")
        self.row: int = row
        self.found: str = found


def as_logits(scores: ArrayLike, kind: ScoreKind) -> NDArray[np.float32 | np.float64]:
    """Logits (N, K) whose softmax is what `scores` stand for.

    Logits and log-probabilities are their own, the same memory where no conversion is needed; probabilities become
    their logarithms, -inf for a 0.

    Args:
      scores: (N, K) numbers.
      kind: what they are.
    Raises: NotTheseScoresError, a ValueError, naming the first row that is none: probabilities from 0 to 1 sum to 1
      within 1e-3, the exponentials of log-probabilities too; logits are finite or -inf, and not all of them -inf.
    """
    if kind not in SCORE_KINDS:
        raise ValueError(f"scores_are: received {kind!r}, expected one of {', '.join(map(repr, SCORE_KINDS))}.")
    values = as_float_array(scores, "scores")
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(
            f"scores: shape is {values.shape}, expected (N, K), one column for each of at least 2 classes; a binary "
            "model has two."
        )
    logits = np.empty_like(values, order="C") if kind == "probabilities" else values
    num_rows, num_classes = values.shape

    def work(start, stop):
        step = max(1, _BLOCK // num_classes)
        for first in range(start, stop, step):
            rows = slice(first, min(first + step, stop))
            bad = _first_bad(values[rows], kind)
            if bad is not None:
                return first + bad
            if kind == "probabilities":
                with np.errstate(divide="ignore"):
                    np.log(values[rows], out=logits[rows])
        return None

    for row in run_blocks(work, num_rows, items_per_block=max(1, _DISPATCH // num_classes)):
        if row is not None:
            raise NotTheseScoresError(kind, row, _what_is_wrong(values[row].astype(np.float64), kind))
    return logits


def _first_bad(block, kind):
    # Comparisons are written so that NaN, for which every one is false, is bad too.
    with np.errstate(over="ignore", invalid="ignore"):
        if kind == "logits":
            largest = block.max(axis=1)
            fine = (largest > -np.inf) & (largest < np.inf)
        else:
            probabilities = block if kind == "probabilities" else np.exp(block)
            total = probabilities.sum(axis=1, dtype=np.float64)
            fine = (probabilities.min(axis=1) >= 0) & (np.abs(total - 1) <= _TOLERANCE)
    return None if fine.all() else int(fine.argmin())


def _what_is_wrong(row, kind):
    if kind == "logits":
        wrong = np.isnan(row) | (row == np.inf)
        found = f"has {row[wrong][0]}" if wrong.any() else "is all -inf"
        return f"{found}, expected finite logits, or -inf for an impossible class"
    with np.errstate(over="ignore"):
        probabilities = row if kind == "probabilities" else np.exp(row)
    outside = ~((probabilities >= 0) & (probabilities <= 1 + _TOLERANCE))
    if outside.any():
        k = int(outside.argmax())
        expected = "probabilities from 0 to 1" if kind == "probabilities" else "log-probabilities, at most 0"
        return f"has {row[k]:.6g} for class {k}, expected {expected}"
    of_what = "" if kind == "probabilities" else "has exponentials that "
    verb = "sums" if kind == "probabilities" else "sum"
    return f"{of_what}{verb} to {probabilities.sum():.6g}, expected 1 within {_TOLERANCE}"

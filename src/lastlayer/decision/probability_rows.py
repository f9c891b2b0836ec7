"""Rows of probabilities, checked once and handed out a block at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lastlayer._arrays import as_float_array

# Wide enough for float16 rows, which sum to 1 within about 5e-4; far too narrow for logits.
TOLERANCE = 1e-3
# Entries of a block: its float64 copy stays in the second cache.
_BLOCK = 1 << 16


def as_distributions(probabilities: ArrayLike, num_classes: int | None = None) -> NDArray[np.float32 | np.float64]:
    """`probabilities` as an (N, K) array whose rows are distributions, the same memory where it is one already.

    Args:
      probabilities: (N, K), every row from 0 to 1 and with the sum 1 within 1e-3, as `evaluate` takes them; N may be 0.
      num_classes: K, where it is known; None takes any from 1.
    Raises: ValueError for another shape, or naming the first row that is no distribution; TypeError if they are no
      real numbers.
    """
    rows = as_float_array(probabilities, "probabilities")
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"probabilities: shape is {rows.shape}, expected (N, K), one column for each class.")
    if num_classes is not None and rows.shape[1] != num_classes:
        raise ValueError(
            f"probabilities: {rows.shape[1]} columns, but the rule was made for {num_classes} classes; pass one column "
            "for each of them, or choose a rule for these classes."
        )
    for where in blocks_of(rows):
        block = rows[where]
        # Written so that NaN, for which every comparison is false, is bad too.
        with np.errstate(over="ignore", invalid="ignore"):
            total = block.sum(axis=1, dtype=np.float64)
            fine = (block.min(axis=1) >= 0) & (np.abs(total - 1) <= TOLERANCE)
        if not fine.all():
            row = int(fine.argmin())
            found = what_is_wrong(block[row])
            raise ValueError(
                f"probabilities: row {where.start + row} {found}; pass softmax(logits) if these are logits."
            )
    return rows


def blocks_of(rows: NDArray[np.float32 | np.float64], *, fewest: int = 1) -> Iterator[slice]:
    """Slices of rows, in order, of about 65,536 entries each, and of `fewest` rows where that is more."""
    step = max(fewest, _BLOCK // rows.shape[1])
    for first in range(0, len(rows), step):
        yield slice(first, min(first + step, len(rows)))


def what_is_wrong(row: NDArray[Any]) -> str:
    """What a row (K,) that is no distribution holds instead.

    >>> what_is_wrong(np.array([0.5, 0.75]))
    'sums to 1.25, expected 1 within 0.001'
    """
    values = np.asarray(row, np.float64)
    outside = ~((values >= 0) & (values <= 1 + TOLERANCE))
    if outside.any():
        k = int(outside.argmax())
        return f"has {values[k]:.6g} for class {k}, expected numbers from 0 to 1"
    return f"sums to {values.sum():.6g}, expected 1 within {TOLERANCE}"

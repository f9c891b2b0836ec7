"""What an evaluation wants to know of each row of probabilities, and the error for a row that is no distribution."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._blocks import dense_blocks, without_read_only_flag
from lastlayer._threads import run_blocks
from lastlayer.decision.probability_rows import TOLERANCE, what_is_wrong
from lastlayer.kernels.evaluation import evaluate_rows

# Probabilities worth a dispatch to another thread.
_DISPATCH = 1 << 17


class NoDistributionError(ValueError):
    """A row of probabilities is none: `row` is its number in the block, `found` what it holds instead."""

    def __init__(self, row: int, found: str):
        remedy = "pass softmax(logits) if these are logits."
        super().__init__(f"probabilities: row {row} {found}; {remedy}")
        self.row: int = row
        self.found: str = found


def evaluated_rows(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    """What `evaluate_rows` writes of (N, K) probabilities and (N,) labels, for all rows: five arrays (N,).

    Raises: NoDistributionError for the first row that is none.
    """
    labels = without_read_only_flag(labels)
    num_rows, num_classes = probabilities.shape
    of_rows = tuple(np.empty(num_rows, kind) for kind in (np.int64, np.float64, np.float64, np.int64, np.float64))

    def work(start, stop):
        for part, block in dense_blocks(probabilities, start, stop, "probabilities"):
            bad = evaluate_rows(block, labels[part], TOLERANCE, *(array[part] for array in of_rows))
            if bad >= 0:
                return part.start + bad
        return None

    for bad_row in run_blocks(work, num_rows, items_per_block=max(1, _DISPATCH // num_classes)):
        if bad_row is not None:
            raise NoDistributionError(bad_row, what_is_wrong(probabilities[bad_row]))
    return of_rows

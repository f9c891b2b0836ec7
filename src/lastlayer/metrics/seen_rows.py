"""What an evaluation sees of each row of a block."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class SeenRows(NamedTuple):
    """The rows of a block that weigh, n of them.

    rows: (n,) their numbers in the block. weight: (n,) > 0. labels, chosen: (n,) class indices, what is true, -1 for no
    class, and what is predicted. confidence: (n,) largest probability. of_label, right: (n,) probability of the label,
    and whether it is predicted; of a row of no class they mean nothing.
    """

    rows: NDArray[np.intp]
    weight: NDArray[np.float64]
    labels: NDArray[np.int64]
    chosen: NDArray[np.int64]
    confidence: NDArray[np.float64]
    of_label: NDArray[np.float64]
    right: NDArray[np.bool]

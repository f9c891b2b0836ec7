"""What `predict_top_k` of every head returns."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class TopKClasses(NamedTuple):
    """What `predict_top_k` returns: `labels` (N, k) and `probabilities` (N, k), most probable class first."""

    labels: NDArray[Any]
    probabilities: NDArray[np.floating[Any]]

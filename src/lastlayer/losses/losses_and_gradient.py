"""What every <loss>_value_and_grad returns."""

from typing import NamedTuple

import numpy as np


class LossesAndGradient(NamedTuple):
    """Losses of examples and the gradient of each with respect to its own logits.

    losses: (...) nats. gradient: (..., K), or (...) for a loss of one score; entry or row i belongs to loss i.
    """

    losses: np.ndarray
    gradient: np.ndarray

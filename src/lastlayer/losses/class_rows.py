"""ClassRows: an array over all classes of which only the rows of some are not zero."""

from typing import Any, Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lastlayer._arrays import Float_co, Integer


class ClassRows(NamedTuple, Generic[Float_co]):
    """The gradient of (K, D) weights or (K,) biases, of which only the rows of R classes are kept; the others are 0.

    indices: (R,) int64, the classes in ascending order, each once. values: (R, D) or (R,), their rows.
    """

    indices: NDArray[np.int64]
    values: NDArray[Float_co]

    def to_dense(self, num_classes: Integer) -> NDArray[Float_co]:
        """The whole array, (num_classes, D) or (num_classes,), with zeros elsewhere.

        Raises: ValueError if a class is beyond `num_classes`.
        """
        if len(self.indices) and self.indices[-1] >= num_classes:
            raise ValueError(f"num_classes: received {num_classes}, expected {self.indices[-1] + 1} or more.")
        dense: NDArray[Any] = np.zeros((int(num_classes), *self.values.shape[1:]), self.values.dtype)
        dense[self.indices] = self.values
        return dense


class SampledLossesAndGradients(NamedTuple, Generic[Float_co]):
    """Losses of examples, and gradients of sum(sample_weight * losses) with respect to what they were computed from.

    losses: (N,) nats. features: (N, D). weight: rows (R, D) of the classes that were scored. bias: one number for each
    of them, also where no bias was given.
    """

    losses: NDArray[Float_co]
    features: NDArray[Float_co]
    weight: ClassRows[Float_co]
    bias: ClassRows[Float_co]

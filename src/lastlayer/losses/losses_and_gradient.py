"""What every <loss>_value_and_grad returns."""

from typing import Generic, NamedTuple

from lastlayer._arrays import ArrayOrScalar, Float_co


class LossesAndGradient(NamedTuple, Generic[Float_co]):
    """Losses of examples and the gradient of each with respect to its own logits.

    losses: (...) nats. gradient: (..., K), or (...) for a loss of one score; entry or row i belongs to loss i.
    """

    losses: ArrayOrScalar[Float_co]
    gradient: ArrayOrScalar[Float_co]

"""Probabilities and labels to a loss and its gradient, per example, in nats."""

from lastlayer.losses.binary_cross_entropy_with_logits import (
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_value_and_grad,
)
from lastlayer.losses.binary_likelihood_loss import binary_likelihood_loss, binary_likelihood_loss_value_and_grad
from lastlayer.losses.cross_entropy import cross_entropy, cross_entropy_value_and_grad
from lastlayer.losses.losses_and_gradient import LossesAndGradient
from lastlayer.losses.nll import nll
from lastlayer.losses.soft_cross_entropy import soft_cross_entropy, soft_cross_entropy_value_and_grad

__all__ = [
    "LossesAndGradient",
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_value_and_grad",
    "binary_likelihood_loss",
    "binary_likelihood_loss_value_and_grad",
    "cross_entropy",
    "cross_entropy_value_and_grad",
    "nll",
    "soft_cross_entropy",
    "soft_cross_entropy_value_and_grad",
]

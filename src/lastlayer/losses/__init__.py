"""Probabilities and labels to a loss and its gradient, per example, in nats."""

from lastlayer.losses.cross_entropy import LossesAndGradient, cross_entropy, cross_entropy_value_and_grad
from lastlayer.losses.nll import nll

__all__ = ["LossesAndGradient", "cross_entropy", "cross_entropy_value_and_grad", "nll"]

"""Probabilities and labels to a loss and its gradient, per example, in nats."""

from lastlayer.losses.binary_cross_entropy_with_logits import (
    binary_cross_entropy_with_logits,
    binary_cross_entropy_with_logits_value_and_grad,
)
from lastlayer.losses.binary_likelihood_loss import binary_likelihood_loss, binary_likelihood_loss_value_and_grad
from lastlayer.losses.class_rows import ClassRows, SampledLossesAndGradients
from lastlayer.losses.cross_entropy import cross_entropy, cross_entropy_value_and_grad
from lastlayer.losses.linear_arguments import checked_head
from lastlayer.losses.linear_cross_entropy import (
    LinearLossesAndGradients,
    linear_cross_entropy,
    linear_cross_entropy_value_and_grad,
)
from lastlayer.losses.linear_softmax_statistics import LinearSoftmaxStatistics, linear_softmax_statistics
from lastlayer.losses.losses_and_gradient import LossesAndGradient
from lastlayer.losses.nll import nll
from lastlayer.losses.sampled_binary_cross_entropy import (
    sampled_binary_cross_entropy,
    sampled_binary_cross_entropy_value_and_grad,
)
from lastlayer.losses.sampled_cross_entropy import sampled_cross_entropy, sampled_cross_entropy_value_and_grad
from lastlayer.losses.soft_cross_entropy import soft_cross_entropy, soft_cross_entropy_value_and_grad
from lastlayer.losses.softmax_loss_on_tiles import SoftmaxLossOnTiles

__all__ = [
    "ClassRows",
    "LinearLossesAndGradients",
    "LinearSoftmaxStatistics",
    "LossesAndGradient",
    "SampledLossesAndGradients",
    "SoftmaxLossOnTiles",
    "binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits_value_and_grad",
    "binary_likelihood_loss",
    "binary_likelihood_loss_value_and_grad",
    "checked_head",
    "cross_entropy",
    "cross_entropy_value_and_grad",
    "linear_cross_entropy",
    "linear_cross_entropy_value_and_grad",
    "linear_softmax_statistics",
    "nll",
    "sampled_binary_cross_entropy",
    "sampled_binary_cross_entropy_value_and_grad",
    "sampled_cross_entropy",
    "sampled_cross_entropy_value_and_grad",
    "soft_cross_entropy",
    "soft_cross_entropy_value_and_grad",
]

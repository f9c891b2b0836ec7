"""The functions as modules, in place of those of torch.nn."""

import torch

from lastlayer.torch._labels import checked_class_weight
from lastlayer.torch._tensors import (
    checked_beta,
    checked_reduction,
    loss_dim,
    require_same_shape,
    require_tensor,
    widened,
)
from lastlayer.torch.binary_cross_entropy import binary_cross_entropy
from lastlayer.torch.cross_entropy import checked_smoothing, cross_entropy
from lastlayer.torch.sigmoid import sigmoid
from lastlayer.torch.soft_cross_entropy import soft_cross_entropy
from lastlayer.torch.softmax import log_softmax, softmax


class _WithBeta(torch.nn.Module):
    """A module of a function of logits and beta; a Parameter as beta is learned with the model."""

    beta: float | torch.Tensor

    def __init__(self, dim: int, beta: float | torch.Tensor):
        super().__init__()
        self.dim = dim
        beta = checked_beta(beta)
        if isinstance(beta, torch.Tensor) and not isinstance(beta, torch.nn.Parameter):
            self.register_buffer("beta", beta)
        else:
            self.beta = beta

    def extra_repr(self) -> str:
        """What the module is printed with."""
        beta = self.beta.tolist() if isinstance(self.beta, torch.Tensor) else self.beta
        return f"dim={self.dim}, beta={beta}"


class Softmax(_WithBeta):
    """softmax along `dim`; beta is a number, a tensor, or a Parameter that is learned."""

    def __init__(self, dim: int = -1, beta: float | torch.Tensor = 1.0):
        super().__init__(dim, beta)

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """(..., K, ...) logits to what the function of that name gives."""
        return softmax(logits, self.dim, beta=self.beta)


class LogSoftmax(_WithBeta):
    """log_softmax along `dim`; beta is a number, a tensor, or a Parameter that is learned."""

    def __init__(self, dim: int = -1, beta: float | torch.Tensor = 1.0):
        super().__init__(dim, beta)

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """(..., K, ...) logits to what the function of that name gives."""
        return log_softmax(logits, self.dim, beta=self.beta)


class Softmax2d(_WithBeta):
    """softmax over the channels of (N, C, H, W) or (C, H, W): softmax along dim -3."""

    def __init__(self, beta: float | torch.Tensor = 1.0):
        super().__init__(-3, beta)

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """(..., K, ...) logits to what the function of that name gives."""
        require_tensor(logits, "logits")
        if logits.ndim not in (3, 4):
            raise ValueError(f"logits: shape is {tuple(logits.shape)}, expected (N, C, H, W) or (C, H, W).")
        return softmax(logits, -3, beta=self.beta)


class Sigmoid(torch.nn.Module):
    """sigmoid of every entry."""

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """(..., K, ...) logits to what the function of that name gives."""
        return sigmoid(logits)


class CrossEntropyLoss(torch.nn.Module):
    """torch.nn.CrossEntropyLoss, for labels and for probabilities.

    It gives PyTorch's results up to rounding, but for three answers that PyTorch leaves to NaN or to chance: where no
    label is kept, or none with weight, the mean is 0 with zero gradients (PyTorch: NaN); a class of weight or target 0
    costs 0 where it is impossible (PyTorch: NaN); a label out of range raises ValueError on the CPU (PyTorch:
    IndexError).

    Args:
      weight: (C,) factors, one for each class.
      ignore_index: the label of examples that cost nothing; only for labels.
      reduction: "mean", "sum" or "none".
      label_smoothing: 0 to 1.
    """

    weight: torch.Tensor | None

    def __init__(
        self,
        weight: torch.Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ):
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction: str = checked_reduction(reduction)
        self.label_smoothing: float = checked_smoothing(label_smoothing)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of (N, C, ...) or (C,) logits; `target` is labels, or probabilities in the shape of the logits."""
        require_tensor(target, "target")
        if not target.is_floating_point():
            return cross_entropy(
                logits,
                target,
                class_weight=self.weight,
                label_smoothing=self.label_smoothing,
                ignore_index=self.ignore_index,
                reduction=self.reduction,
            )
        return soft_cross_entropy(logits, self._targets(logits, target), reduction=self.reduction)

    def _targets(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Probabilities smoothed, and weighted by class."""
        class_dim = loss_dim(logits, None)
        require_same_shape(target, "target", logits)
        smoothing, weight = (
            checked_smoothing(self.label_smoothing),
            checked_class_weight(self.weight, logits, class_dim),
        )
        if smoothing:
            target = widened(target) * (1 - smoothing) + smoothing / target.shape[class_dim]
        if weight is not None:
            target = widened(target) * weight.reshape(-1, *(1,) * (target.ndim - class_dim - 1))
        return target

    def extra_repr(self) -> str:
        """What the module is printed with."""
        return f"ignore_index={self.ignore_index}, reduction={self.reduction!r}, label_smoothing={self.label_smoothing}"


class BCEWithLogitsLoss(torch.nn.Module):
    """torch.nn.BCEWithLogitsLoss; a mean over no entries is 0 with zero gradients (PyTorch: NaN).

    Args:
      weight: factors of the losses, broadcast against them.
      reduction: "mean", "sum" or "none".
      pos_weight: factors of what a positive costs, broadcast against the logits.
    """

    weight: torch.Tensor | None
    pos_weight: torch.Tensor | None

    def __init__(
        self, weight: torch.Tensor | None = None, *, reduction: str = "mean", pos_weight: torch.Tensor | None = None
    ):
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction: str = checked_reduction(reduction)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of logits against targets in the same shape."""
        return binary_cross_entropy(
            logits, target, weight=self.weight, positive_weight=self.pos_weight, reduction=self.reduction
        )

    def extra_repr(self) -> str:
        """What the module is printed with."""
        return f"reduction={self.reduction!r}"

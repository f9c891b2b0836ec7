"""The functions as modules, each of them a torch.nn module of its name."""

import torch

from lastlayer.torch._arguments import checked_beta
from lastlayer.torch.binary_cross_entropy_with_logits import binary_cross_entropy_with_logits
from lastlayer.torch.cross_entropy import cross_entropy
from lastlayer.torch.softmax import log_softmax, softmax

Sigmoid = torch.nn.Sigmoid


class Softmax(torch.nn.Softmax):
    """torch.nn.Softmax with an inverse temperature: a number, a tensor, or a Parameter that is learned."""

    beta: float | torch.Tensor

    def __init__(self, dim: int | None = None, *, beta: float | torch.Tensor = 1.0):
        super().__init__(dim)
        _keep(self, beta)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(..., K, ...) logits to probabilities."""
        return softmax(input, self.dim, 5, beta=self.beta)

    def extra_repr(self) -> str:
        """What the module is printed with."""
        return f"dim={self.dim}{_shown(self.beta)}"


class LogSoftmax(torch.nn.LogSoftmax):
    """torch.nn.LogSoftmax with an inverse temperature: a number, a tensor, or a Parameter that is learned."""

    beta: float | torch.Tensor

    def __init__(self, dim: int | None = None, *, beta: float | torch.Tensor = 1.0):
        super().__init__(dim)
        _keep(self, beta)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(..., K, ...) logits to log-probabilities."""
        return log_softmax(input, self.dim, 5, beta=self.beta)

    def extra_repr(self) -> str:
        """What the module is printed with."""
        return f"dim={self.dim}{_shown(self.beta)}"


class Softmax2d(torch.nn.Softmax2d):
    """torch.nn.Softmax2d, over the channels of (N, C, H, W) or (C, H, W), with an inverse temperature."""

    beta: float | torch.Tensor

    def __init__(self, *, beta: float | torch.Tensor = 1.0):
        super().__init__()
        _keep(self, beta)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(..., C, H, W) logits to probabilities."""
        if isinstance(input, torch.Tensor) and input.dim() not in (3, 4):  # torch.fx passes something else
            raise ValueError(f"input: has {input.dim()} dimensions, expected (N, C, H, W) or (C, H, W).")
        return softmax(input, -3, 5, beta=self.beta)

    def extra_repr(self) -> str:
        """What the module is printed with."""
        return _shown(self.beta).removeprefix(", ")


def _keep(module, beta):
    beta = checked_beta(beta)
    if isinstance(beta, torch.Tensor) and not isinstance(beta, torch.nn.Parameter):
        module.register_buffer("beta", beta)
    else:
        module.beta = beta


def _shown(beta):
    if isinstance(beta, torch.Tensor):
        return f", beta={'...' if beta.is_meta else beta.tolist()}"
    return "" if beta == 1.0 else f", beta={beta}"


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    """torch.nn.CrossEntropyLoss whose mean over nothing is 0 and whose impossible classes cost nothing without weight.

    The arguments are PyTorch's; the two answers that differ are those of `cross_entropy`.
    """

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of (N, K, ...) or (K,) logits against labels, or probabilities in their shape."""
        return cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class BCEWithLogitsLoss(torch.nn.BCEWithLogitsLoss):
    """torch.nn.BCEWithLogitsLoss whose mean over nothing is 0 and whose impossible answers cost nothing without weight.

    The arguments are PyTorch's; the two answers that differ are those of `binary_cross_entropy_with_logits`.
    """

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of logits against targets in the same shape."""
        return binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)

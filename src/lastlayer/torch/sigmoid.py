"""sigmoid and log_sigmoid of tensors: PyTorch's own, under the names of the arrays' functions."""

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere


def sigmoid(input: torch.Tensor) -> torch.Tensor:
    """Probabilities 1 / (1 + exp(-z)) of `input`, entry by entry: torch.sigmoid.

    >>> import torch
    >>> round(sigmoid(torch.tensor(1.0899)).item(), 4)
    0.7484
    """
    return torch.sigmoid(input)


def log_sigmoid(input: torch.Tensor) -> torch.Tensor:
    """Log-probabilities -log(1 + exp(-z)) of `input`, entry by entry, in nats: torch.nn.functional.logsigmoid.

    >>> import torch
    >>> log_sigmoid(torch.tensor(-1000.0)).item()
    -1000.0
    """
    return F.logsigmoid(input)

"""TemperatureScaling: one number by which logits are multiplied, fitted on held-out rows or learned."""

import math
from typing import Any, Self

import torch
from numpy.typing import NDArray

from lastlayer.calibration import fit_temperature
from lastlayer.torch._arguments import checked_beta, refuse_arrays


class TemperatureScaling(torch.nn.Module):
    """Logits times beta > 0, so that their softmax says what it means.

    `fit` finds the best beta on held-out rows to 1e-12, in a few passes, which no training loop is needed for; but the
    parameter, log beta, may be learned too. Put it behind a trained model: torch.nn.Sequential(model, scaling).

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks.

    Args:
      beta: the inverse temperature to begin with; 1 leaves logits as they are.

    >>> import torch
    >>> scaling = TemperatureScaling().fit(torch.tensor([[0.0, 2.0]] * 4), torch.tensor([1, 1, 1, 0]))
    >>> round(scaling.beta.item(), 6)  # right 3 times in 4: sigmoid(2 beta) = 3/4
    0.549306
    """

    def __init__(self, beta: float | torch.Tensor = 1.0):
        super().__init__()
        beta = checked_beta(beta)
        self.log_beta: torch.nn.Parameter = torch.nn.Parameter(
            beta.detach().log() if isinstance(beta, torch.Tensor) else torch.tensor(math.log(beta))
        )

    @property
    def beta(self) -> torch.Tensor:
        """The inverse temperature, a tensor of one entry that requires grad as the parameter does."""
        return self.log_beta.exp()

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """(..., K) logits times beta, in their own dtype."""
        return (logits * self.beta).to(logits.dtype)

    def fit(self, logits: torch.Tensor, labels: torch.Tensor, *, sample_weight: torch.Tensor | None = None) -> Self:
        """Set beta to the best one for held-out rows; see `lastlayer.fit_temperature`, which may warn.

        Args:
          logits: (N, K) scores of rows that the model was not trained on, on any device.
          labels: (N,) integers 0..K-1.
          sample_weight: (N,) weights >= 0.
        Returns: the module.

        Raises: what fit_temperature raises.
        """
        refuse_arrays(logits=logits, labels=labels, sample_weight=sample_weight)
        weight = None if sample_weight is None else _array(sample_weight)
        beta = fit_temperature(_array(logits), _array(labels), sample_weight=weight)
        with torch.no_grad():
            self.log_beta.fill_(math.log(beta))
        return self

    def extra_repr(self) -> str:
        """What the module is printed with."""
        return "beta=..." if self.log_beta.is_meta else f"beta={self.beta.item():.6g}"


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    """The numbers of a tensor on any device; NumPy has no bfloat16."""
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy(force=True)

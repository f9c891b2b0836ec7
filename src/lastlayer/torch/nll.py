"""nll of tensors: the loss of given log-probabilities."""

import torch

from lastlayer.torch._labels import checked_class_weight, checked_labels, in_range, weight_of_labels
from lastlayer.torch._tensors import (
    checked_reduction,
    loss_dim,
    reduced,
    require_floats,
    widened,
    working_dtype,
)


def nll(
    log_probabilities: torch.Tensor,
    labels: torch.Tensor,
    dim: int | None = None,
    *,
    class_weight: torch.Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> torch.Tensor:
    """Negative log-likelihood -w_y log p[label] of each example, in nats, reduced as PyTorch does.

    It is torch.nn.functional.nll_loss, with the same three answers of its own as cross_entropy: a mean over no label
    that is kept is 0, a weight of 0 makes an infinite loss 0, and a label out of range raises ValueError on the CPU.

    Args:
      log_probabilities: (N, K, ...), or (K,) for a single example.
      labels: that shape without the classes, integers in 0..K-1 or `ignore_index`.
      dim: the dimension of the classes; None is PyTorch's choice, 1, or 0 for a single example.
      class_weight: (K,) factors w >= 0, one for each class; None means 1.
      ignore_index: the label of examples whose loss and gradient are 0.
      reduction: "mean" over the summed w_y of the labels that are kept, "sum" or "none".
    Returns: a scalar, or with "none" losses in the shape of `labels`, in the dtype of `log_probabilities`.

    Raises:
      ValueError: if a shape or an option does not fit, or a label is out of range (on the CPU it names the first).
      TypeError: if `log_probabilities` are no dense floating-point tensor or the labels no integers.
      IndexError: if there is no such dimension.

    >>> import torch
    >>> nll(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([1])).item()
    0.2876820...
    """
    require_floats(log_probabilities, "log_probabilities")
    checked_reduction(reduction)
    dim = loss_dim(log_probabilities, dim, "log_probabilities")
    labels = checked_labels(labels, log_probabilities, dim, "log_probabilities")
    labels = in_range(labels, log_probabilities, dim, ignore_index, "log_probabilities")
    weight = checked_class_weight(class_weight, log_probabilities, dim)
    dtype = working_dtype(log_probabilities.dtype)
    label_weight = weight_of_labels(weight, labels, ignore_index, dtype)
    known = labels.masked_fill(labels == ignore_index, 0)
    found = widened(log_probabilities.gather(dim, known.unsqueeze(dim)).squeeze(dim))
    losses = -found.masked_fill(label_weight == 0, 0.0) * label_weight
    return reduced(losses, reduction, label_weight.sum() if reduction == "mean" else None, log_probabilities.dtype)

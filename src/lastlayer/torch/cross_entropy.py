"""cross_entropy of tensors: one label an example, or a distribution."""

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from lastlayer.torch import fast_path
from lastlayer.torch._arguments import checked_ignore_index, checked_reduction, checked_smoothing, refuse_arrays
from lastlayer.torch._tracing import compile_instead, is_recorded, record
from lastlayer.torch.nll import as_autocast, composed_nll, needs_no_care, of_class, reduced, wide_sum


def cross_entropy(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Cross-entropy -log softmax(z)[label] of each example, in nats, reduced as PyTorch does.

    With weights w and smoothing e, the loss of an example is (1 - e) w_y (-log p_y) + e / K sum_k w_k (-log p_k); the
    mean divides by the sum of w_y over the labels that are kept. It is torch.nn.functional.cross_entropy, without the
    deprecated size_average and reduce, but for two answers. Where no label is kept, or none with weight, or there are
    no examples, the mean is 0 with gradient 0; PyTorch's is NaN or inf. A class of weight or target 0 costs 0 where it
    is impossible; PyTorch's is NaN.

    Args:
      input: (N, K, ...) logits, or (K,) for a single example; -inf marks a class as impossible, its gradient is 0.
      target: labels, in the shape of `input` without the classes, integers in 0..K-1 or `ignore_index`; or
        probabilities in the shape of `input`, floating point, which need not sum to 1 and may require grad.
      weight: (K,) factors >= 0, one for each class; None means 1.
      ignore_index: the label of examples whose loss is 0, and whose gradient is too while their logits are finite.
      reduction: "mean" (of probabilities over the examples), "sum" or "none".
      label_smoothing: the part e of the target that is spread evenly over the classes, 0 to 1.
    Returns: a scalar, or with "none" losses in the shape of `target` without classes; float32 under autocast, else in
      the dtype of `input`. Where the compiled kernels serve (a CPU, labels without weights and smoothing, few classes
      and many rows, see fast_path.py) the loss l and the gradient of a confident right answer keep their relative
      accuracy, 4e-7 (1 + |ln l|) in float32 or 1e-15 (1 + |ln l|) in float64; elsewhere accuracy is PyTorch's.

    Raises:
      ValueError: if an option does not fit.
      TypeError: if an argument is a NumPy array or an option of the wrong kind.
      IndexError: if a label is out of range, on the CPU; and what else PyTorch raises.

    >>> import torch
    >>> round(cross_entropy(torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0])).item(), 4)
    0.417
    """
    smoothing = checked_smoothing(label_smoothing)
    ignore_index, reduction = checked_ignore_index(ignore_index), checked_reduction(reduction)
    refuse_arrays(input=input, target=target, weight=weight)
    if fast_path.is_plain(input):
        simple = weight is None and smoothing == 0.0
        if simple and input.ndim == 2 and fast_path.takes("cross_entropy", input, 1) and _labels_of_rows(target, input):
            return fast_path.cross_entropy(input, target, ignore_index, reduction)
        result = F.cross_entropy(
            input, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=smoothing
        )
        if needs_no_care(result, reduction, not simple or target.is_floating_point()):
            return result
    elif is_recorded(input, target, weight):
        return record(cross_entropy, input, target, weight, ignore_index, reduction, smoothing)
    return _composed(input, target, weight, ignore_index, reduction, smoothing)


def _labels_of_rows(target, input):
    return (
        fast_path.is_plain(target)
        and target.dtype is torch.int64
        and target.shape == input.shape[:1]
        and target.is_contiguous()
    )


def _composed(
    input: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """The loss of all tensors: no branch looks at their entries."""
    class_dim = 0 if input.dim() == 1 else 1
    probabilities = target.shape == input.shape
    if probabilities and not target.is_floating_point():
        raise TypeError(
            f"target: dtype is {target.dtype} in the shape of input, expected floating-point probabilities, or labels "
            "without the dimension of the classes."
        )
    if probabilities and ignore_index >= 0:
        raise ValueError(f"ignore_index: received {ignore_index} beside probabilities, expected it beside labels.")
    if not probabilities and weight is None and label_smoothing == 0.0:
        losses = F.cross_entropy(input, target, ignore_index=ignore_index, reduction="none")
        return reduced(losses, target, None, ignore_index, reduction)
    input = as_autocast(input)
    log_p = F.log_softmax(input, class_dim)
    if not probabilities:
        return composed_nll(log_p, target, weight, ignore_index, reduction, label_smoothing)
    if label_smoothing > 0.0:
        target = target * (1.0 - label_smoothing) + label_smoothing / target.shape[class_dim]
    if weight is not None:
        target = target * of_class(weight, input)
    # Never 0 times inf, nor in the gradient.
    losses = -(log_p.masked_fill((target == 0) & log_p.isinf(), 0.0) * target).sum(class_dim)
    if reduction == "none":
        return losses
    total = wide_sum(losses)
    return (total / max(1, losses.numel()) if reduction == "mean" else total).to(losses.dtype)


compile_instead(cross_entropy, _composed)

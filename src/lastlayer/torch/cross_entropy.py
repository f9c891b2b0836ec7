"""cross_entropy of tensors: one label an example."""

import torch

from lastlayer.losses.two_passes import write_gradient, write_losses
from lastlayer.torch._labels import (
    array_of_labels,
    checked_class_weight,
    checked_labels,
    count_of_kept,
    in_range,
    weight_of_labels,
)
from lastlayer.torch._memory import empty, entries_of, numbers_of
from lastlayer.torch._tensors import (
    checked_reduction,
    loss_dim,
    reduced,
    require_floats,
    runs_on_kernels,
    three_dims,
    widened,
    working_dtype,
)
from lastlayer.torch.smoothed_cross_entropy import smoothed_losses
from lastlayer.torch.softmax import through_softmax


def cross_entropy(
    logits: torch.Tensor,
    labels: torch.Tensor,
    dim: int | None = None,
    *,
    class_weight: torch.Tensor | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> torch.Tensor:
    """Cross-entropy -log softmax(z)[label] of each example, in nats, reduced as PyTorch does.

    With weights w and smoothing e, the loss of an example is (1 - e) w_y (-log p_y) + e / K sum_k w_k (-log p_k); the
    mean divides by the sum of w_y over the labels that are kept. It is torch.nn.functional.cross_entropy with labels,
    but for three answers. Where no label is kept, or none with weight, the mean is 0 with gradient 0; PyTorch's is NaN.
    A class of weight 0 costs 0 where it is impossible; PyTorch's is NaN. A label out of range raises ValueError on the
    CPU, outside torch.func; PyTorch's is an IndexError.

    On the CPU, of contiguous logits, no array of their size is formed but the gradient, which is written once, in
    backward.

    Args:
      logits: (N, K, ...), or (K,) for a single example; -inf marks a class as impossible, its gradient is 0.
      labels: the shape of `logits` without the classes, integers in 0..K-1 or `ignore_index`.
      dim: the dimension of the classes; None is PyTorch's choice, 1, or 0 for a single example.
      class_weight: (K,) factors >= 0, one for each class; None means 1.
      label_smoothing: the part e of the target that is spread evenly over the classes, 0 to 1.
      ignore_index: the label of examples whose loss and gradient are 0, whatever their logits.
      reduction: "mean", "sum" or "none".
    Returns: a scalar, or with "none" losses in the shape of `labels`, in the dtype of `logits`; bfloat16 and float16
      are computed and reduced in float32.

    Raises:
      ValueError: if a shape or an option does not fit, or a label is out of range (on the CPU it names the first).
      TypeError: if `logits` are no dense floating-point tensor or the labels no integers.
      IndexError: if there is no such dimension.

    >>> import torch
    >>> round(cross_entropy(torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0])).item(), 4)
    0.417
    """
    require_floats(logits, "logits")
    checked_reduction(reduction)
    dim = loss_dim(logits, dim)
    smoothing = checked_smoothing(label_smoothing)
    labels = checked_labels(labels, logits, dim)
    weight = checked_class_weight(class_weight, logits, dim)
    if smoothing:
        if weight is not None and weight.requires_grad:
            raise NotImplementedError(
                "cross_entropy: class_weight requires grad beside label_smoothing, expected a constant; detach it."
            )
        labels = in_range(labels, logits, dim, ignore_index)
        label_weight = weight_of_labels(weight, labels, ignore_index, working_dtype(logits.dtype))
        losses = smoothed_losses(logits, labels, dim, label_weight, weight, smoothing, ignore_index)
        return reduced(losses, reduction, label_weight.sum() if reduction == "mean" else None, logits.dtype)
    losses, total = _label_losses(logits, labels, dim, ignore_index)
    if weight is not None:
        label_weight = weight_of_labels(weight, labels, ignore_index, losses.dtype)
        # Never 0 times inf, nor in the gradient.
        free = (label_weight == 0) & ~losses.isnan()
        losses = torch.where(free, 0.0, losses.masked_fill(free, 0.0) * label_weight)
        total = label_weight.sum() if reduction == "mean" else None
    return reduced(losses, reduction, total, logits.dtype)


def checked_smoothing(smoothing: object) -> float:
    """label_smoothing as a float. Raises TypeError or ValueError unless it is a number from 0 to 1."""
    if isinstance(smoothing, bool) or not isinstance(smoothing, (int, float)):
        raise TypeError(f"label_smoothing: received {smoothing!r}, expected a number from 0 to 1.")
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"label_smoothing: received {smoothing!r}, expected a number from 0 to 1.")
    return float(smoothing)


def _label_losses(logits, labels, dim, ignore_index):
    """-log softmax(z)[label] in the shape of `labels`, 0 where ignored, and how many are kept, a scalar tensor.

    Both are in the dtype that is computed in.
    """
    if not runs_on_kernels(logits):
        kept = labels != ignore_index
        rows = widened(logits).masked_fill(~kept.unsqueeze(dim), 0.0).movedim(dim, -1).reshape(-1, logits.shape[dim])
        losses = torch.nn.functional.cross_entropy(
            rows, labels.reshape(-1), ignore_index=ignore_index, reduction="none"
        )
        return losses.reshape(labels.shape), kept.sum().to(losses.dtype)
    losses, _kept, total = _cross_entropy(three_dims(logits, dim), labels, ignore_index)
    return losses, total


@torch.library.custom_op("lastlayer::cross_entropy", mutates_args=())
def _cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, ignore_index: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Losses in the shape of the labels, what the gradient needs of each (3, outer, inner), and how many are kept.

    Logits are (outer, K, inner), labels any shape of outer times inner, in which a ValueError names the first of them
    that is out of range.
    """
    dtype, (outer, num_classes, inner) = working_dtype(logits.dtype), logits.shape
    total = count_of_kept(labels, num_classes, ignore_index)
    known = array_of_labels(labels, num_classes, ignore_index).reshape(outer, inner)
    result, losses = empty(labels.shape, dtype)
    rest, kept = empty((3, outer, inner), dtype)
    write_losses(entries_of(logits), known, losses.reshape(outer, inner), kept)
    return result, rest, torch.tensor(total, dtype=dtype)


@_cross_entropy.register_fake
def _(logits, labels, ignore_index):
    dtype = working_dtype(logits.dtype)
    outer, _, inner = logits.shape
    losses, kept = logits.new_empty(labels.shape, dtype=dtype), logits.new_empty((3, outer, inner), dtype=dtype)
    return losses, kept, logits.new_empty((), dtype=dtype)


@torch.library.custom_op("lastlayer::cross_entropy_backward", mutates_args=())
def _cross_entropy_backward(
    upstream: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor, kept: torch.Tensor, ignore_index: int
) -> torch.Tensor:
    """The gradient of sum(upstream * losses), (outer, K, inner)."""
    known = array_of_labels(labels, logits.shape[1], ignore_index)
    result, gradient = empty(logits.shape, logits.dtype)
    write_gradient(entries_of(logits), known, entries_of(upstream), numbers_of(kept), gradient)
    return result.to(logits.dtype)


@_cross_entropy_backward.register_fake
def _(upstream, logits, labels, kept, ignore_index):
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _keep(ctx, inputs, output):
    logits, labels, ctx.ignore_index = inputs
    ctx.mark_non_differentiable(*output[1:])
    ctx.save_for_backward(logits, labels, output[1])


def _backward(ctx, upstream, *_):
    logits, labels, kept = ctx.saved_tensors
    outer, _, inner = logits.shape
    upstream, labels = upstream.reshape(outer, inner), labels.reshape(outer, inner)
    return _cross_entropy_backward(upstream, logits, labels, kept, ctx.ignore_index), None, None


def _keep_inputs(ctx, inputs, output):
    upstream, logits, labels, _kept, ctx.ignore_index = inputs
    ctx.save_for_backward(upstream, logits, labels)


def _double_backward(ctx, direction):
    # The gradient is g (p - y).
    upstream, logits, labels = ctx.saved_tensors
    ignored = labels == ctx.ignore_index
    wide, direction = widened(logits).masked_fill(ignored.unsqueeze(1), 0.0), widened(direction)
    along, of_logits = through_softmax(wide, direction, upstream.masked_fill(ignored, 0.0).unsqueeze(1))
    at_label = direction.gather(1, labels.clamp(0, logits.shape[1] - 1).unsqueeze(1))
    of_upstream = (along - at_label).squeeze(1).masked_fill(ignored, 0.0)
    return of_upstream, of_logits.to(logits.dtype), None, None, None


_cross_entropy.register_autograd(_backward, setup_context=_keep)
_cross_entropy_backward.register_autograd(_double_backward, setup_context=_keep_inputs)

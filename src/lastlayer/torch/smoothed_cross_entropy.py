"""Cross-entropy of tensors with label smoothing: a label, and a little of every class."""

import numpy as np
import torch

from lastlayer.losses._every_class import write_smoothed
from lastlayer.torch._labels import array_of_labels
from lastlayer.torch._memory import empty, entries_of, numbers_of
from lastlayer.torch._tensors import runs_on_kernels, three_dims, widened, working_dtype
from lastlayer.torch.softmax import through_softmax


def smoothed_losses(
    logits: torch.Tensor,
    labels: torch.Tensor,
    dim: int,
    label_weight: torch.Tensor,
    class_weight: torch.Tensor | None,
    smoothing: float,
    ignore_index: int,
) -> torch.Tensor:
    """(1 - e) w_y (-log p_y) + e / K sum_k w_k (-log p_k) in the shape of `labels`; 0 where ignored.

    Args:
      logits: (..., K, ...).
      labels: (...) int64.
      dim: the dimension of the classes.
      label_weight: (...) w_y, 0 where ignored.
      class_weight: (K,) or None.
      smoothing: e.
      ignore_index: the label of examples that cost nothing.
    Returns: losses in the dtype that is computed in.
    """
    num_classes = logits.shape[dim]
    at_label = (1 - smoothing) * label_weight
    weight = logits.new_ones(num_classes, dtype=at_label.dtype) if class_weight is None else class_weight
    of_class = weight * (smoothing / num_classes)
    if runs_on_kernels(logits):
        three = three_dims(logits, dim)
        shape = three.shape[0], three.shape[2]
        losses = _smoothed_cross_entropy(three, labels.reshape(shape), at_label.reshape(shape), of_class, ignore_index)
        return losses.reshape(labels.shape)
    ignored = labels == ignore_index
    minus = -torch.log_softmax(widened(logits).masked_fill(ignored.unsqueeze(dim), 0.0), dim).movedim(dim, -1)
    of_label = minus.gather(-1, labels.masked_fill(ignored, 0).unsqueeze(-1)).squeeze(-1)
    # No matrix product: autocast would round it.
    of_classes = (torch.where(of_class != 0, minus, 0.0) * of_class).sum(-1)
    return torch.where(ignored, 0.0, torch.where(at_label != 0, of_label, 0.0) * at_label + of_classes)


def _run(logits, labels, label_weight, class_weight, ignore_index, upstream, gradient):
    """The (outer, inner) float64 losses; upstream times their gradient is written to `gradient`, unless it is None."""
    known = array_of_labels(labels, logits.shape[1], ignore_index)
    at_label, of_class, scale = (
        numbers_of(weight.double().contiguous()) for weight in (label_weight, class_weight, upstream)
    )
    losses = np.empty(labels.shape)
    write_smoothed(entries_of(logits), known, at_label, of_class, scale, losses, gradient)
    return losses


@torch.library.custom_op("lastlayer::smoothed_cross_entropy", mutates_args=())
def _smoothed_cross_entropy(
    logits: torch.Tensor,
    labels: torch.Tensor,
    label_weight: torch.Tensor,
    class_weight: torch.Tensor,
    ignore_index: int,
) -> torch.Tensor:
    """label_weight (-log p[label]) + sum_k class_weight[k] (-log p_k) of (outer, K, inner) logits, (outer, inner)."""
    losses = _run(logits, labels, label_weight, class_weight, ignore_index, label_weight, None)
    return torch.from_numpy(losses).to(working_dtype(logits.dtype))


@_smoothed_cross_entropy.register_fake
def _(logits, labels, label_weight, class_weight, ignore_index):
    return logits.new_empty(labels.shape, dtype=working_dtype(logits.dtype))


@torch.library.custom_op("lastlayer::smoothed_cross_entropy_backward", mutates_args=())
def _smoothed_cross_entropy_backward(
    upstream: torch.Tensor,
    logits: torch.Tensor,
    labels: torch.Tensor,
    label_weight: torch.Tensor,
    class_weight: torch.Tensor,
    ignore_index: int,
) -> torch.Tensor:
    """The gradient of sum(upstream * losses) in the logits, (outer, K, inner)."""
    result, gradient = empty(logits.shape, logits.dtype)
    _run(logits, labels, label_weight, class_weight, ignore_index, upstream, gradient)
    return result.to(logits.dtype)


@_smoothed_cross_entropy_backward.register_fake
def _(upstream, logits, labels, label_weight, class_weight, ignore_index):
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _keep(ctx, inputs, output):
    *tensors, ctx.ignore_index = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx, upstream):
    logits, labels, label_weight, class_weight = ctx.saved_tensors
    gradient = _smoothed_cross_entropy_backward(upstream, logits, labels, label_weight, class_weight, ctx.ignore_index)
    return gradient, None, None, None, None


def _double_backward(ctx, direction):
    # The gradient is g (s p - t) with t the targets and s their sum, or 0 where ignored.
    upstream, logits, labels, label_weight, class_weight = ctx.saved_tensors
    kept = labels != ctx.ignore_index
    wide, direction = widened(logits).masked_fill(~kept.unsqueeze(1), 0.0), widened(direction)
    total = (label_weight + class_weight.sum()).masked_fill(~kept, 0.0).unsqueeze(1)
    along, of_logits = through_softmax(wide, direction, upstream.unsqueeze(1) * total)
    at_label = direction.gather(1, labels.clamp(0, logits.shape[1] - 1).unsqueeze(1)).squeeze(1)
    of_upstream = (total * along).squeeze(1) - label_weight * at_label - (direction * class_weight.unsqueeze(1)).sum(1)
    return of_upstream.masked_fill(~kept, 0.0), of_logits.to(logits.dtype), None, None, None, None


_smoothed_cross_entropy.register_autograd(_backward, setup_context=_keep)
_smoothed_cross_entropy_backward.register_autograd(_double_backward, setup_context=_keep)

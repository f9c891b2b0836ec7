"""Cross-entropy of tensors with label smoothing: a label, and a little of every class."""

import numpy as np
import torch

from lastlayer._threads import run_blocks
from lastlayer.functions._along_axis import BLOCKS_PER_THREAD, GRAIN
from lastlayer.kernels.smoothed_cross_entropy import smoothed_cross_entropy_rows
from lastlayer.torch._labels import array_of_labels
from lastlayer.torch._memory import empty, numbers_of
from lastlayer.torch._tensors import rows_of, runs_on_kernels, widened, working_dtype
from lastlayer.torch.softmax import through_softmax


def smoothed_losses(logits, labels, dim, label_weight, class_weight, smoothing, ignore_index):
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
    rows, flat = rows_of(logits, dim), labels.reshape(-1)
    known = torch.where(flat == ignore_index, -1, flat)
    at_label = (1 - smoothing) * label_weight.reshape(-1)
    weight = logits.new_ones(num_classes, dtype=at_label.dtype) if class_weight is None else class_weight
    spread = weight * (smoothing / num_classes)
    if runs_on_kernels(logits):
        losses = _smoothed_cross_entropy(rows, flat, at_label, spread, ignore_index)
    else:
        minus = -torch.log_softmax(widened(rows).masked_fill((known < 0).unsqueeze(1), 0.0), 1)
        of_label = minus.gather(1, known.clamp(0).unsqueeze(1)).squeeze(1)
        # No matrix product: autocast would round it.
        of_classes = (torch.where(spread != 0, minus, 0.0) * spread).sum(1)
        losses = torch.where(known < 0, 0.0, torch.where(at_label != 0, of_label, 0.0) * at_label + of_classes)
    return losses.reshape(labels.shape)


def _run(logits, labels, label_weight, class_weight, ignore_index, gradient):
    """The (n,) float64 losses; their gradient is written to `gradient` (n, K), unless it is None."""
    rows, known = numbers_of(logits), array_of_labels(labels, logits.shape[1], ignore_index)
    at_label, of_class = (
        np.ascontiguousarray(numbers_of(weight), np.float64) for weight in (label_weight, class_weight)
    )
    losses = np.empty(len(rows))

    def work(first, last):
        part = slice(first, last)
        into = None if gradient is None else gradient[part]
        smoothed_cross_entropy_rows(rows[part], known[part], at_label[part], of_class, losses[part], into)

    run_blocks(work, len(rows), items_per_block=-(-GRAIN // rows.shape[1]), blocks_per_thread=BLOCKS_PER_THREAD)
    return losses


@torch.library.custom_op("lastlayer::smoothed_cross_entropy", mutates_args=())
def _smoothed_cross_entropy(
    logits: torch.Tensor,
    labels: torch.Tensor,
    label_weight: torch.Tensor,
    class_weight: torch.Tensor,
    ignore_index: int,
) -> torch.Tensor:
    """label_weight (-log p[label]) + sum_k class_weight[k] (-log p_k) of (n, K) logits, (n,)."""
    losses = _run(logits, labels, label_weight, class_weight, ignore_index, None)
    return torch.from_numpy(losses).to(working_dtype(logits.dtype))


@_smoothed_cross_entropy.register_fake
def _(logits, labels, label_weight, class_weight, ignore_index):
    return logits.new_empty(logits.shape[:1], dtype=working_dtype(logits.dtype))


@torch.library.custom_op("lastlayer::smoothed_cross_entropy_backward", mutates_args=())
def _smoothed_cross_entropy_backward(
    upstream: torch.Tensor,
    logits: torch.Tensor,
    labels: torch.Tensor,
    label_weight: torch.Tensor,
    class_weight: torch.Tensor,
    ignore_index: int,
) -> torch.Tensor:
    """The gradient of sum(upstream * losses) in the logits, (n, K)."""
    result, gradient = empty(logits.shape, working_dtype(logits.dtype))
    _run(logits, labels, label_weight, class_weight, ignore_index, gradient)
    return result.mul_(upstream.unsqueeze(1)).to(logits.dtype)


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
    of_upstream = (total * along).squeeze(1) - label_weight * at_label - (direction * class_weight).sum(1)
    return of_upstream.masked_fill(~kept, 0.0), of_logits.to(logits.dtype), None, None, None, None


_smoothed_cross_entropy.register_autograd(_backward, setup_context=_keep)
_smoothed_cross_entropy_backward.register_autograd(_double_backward, setup_context=_keep)

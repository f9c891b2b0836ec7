"""Labels and the weights of classes: checked, and as arrays for the kernels."""

import numpy as np
import torch

from lastlayer._arrays import as_labels
from lastlayer.torch._tensors import require_floats, require_same_device, require_tensor, runs_on_kernels, working_dtype


def checked_labels(labels, logits, dim, ignore_index, scores="logits"):
    """Labels as int64.

    Raises: TypeError unless they are integers; ValueError unless they have the shape of the examples and, where the
      kernels run, which index by them, are in range; it names the first that is not.
    """
    require_tensor(labels, "labels")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(
            f"labels: dtype is {labels.dtype}, expected integers from 0 to {logits.shape[dim] - 1}; soft_cross_entropy "
            "takes probabilities."
        )
    require_same_device(labels, "labels", logits)
    shape = (*logits.shape[:dim], *logits.shape[dim + 1 :])
    if tuple(labels.shape) != shape:
        raise ValueError(
            f"labels: shape is {tuple(labels.shape)}, expected {shape}, one label for each example of {scores} of "
            f"shape {tuple(logits.shape)} with classes along dim {dim}."
        )
    labels = labels.to(torch.int64)
    return _in_range(labels, logits.shape[dim], ignore_index, scores) if runs_on_kernels(logits) else labels


def array_of_labels(labels, ignore_index):
    """CPU labels that were checked as a contiguous int64 array, -1 where ignored."""
    array = labels.numpy()
    return np.ascontiguousarray(np.where(array == ignore_index, -1, array))


def checked_class_weight(class_weight, logits, dim):
    """class_weight (K,) in the dtype that is computed in, or None."""
    if class_weight is None:
        return None
    require_floats(class_weight, "class_weight")
    require_same_device(class_weight, "class_weight", logits)
    if tuple(class_weight.shape) != (logits.shape[dim],):
        raise ValueError(
            f"class_weight: shape is {tuple(class_weight.shape)}, expected ({logits.shape[dim]},), one for each class."
        )
    return class_weight.to(working_dtype(logits.dtype))


def weight_of_labels(class_weight, labels, ignore_index, dtype):
    """The weight of each label, in its shape: 0 where it is ignored, else that of its class, or 1."""
    kept = labels != ignore_index
    if class_weight is None:
        return kept.to(dtype)
    return class_weight[labels.clamp(0, class_weight.numel() - 1)].masked_fill(~kept, 0.0)


@torch.library.custom_op("lastlayer::labels_in_range", mutates_args=())
def _in_range(labels: torch.Tensor, num_classes: int, ignore_index: int, scores: str) -> torch.Tensor:
    """A copy of the labels. Raises ValueError for one out of range, naming the first."""
    as_labels(labels.numpy(), num_classes, labels.shape, ignore_index=ignore_index, scores=scores)
    return labels.clone(memory_format=torch.contiguous_format)


@_in_range.register_fake
def _(labels, num_classes, ignore_index, scores):
    return torch.empty_like(labels, memory_format=torch.contiguous_format)

"""Labels and the weights of classes: checked, and as arrays for the kernels."""

import numpy as np
import torch

from lastlayer._arrays import as_labels
from lastlayer.torch._tensors import require_floats, require_same_device, require_tensor, working_dtype


def checked_labels(labels, logits, dim, scores="logits"):
    """Labels as int64. Raises TypeError unless they are integers; ValueError unless in the shape of the examples."""
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
    return labels.to(torch.int64)


def array_of_labels(labels, num_classes, ignore_index):
    """(n, ...) CPU labels as an int64 array, -1 where ignored.

    Raises: ValueError for one out of range, naming the first.
    """
    array = labels.numpy()
    # A row has one number for a name where there is one label a row.
    named = array[:, 0] if array.shape[1:] == (1,) else array
    as_labels(named, num_classes, named.shape, ignore_index=ignore_index)
    return np.where(array == ignore_index, -1, array)


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

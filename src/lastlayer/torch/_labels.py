"""Labels and the weights of classes: checked, and as arrays for the kernels."""

import numpy as np
import torch
from numpy.typing import NDArray

from lastlayer._arrays import as_labels
from lastlayer._threads import run_blocks
from lastlayer.functions._along_axis import GRAIN
from lastlayer.kernels.labels import count_labels
from lastlayer.torch._tensors import require_floats, require_same_device, require_tensor, runs_on_kernels, working_dtype


def checked_labels(labels: torch.Tensor, logits: torch.Tensor, dim: int, scores: str = "logits") -> torch.Tensor:
    """Labels as int64.

    Raises: TypeError unless they are integers; ValueError unless they have the shape of the examples.
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
    return labels.to(torch.int64)


def in_range(
    labels: torch.Tensor, logits: torch.Tensor, dim: int, ignore_index: int, scores: str = "logits"
) -> torch.Tensor:
    """The labels, looked at where the kernels run. Raises ValueError for one out of range, naming the first."""
    return _in_range(labels, logits.shape[dim], ignore_index, scores) if runs_on_kernels(logits) else labels


def count_of_kept(labels: torch.Tensor, num_classes: int, ignore_index: int, scores: str = "logits") -> int:
    """How many CPU labels differ from `ignore_index`. Raises ValueError for one out of range, naming the first."""
    array = labels.contiguous().numpy()
    flat = array.reshape(-1)
    counts = run_blocks(
        lambda a, b: count_labels(flat[a:b], num_classes, ignore_index), flat.size, items_per_block=GRAIN
    )
    if any(wrong for _kept, wrong in counts):
        as_labels(array, num_classes, array.shape, ignore_index=ignore_index, scores=scores)
    return sum(kept for kept, _wrong in counts)


def array_of_labels(labels: torch.Tensor, num_classes: int, ignore_index: int) -> NDArray[np.int64]:
    """CPU labels that were checked as a contiguous int64 array, outside 0..num_classes-1 where ignored."""
    array = labels.contiguous().numpy()
    return np.where(array == ignore_index, -1, array) if 0 <= ignore_index < num_classes else array


def checked_class_weight(class_weight: torch.Tensor | None, logits: torch.Tensor, dim: int) -> torch.Tensor | None:
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


def weight_of_labels(
    class_weight: torch.Tensor | None, labels: torch.Tensor, ignore_index: int, dtype: torch.dtype
) -> torch.Tensor:
    """The weight of each label, in its shape: 0 where it is ignored, else that of its class, or 1."""
    kept = labels != ignore_index
    if class_weight is None:
        return kept.to(dtype)
    return class_weight[labels.clamp(0, class_weight.numel() - 1)].masked_fill(~kept, 0.0)


@torch.library.custom_op("lastlayer::labels_in_range", mutates_args=())
def _in_range(labels: torch.Tensor, num_classes: int, ignore_index: int, scores: str) -> torch.Tensor:
    """A copy of the labels. Raises ValueError for one out of range, naming the first."""
    count_of_kept(labels, num_classes, ignore_index, scores)
    return labels.clone(memory_format=torch.contiguous_format)


@_in_range.register_fake
def _(labels, num_classes, ignore_index, scores):
    return torch.empty_like(labels, memory_format=torch.contiguous_format)

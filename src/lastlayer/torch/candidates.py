"""Candidates: classes to score as negatives and their expected counts, as tensors."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import torch

from lastlayer import samplers


class Candidates(NamedTuple):
    """S classes to score as negatives for one batch, as tensors: a compiled program takes them without a break.

    indices: (S,) int64. log_expected_count: (S,) the logarithm of how often each is expected among the S.
    of_target: the same of the labels, in the shape of the target; entries of ignored labels are not looked at.
    """

    indices: torch.Tensor
    log_expected_count: torch.Tensor
    of_target: torch.Tensor


AnyCandidates: TypeAlias = Candidates | samplers.Candidates
Result = TypeVar("Result")


def as_tensors(
    candidates: AnyCandidates, target: torch.Tensor, num_classes: int, ignore_index: int, device: torch.device
) -> Candidates:
    """Candidates as tensors on a device, with the expected counts of a batch's labels.

    Those of lastlayer.samplers are looked up in NumPy, on the CPU: labels on another device are copied there.

    Raises:
      IndexError: if a label is out of range, of candidates of lastlayer.samplers.
      ValueError: if a candidate is out of range, or a label is never drawn; of the same.
      TypeError: if they are no candidates.
    """
    if isinstance(candidates, Candidates):
        return Candidates(*(tensor.to(device) for tensor in candidates))
    if not isinstance(candidates, samplers.Candidates):
        raise TypeError(
            f"candidates: received {type(candidates).__name__}, expected lastlayer.samplers.Candidates, or "
            "lastlayer.torch.Candidates of tensors."
        )
    return outside_the_graph(_looked_up, candidates, target, num_classes, ignore_index, device)


def _looked_up(candidates, target, num_classes, ignore_index, device) -> Candidates:
    indices = candidates.indices
    if indices.max() >= num_classes:
        i = int((indices >= num_classes).argmax())
        raise ValueError(f"candidates: entry {i} is {indices[i]}, but there are {num_classes} classes.")
    if target.is_meta:
        counts = np.zeros(tuple(target.shape))
    else:
        labels = target.numpy(force=True)
        kept = labels != ignore_index
        _refuse(kept & ((labels < 0) | (labels >= num_classes)), labels, IndexError, f"0 to {num_classes - 1}")
        counts = np.zeros(labels.shape)
        counts[kept] = candidates.log_expected_count_of(labels[kept])
        _refuse(~np.isfinite(counts), labels, ValueError, "a class that the sampler may draw")
    arrays = (indices, candidates.log_expected_count, counts)
    return Candidates(*(torch.as_tensor(array).to(device) for array in arrays))


def outside_the_graph(function: Callable[..., Result], *arguments: Any) -> Result:
    """The call of a function that torch.compile leaves to Python."""
    left: Any = torch.compiler.disable(function)
    return left(*arguments)


def _refuse(bad, labels, error, expected):
    if bad.any():
        first = np.unravel_index(int(bad.argmax()), labels.shape)
        row = first[0] if len(first) == 1 else tuple(map(int, first))
        raise error(f"target: row {row} is {labels[first]}, expected {expected}.")

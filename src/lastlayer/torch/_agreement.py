"""What all processes of a group must have alike: all of them look at it, and refuse together or not at all."""

from typing import TYPE_CHECKING

import torch
from torch import distributed

from lastlayer.torch._collectives import largest

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

# Odd numbers, of which products in 64 bits wrap around.
_OF_PLACE, _OF_LABEL = 0x1E3779B97F4A7C15, 0x3C79AC492BA7B653


def check_alike(numbers: dict[str, int], device: torch.device, group: "ProcessGroup") -> None:
    """Raise ValueError on all processes if one has another number."""
    first, *others = _of_all(list(numbers.values()), device, group)
    for process, other in enumerate(others, 1):
        for name, here, there in zip(numbers, first, other, strict=True):
            if here != there:
                raise ValueError(
                    f"{name}: is {there} on process {process} of the mesh and {here} on process 0, expected the same "
                    "on all."
                )


def of_first(number: int, device: torch.device, group: "ProcessGroup") -> int:
    """The number of the first process, on all of them."""
    return _of_all([number], device, group)[0][0]


def _of_all(numbers, device, group):
    mine = torch.tensor(numbers, device=device)
    of_all = [torch.empty_like(mine) for _ in range(distributed.get_world_size(group))]
    distributed.all_gather(of_all, mine, group)
    return torch.stack(of_all).tolist()


def check_labels(labels: torch.Tensor, kept: torch.Tensor, num_classes: int, group: "ProcessGroup") -> bool:
    """Raise on all processes if labels (N,) are out of range on one or differ between them; whether all are kept.

    Raises:
      IndexError: for the first row with a label out of range.
      ValueError: if the processes have different labels.
    """
    wrong = kept & ((labels < 0) | (labels >= num_classes))
    places = torch.arange(1, len(labels) + 1, device=labels.device)
    mixed = (((labels + 1) * _OF_LABEL) ^ (places * _OF_PLACE)) * _OF_LABEL
    digest = (mixed.sum() + len(labels)) >> 1  # whose negative is one of 64 bits too
    # The largest of a number and of its negative tell whether all are the same.
    found = largest(torch.stack([digest, -digest, wrong.any().long()]), group)
    top, bottom, any_wrong, all_kept = torch.cat([found, kept.all().long().unsqueeze(0)]).tolist()
    if top != -bottom:
        raise ValueError(
            "target: labels differ between the processes of the mesh, expected the same rows on all of them; gather "
            "features and labels first, or give each process of the other dimension of a mesh rows of its own."
        )
    if any_wrong:
        row = int(wrong.nonzero()[0])
        raise IndexError(
            f"target: row {row} is {labels[row].item()}, but there are {num_classes} classes (0 to {num_classes - 1})."
        )
    return bool(all_kept)

"""How many rows and classes of an N x K array of logits are computed at a time."""

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Scratch:
    """What a tile of logits may take beside inputs and gradients.

    Attributes:
      on_cpu: bytes on a CPU.
      elsewhere: bytes on another device, whose products want larger tiles.
      least_classes: a tile has no fewer, if there are as many: then the rows are taken in blocks too.
      in_cache: bytes that stay in a GPU's cache until they are read again.
      compiled_tiles: a program that torch.compile or torch.export unrolls has no more tiles than that, whatever they
        take, and all rows in each.
    """

    on_cpu: int = 128 << 20
    elsewhere: int = 512 << 20
    least_classes: int = 512
    in_cache: int = 32 << 20
    compiled_tiles: int = 16


SCRATCH = Scratch()
# A logit in the dtype of the products, the same in float32, and one copy of it; more with options that are rarer.
BYTES_OF_A_LOGIT = 12
# One that a product writes in float32, and its slope in half precision; 16384 classes of 8192 rows on a GPU.
BYTES_OF_A_WIDE_LOGIT = 6
_ALIGNED = 128


def tile_sizes(
    num_rows: Any,
    num_classes: int,
    positions: int,
    device: torch.device,
    *,
    compiled: bool,
    bytes_of_a_logit: int = BYTES_OF_A_LOGIT,
) -> tuple[int | None, int]:
    """Rows and classes of a tile; None is all rows, if they leave room for enough classes.

    `positions` is the number of logits that a row has of each class. Of no classes a tile is one class long.
    """
    room = (SCRATCH.on_cpu if device.type == "cpu" else SCRATCH.elsewhere) // (bytes_of_a_logit * positions)
    if compiled:
        if isinstance(num_rows, torch.SymInt):
            return None, -(-num_classes // SCRATCH.compiled_tiles)
        tiles = min(SCRATCH.compiled_tiles, -(-num_rows * num_classes // max(1, room)))
        return None, -(-num_classes // max(1, tiles))
    classes = room // max(1, num_rows)
    if classes >= num_classes:
        return None, max(1, num_classes)
    least = min(num_classes, SCRATCH.least_classes)
    if classes < least:
        rows = max(1, room // least)
        return None if rows >= num_rows else rows, least
    return None, classes // _ALIGNED * _ALIGNED if classes >= _ALIGNED else classes


def rows_in_cache(bytes_of_a_row: int) -> int:
    """How many rows, one at least, stay in a GPU's cache from one pass over them to the next."""
    return max(1, SCRATCH.in_cache // bytes_of_a_row)

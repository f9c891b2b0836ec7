"""Random rows of which each is the same whoever draws it, so that no process has to draw the others'."""

import numpy as np
import torch

# Rows that share a generator: making one takes as long as drawing some thousand numbers.
_ROWS = 1024


def fill_uniformly(rows: torch.Tensor, first: int, bound: float, seed: tuple[int, ...]) -> None:
    """Overwrite rows `first`, ... of a larger tensor by numbers between -bound and bound, drawn on the CPU.

    What a row gets depends on the seed and on its place alone, and on whether the tensor is float64.
    """
    last = first + len(rows)
    dtype = np.float64 if rows.dtype == torch.float64 else np.float32
    for block in range(first // _ROWS, -(-last // _ROWS)):
        start, stop = max(first, block * _ROWS), min(last, (block + 1) * _ROWS)
        drawn = np.random.default_rng((*seed, block)).random((stop - block * _ROWS, *rows.shape[1:]), dtype)
        numbers = torch.from_numpy(drawn[start - block * _ROWS :])
        with torch.no_grad():
            rows[start - first : stop - first] = numbers.mul_(2 * bound).sub_(bound)

"""Rows of numbers to a .npy file, block by block."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.storage import replacement


def write_array(blocks: Iterable[NDArray[Any]], rows: int, output: str) -> int:
    """Write (n, K) blocks, `rows` rows in all, to the .npy file `output`, as a whole or not at all; returns `rows`."""
    with replacement(output) as beside, beside.open("wb") as file:
        begun = False
        for block in blocks:
            if not begun:
                descr = np.lib.format.dtype_to_descr(block.dtype)
                shape = (rows, block.shape[1])
                np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
                begun = True
            file.write(np.ascontiguousarray(block).data)
    return rows

"""Functions entry by entry, spread over the cores."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from lastlayer._layouts import BLOCKS_PER_THREAD, GRAIN
from lastlayer._threads import run_blocks


def in_periods(kernel: Callable[..., None], period: int, first: NDArray[Any], *others: NDArray[Any] | None) -> None:
    """Call `kernel` on flat blocks of C-contiguous arrays of one size, or None, that start at multiples of `period`."""
    flat = [None if array is None else array.reshape(-1) for array in (first, *others)]

    def work(start, stop):
        kernel(*(None if array is None else array[start * period : stop * period] for array in flat))

    run_blocks(work, -(-first.size // period), items_per_block=-(-GRAIN // period), blocks_per_thread=BLOCKS_PER_THREAD)

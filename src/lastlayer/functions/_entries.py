"""Functions entry by entry, spread over the cores."""

from lastlayer._threads import run_blocks
from lastlayer.functions._along_axis import BLOCKS_PER_THREAD, GRAIN


def in_periods(kernel, period, *arrays):
    """Call `kernel` on flat blocks of C-contiguous arrays of one size, or None, that start at multiples of `period`."""
    flat = [None if array is None else array.reshape(-1) for array in arrays]

    def work(first, last):
        kernel(*(None if array is None else array[first * period : last * period] for array in flat))

    run_blocks(
        work, -(-arrays[0].size // period), items_per_block=-(-GRAIN // period), blocks_per_thread=BLOCKS_PER_THREAD
    )

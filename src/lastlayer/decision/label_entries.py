"""What a threshold is chosen from, some labels at a time: probabilities, and which of them came true, as sortable keys.

A key holds the bits of a probability from 0 to 1, which are an integer that ascends with it, and below them one bit
that is set where the row has the label. So one sort of integers brings both into order.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lastlayer._blocks import without_read_only_flag
from lastlayer._threads import run_blocks
from lastlayer.kernels.thresholds import write_keys

# Entries of a block of labels. Fewer than so many labels waste what is read with each of their probabilities, as
# long as their rows are not too many.
_ENTRIES, _FEWEST_LABELS, _MOST_ENTRIES = 1 << 20, 32, 1 << 24


class Block(NamedTuple):
    """The entries of labels `first` to first + B: `keys` (E,), those of label b from `ends[b]` to `ends[b + 1]`."""

    first: int
    keys: NDArray[Any]
    ends: NDArray[np.int64]


class LabelEntries(NamedTuple):
    """(N, K) probabilities, a float32 or float64 array or CSC, and a CSC array of the labels that each row has."""

    probabilities: Any
    targets: Any

    @property
    def bits(self) -> int:
        """How many bits the probabilities in the keys take."""
        return 30 if self.probabilities.dtype == np.float32 else 62

    @property
    def positive(self) -> NDArray[np.int64]:
        """(K,) how many rows have each label."""
        return np.diff(self.targets.indptr).astype(np.int64)

    def over_blocks(self, work: Callable[[Block, Any], Any], start: Callable[[], Any]) -> list[Any]:
        """Fold `work(block, state) -> state` over blocks of labels, each thread from a state that `start` makes.

        Returns: the last state of each thread.
        """
        num_rows, num_labels = self.probabilities.shape
        of_label = self.probabilities.nnz // num_labels + 1 if sp.issparse(self.probabilities) else num_rows
        step = max(1, _ENTRIES // of_label, min(_FEWEST_LABELS, _MOST_ENTRIES // of_label))
        blocks = -(-num_labels // step)

        def fold(first, stop):
            state = start()
            for block in range(first, stop):
                state = work(self._block(block * step, min(num_labels, (block + 1) * step)), state)
            return state

        return run_blocks(fold, blocks, items_per_block=1)

    def _block(self, first, stop):
        p, targets = self.probabilities, self.targets
        labels = slice(first, stop)
        rows = targets.indices[targets.indptr[first] : targets.indptr[stop]]
        integer = np.int32 if p.dtype == np.float32 else np.int64
        if not sp.issparse(p):
            bits = without_read_only_flag(p).view(integer)[:, labels]
            keys = np.empty((stop - first, len(p)), integer)
            write_keys(bits, np.iinfo(integer).max, rows, targets.indptr[first : stop + 1], keys)
            return Block(first, keys.ravel(), np.arange(stop - first + 1) * len(p))
        stored = slice(p.indptr[first], p.indptr[stop])
        keys = (p.data[stored].view(integer) & np.iinfo(integer).max) << 1
        ends = (p.indptr[first : stop + 1] - p.indptr[first]).astype(np.int64)
        places = np.repeat(np.arange(stop - first), np.diff(ends)) * p.shape[0] + p.indices[stored]
        wanted = np.repeat(np.arange(stop - first), np.diff(targets.indptr[first : stop + 1])) * p.shape[0] + rows
        # Both ascend, so that what they share is found by bisection.
        found = np.searchsorted(places, wanted)
        found = found[found < len(places)]
        keys[found[places[found] == wanted[: len(found)]]] |= 1
        return Block(first, keys, ends)


def probabilities_of(keys: NDArray[Any]) -> NDArray[Any]:
    """The probabilities in keys."""
    return (keys >> 1).view(np.float32 if keys.dtype == np.int32 else np.float64)

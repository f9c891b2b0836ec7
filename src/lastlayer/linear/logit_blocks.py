"""The logits X W' + b of a linear head, (N, K), a block of rows at a time and on every core."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lastlayer._threads import run_blocks
from lastlayer.linear.features import FeatureMatrix

Result = TypeVar("Result")

# Logits of a block, which stay in cache until their residuals are multiplied with the features, and its rows: enough
# for the products to be efficient.
_BLOCK, _FEWEST_ROWS, _MOST_ROWS = 1 << 18, 256, 8192
# With very many classes a block holds this many logits at most, in each of the arrays of each thread.
_LARGEST_BLOCK = 1 << 25
# Logits worth a dispatch to another thread.
_DISPATCH = 1 << 14
# Rows are padded to a multiple of this many classes, so that kernels see whole vectors.
_VECTOR = 8


def write_logits(
    features: FeatureMatrix, weight: NDArray[Any], bias: NDArray[Any], rows: slice, out: NDArray[Any]
) -> None:
    """Write the logits X[rows] weight' + bias to `out`.

    Args:
      features: X, (N, D).
      weight: (K, D) in the dtype of X, all classes or a block of them; where it is 0, no product is computed.
      bias: (K,), added in the dtype of `out`.
      rows: a slice of 0..N without a step.
      out: (rows, K), written.
    """
    if not weight.any():
        out[...] = bias
        return
    features.times(weight, rows, out)
    if bias.any():
        out += bias.astype(out.dtype, copy=False)


class LogitBlocks:
    """The (N, K) logits of any head on the same features, cut into blocks of rows.

    Args:
      features: X, (N, D).
      num_classes: K.

    Attributes:
      width: K rounded up to whole vectors, the length of a row of logits in memory.
      rows_per_block: the rows of a block, at most.
    """

    def __init__(self, features: FeatureMatrix, num_classes: int):
        self._features, self._num_classes = features, num_classes
        self._num_rows = features.shape[0]
        self.width: int = -num_classes % _VECTOR + num_classes
        rows = max(_FEWEST_ROWS, min(_MOST_ROWS, _BLOCK // self.width))
        self.rows_per_block: int = max(1, min(rows, _LARGEST_BLOCK // self.width))

    def zeros(self, num_rows: int, padding: float) -> NDArray[Any]:
        """Memory for the logits of so many rows: (num_rows, width) in the dtype of X, `padding` beyond the classes.

        A padding of -inf makes classes of probability 0.
        """
        logits = np.zeros((num_rows, self.width), self._features.dtype)
        if padding != 0:
            logits[:, self._num_classes :] = padding
        return logits

    def padded(self, of_classes: NDArray[Any], dtype: Any) -> NDArray[Any]:
        """One number a class, (K,), as (width,) in `dtype`, 0 beyond the classes."""
        result = np.zeros(self.width, dtype)
        result[: self._num_classes] = of_classes
        return result

    def write(self, weight: NDArray[Any], bias: NDArray[Any], rows: slice, out: NDArray[Any]) -> None:
        """Write the logits of a block of rows to `out` (rows, width), and leave its padding."""
        write_logits(self._features, weight, bias, rows, out[:, : self._num_classes])

    def write_all(self, weight: NDArray[Any], bias: NDArray[Any], out: NDArray[Any]) -> None:
        """Write the logits of all rows to `out` (N, width), on every core."""
        self.run(lambda start, stop: self.write(weight, bias, slice(start, stop), out[start:stop]))

    def slices(self, start: int, stop: int) -> Iterator[slice]:
        """The blocks that cover the rows from start to stop."""
        for first in range(start, stop, self.rows_per_block):
            yield slice(first, min(first + self.rows_per_block, stop))

    def run(self, work: Callable[[int, int], Result]) -> list[Result]:
        """Call `work(start, stop)` on ranges that cover all rows, on every core; what the calls returned, in order."""
        return run_blocks(work, self._num_rows, items_per_block=max(1, _DISPATCH // self.width))

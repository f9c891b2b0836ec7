"""The logits of a head as rows that are worked out when they are looked at: an (N, K) array that is never there."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.linear.features import working_dtype

# Logits, and features, that are there at a time.
_BLOCK = 1 << 18


class HeadLogits:
    """X weight' + bias, (N, K), in blocks of rows.

    Args:
      features: X, (N, D) dense, of any real dtype.
      weight: (K, D).
      bias: (K,).
    """

    ndim = 2

    def __init__(self, features: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any]):
        self._features, self._weight, self._bias = features, weight, bias
        self.shape: tuple[int, int] = (len(features), len(weight))
        self.size: int = self.shape[0] * self.shape[1]
        self.dtype: np.dtype[Any] = np.result_type(working_dtype(features.dtype), weight.dtype)

    def __getitem__(self, row: int) -> NDArray[Any]:
        """The logits of one row, (K,)."""
        return self._of(self._features[row])

    def every(self, step: int) -> NDArray[Any]:
        """Those of every `step`-th row, (M, K), in memory."""
        features = self._features[::step]
        result = np.empty((len(features), self.shape[1]), self.dtype)
        for part, block in HeadLogits(features, self._weight, self._bias).blocks(0, len(features)):
            result[part] = block
        return result

    def blocks(self, start: int, stop: int) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield (part, block) that cover the rows from start to stop: a slice of rows, and their logits (n, K)."""
        step = max(1, _BLOCK // max(self.shape[1], self._features.shape[1]))
        for first in range(start, stop, step):
            part = slice(first, min(first + step, stop))
            yield part, self._of(self._features[part])

    def _of(self, features):
        return features.astype(self.dtype, copy=False) @ self._weight.T + self._bias

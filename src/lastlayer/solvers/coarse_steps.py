"""A line of heads whose logits are rounded to about three digits, for the early iterations of a large fit.

Far from the optimum a direction needs no more: what is rounded differs from row to row and averages out over rows, so
that the loss is known to about a millionth and steps are as good as exact ones (decisions/0024-bfloat16.md). No
certificate is made of it.
"""

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._memory import allowed_bytes
from lastlayer._threads import num_threads, run_blocks
from lastlayer.kernels.softmax_regression import step_rows
from lastlayer.linear import DenseFeatures
from lastlayer.linear.bfloat16_products import ROWS, Bfloat16Block, Bfloat16Weights, bytes_of_block
from lastlayer.solvers.training_rows import Slope

# Parts of the rows, each with a gradient in float32, that threads share; their gradients are added up in float64. At
# least, at most, and the bytes that their gradients may take together between the two.
_FEWEST_PARTS, _MOST_PARTS, _PARTIAL = 4, 32, 256 << 20


def has_room_for_coarse_steps(num_classes: int, num_features: int) -> bool:
    """Whether CoarseSteps of such a head keep within half of the memory that is allowed."""
    parts = _num_parts(num_classes * num_features)
    blocks = min(num_threads(), parts) * bytes_of_block(num_classes, num_features)
    return blocks + 4 * parts * num_classes * num_features <= allowed_bytes() / 2


def _num_parts(size_of_head):
    return min(_MOST_PARTS, max(_FEWEST_PARTS, _PARTIAL // max(1, 4 * size_of_head)))


class CoarseSteps:
    """Steps with products in bfloat16.

    Args:
      features: (N, D) that are computed with in float32.
      labels: (N,) int64.
      row_weight: (N,) float64 that sum to 1.
      num_classes: K.
      mean: (D,) about which features are rounded, so that what all rows share costs no digits.
    """

    def __init__(
        self,
        features: DenseFeatures,
        labels: NDArray[np.int64],
        row_weight: NDArray[np.float64],
        num_classes: int,
        mean: NDArray[np.float64],
    ):
        self._features, self._labels, self._row_weight = features, labels, row_weight
        self._num_classes, self._mean = num_classes, mean
        self._head = self._direction = np.zeros((num_classes, features.shape[1])), np.zeros(num_classes)

    def set_head(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Set the head to go on from; (K, D) and (K,)."""
        self._head = weight, offset

    def set_direction(self, weight: NDArray[Any], offset: NDArray[Any]) -> None:
        """Set the direction; (K, D) and (K,)."""
        self._direction = weight, offset

    def step(self, t: float) -> Slope:
        """Go as far as t along the direction; the loss there and its gradient."""
        (weight, offset), (weight_step, offset_step) = self._head, self._direction
        self._head = weight, offset = weight + weight.dtype.type(t) * weight_step, offset + t * offset_step
        weights = Bfloat16Weights(self._features.unscaled(weight))
        stored_mean = self._mean if self._features.scale is None else self._mean * self._features.scale
        bias = (offset + weight @ self._mean).astype(np.float32)
        zeros = np.zeros((ROWS, weights.width), np.float32)
        num_parts = _num_parts(weight.size)
        edges = [len(self._labels) * part // num_parts for part in range(num_parts + 1)]

        def work(first, last):
            return [part_of(edges[part], edges[part + 1]) for part in range(first, last)]

        def part_of(start, stop):
            block, loss, sums = Bfloat16Block(weights, stored_mean), 0.0, np.zeros((2, weights.width))
            for first in range(start, stop, ROWS):
                rows = slice(first, min(first + ROWS, stop))
                logits = block.logits(self._features.stored(rows), bias)
                still = zeros[: len(logits)], zeros[0], self._labels[rows], self._row_weight[rows], np.float32(0)
                loss += step_rows(logits, *still, block.residual(), *sums)
                block.add_residual()
            return loss, block.gradient(), sums

        parts = [
            part
            for found in run_blocks(work, num_parts, items_per_block=1, blocks_per_thread=num_parts)
            for part in found
        ]
        losses, gradients, sums = zip(*parts, strict=True)
        masses, residual_sum = np.sum(sums, axis=0)[:, : self._num_classes]
        gradient = self._features.unscaled(reduce(np.add, gradients, np.zeros(weight.shape)))
        gradient += np.outer(residual_sum, self._mean)
        return Slope(sum(losses), gradient.astype(np.float32), residual_sum, masses)

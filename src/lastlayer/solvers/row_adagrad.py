"""RowAdaGrad: a head under adaptive descent, of which a step moves the rows of some classes only, at their cost alone.

AdaGrad with one sum of squares a row (Duchi et al. 2011, Adaptive subgradient methods, of one number a row in place of
one a weight; Mudigere et al. 2021, Software-hardware co-design for fast and scalable training of recommendation
models, section 4.1.3): 16 bytes a class beside the weights, and steps of like size for common and for rare classes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer._threads import run_blocks
from lastlayer.kernels.row_steps import settle_rows, step_rows
from lastlayer.losses import ClassRows

# Weights worth a dispatch to another thread.
_DISPATCH = 1 << 16


class RowAdaGrad:
    """A head and the memory of its steps. The arrays are the state, and are written in place.

    Args:
      weight: (K, D) float32 or float64.
      bias: (K,) float64.
      average: the averages of both, or None to keep none.
      squares: (K,) float64 sums of squared gradients, 0 or more to begin with.
      touched: (K,) int64, the step that each row was touched in last.
      steps: how many there have been.
      rate: the length of a row's first step, in units of the coordinates' inverse.
    """

    weight: NDArray[Any]
    bias: NDArray[np.float64]
    average: tuple[NDArray[Any], NDArray[np.float64]] | None
    squares: NDArray[np.float64]
    touched: NDArray[np.int64]
    steps: int
    rate: float

    def __init__(
        self,
        weight: NDArray[Any],
        bias: NDArray[np.float64],
        average: tuple[NDArray[Any], NDArray[np.float64]] | None,
        squares: NDArray[np.float64],
        touched: NDArray[np.int64],
        *,
        steps: int,
        rate: float,
    ):
        self.weight, self.bias, self.average = weight, bias, average
        self.squares, self.touched = squares, touched
        self.steps, self.rate = steps, rate
        self._per_dispatch = -(-_DISPATCH // max(1, weight.shape[1]))

    def step(
        self,
        of_weight: ClassRows[Any],
        of_bias: NDArray[Any] | None,
        metric: NDArray[np.float64],
        penalty: NDArray[np.float64],
    ) -> None:
        """One step along the gradients of some rows.

        Args:
          of_weight: gradient of the weights, the rows of R classes.
          of_bias: (R,) gradient of their biases, or None where biases stay.
          metric: (D,) by which a gradient is multiplied in each column.
          penalty: (D,) the penalty's derivative by a weight, divided by that weight.
        """
        self.steps += 1
        classes, gradient = of_weight
        shift = np.zeros(0, gradient.dtype) if of_bias is None else of_bias
        head, memory = (self.weight, self.bias), (self.squares, self.touched)

        def work(first, last):
            step_rows(
                *(first, last, classes, gradient, shift, of_bias is not None, self.steps, self.rate),
                *(metric, penalty, head, self.average, memory),
            )

        run_blocks(work, len(classes), items_per_block=self._per_dispatch)

    def settle(self, metric: NDArray[np.float64], penalty: NDArray[np.float64]) -> None:
        """Bring all rows to where they would be had every step gone over all of them; in O(K D)."""
        head, memory = (self.weight, self.bias), (self.squares, self.touched)

        def work(first, last):
            settle_rows(first, last, self.steps, self.rate, metric, penalty, head, self.average, memory)

        run_blocks(work, len(self.weight), items_per_block=self._per_dispatch)

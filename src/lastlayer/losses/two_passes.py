"""Cross-entropy in two passes, as automatic differentiation asks for it: losses first, their gradient later.

Between them three numbers a row are kept and no array of the logits' size: its maximum, the inverse of its sum of
exponentials, and the probability of all classes but the label, from which the gradient at the label comes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lastlayer.functions._along_axis import SHORT, lanes_of, scratch, spread
from lastlayer.kernels.cross_entropy import cross_entropy_gradient_rows, cross_entropy_losses_rows
from lastlayer.kernels.cross_entropy_columns import cross_entropy_gradient_columns, cross_entropy_losses_columns
from lastlayer.kernels.cross_entropy_short_rows import (
    cross_entropy_gradient_short_rows,
    cross_entropy_losses_short_rows,
)
from lastlayer.kernels.lanes import STATES
from lastlayer.kernels.storage import computed_dtype


def write_losses(logits: NDArray[Any], labels: NDArray[np.int64], losses: NDArray[Any], kept: NDArray[Any]) -> None:
    """Write the losses of (outer, K, inner) logits along the middle axis, and what write_gradient needs of them.

    Args:
      logits: C-contiguous, of a dtype of kernels.storage.
      labels: (outer, inner) int64, C-contiguous; outside 0..K-1 where the loss is 0.
      losses: (outer, inner) in the dtype that is computed in, C-contiguous.
      kept: (3, outer, inner) of the same dtype; each of the three is C-contiguous.
    """
    num_classes = logits.shape[1]

    def columns(first, last):
        label_state = _label_state(logits)
        state = np.empty((STATES, label_state.shape[1]), label_state.dtype)
        cross_entropy_losses_columns(logits, labels, losses, tuple(kept), state, label_state, first, last)

    def rows(first, last):
        block, of_rows = logits[first:last].reshape(-1, num_classes), _rows(first, last, labels, losses, *kept)
        if num_classes < SHORT:
            memory = *scratch(num_classes, logits.dtype), _label_state(logits)
            cross_entropy_losses_short_rows(block, *of_rows[:2], of_rows[2:], *memory)
        else:
            cross_entropy_losses_rows(block, *of_rows[:2], of_rows[2:])

    spread(logits.shape, rows, columns)


def write_gradient(
    logits: NDArray[Any], labels: NDArray[np.int64], scale: NDArray[Any], kept: NDArray[Any], gradient: NDArray[Any]
) -> None:
    """Write the gradient of sum(scale * losses) to `gradient`, (outer, K, inner), which is not `logits` itself.

    Args:
      logits: (outer, K, inner) as for write_losses.
      labels: (outer, inner).
      scale: (outer, inner) in the dtype that is computed in, C-contiguous.
      kept: (3, outer, inner) from write_losses.
      gradient: (outer, K, inner) in the dtype of `logits`, C-contiguous.
    """
    num_classes = logits.shape[1]

    def columns(first, last):
        label_state = _label_state(logits)
        cross_entropy_gradient_columns(logits, labels, scale, tuple(kept), gradient, label_state, first, last)

    def rows(first, last):
        block, into = (array[first:last].reshape(-1, num_classes) for array in (logits, gradient))
        of_rows = _rows(first, last, labels, scale, *kept)
        if num_classes < SHORT:
            memory = *scratch(num_classes, logits.dtype), _label_state(logits)
            cross_entropy_gradient_short_rows(block, *of_rows[:2], of_rows[2:], into, *memory)
        else:
            cross_entropy_gradient_rows(block, *of_rows[:2], of_rows[2:], into)

    spread(logits.shape, rows, columns)


def _rows(first: int, last: int, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Rows of (outer, 1) arrays as 1-d ones."""
    return tuple(array[first:last].reshape(-1) for array in arrays)


def _label_state(logits: NDArray[Any]) -> NDArray[Any]:
    return np.empty((2, lanes_of(logits.shape[1])), computed_dtype(logits.dtype))

"""Cross-entropy in two passes, as automatic differentiation asks for it: losses first, their gradient later.

Between them three numbers a row are kept and no array of the logits' size: its maximum, the inverse of its sum of
exponentials, and the probability of all classes but the label, from which the gradient at the label comes.
"""

import numpy as np

from lastlayer._threads import run_blocks
from lastlayer.functions._along_axis import BLOCKS_PER_THREAD, GRAIN, LANES, SHORT, scratch
from lastlayer.kernels.cross_entropy import cross_entropy_gradient_rows, cross_entropy_losses_rows
from lastlayer.kernels.cross_entropy_columns import cross_entropy_gradient_columns, cross_entropy_losses_columns
from lastlayer.kernels.cross_entropy_short_rows import (
    cross_entropy_gradient_short_rows,
    cross_entropy_losses_short_rows,
)
from lastlayer.kernels.lanes import STATES


def write_losses(logits, labels, losses, kept):
    """Write the losses of (outer, K, inner) logits along the middle axis, and what write_gradient needs of them.

    Args:
      logits: C-contiguous float32 or float64.
      labels: (outer, inner) int64, C-contiguous, below K; below 0 where the loss is 0.
      losses: (outer, inner) in the type of `logits`, C-contiguous.
      kept: (3, outer, inner) of the same type; each of the three is C-contiguous.
    """
    num_classes = logits.shape[1]

    def columns(first, last):
        state, label_state = np.empty((STATES, LANES), logits.dtype), _label_state(logits)
        cross_entropy_losses_columns(logits, labels, losses, tuple(kept), state, label_state, first, last)

    def rows(first, last):
        block, of_rows = logits[first:last].reshape(-1, num_classes), _rows(first, last, labels, losses, *kept)
        if num_classes < SHORT:
            tile, state = scratch(num_classes, logits.dtype)
            cross_entropy_losses_short_rows(block, *of_rows[:2], of_rows[2:], tile, state, _label_state(logits))
        else:
            cross_entropy_losses_rows(block, *of_rows[:2], of_rows[2:])

    _run(logits.shape, rows, columns)


def write_gradient(logits, labels, scale, kept, gradient):
    """Write the gradient of sum(scale * losses) to `gradient`, (outer, K, inner), which is not `logits` itself.

    Args:
      logits: (outer, K, inner) as for write_losses.
      labels: (outer, inner).
      scale: (outer, inner) in the type of `logits`, C-contiguous.
      kept: (3, outer, inner) from write_losses.
      gradient: (outer, K, inner) in the type of `logits`, C-contiguous.
    """
    num_classes = logits.shape[1]

    def columns(first, last):
        label_state = _label_state(logits)
        cross_entropy_gradient_columns(logits, labels, scale, tuple(kept), gradient, label_state, first, last)

    def rows(first, last):
        block, into = logits[first:last].reshape(-1, num_classes), gradient[first:last].reshape(-1, num_classes)
        of_rows = _rows(first, last, labels, scale, *kept)
        if num_classes < SHORT:
            tile, _state = scratch(num_classes, logits.dtype)
            cross_entropy_gradient_short_rows(block, *of_rows[:2], of_rows[2:], into, tile, _label_state(logits))
        else:
            cross_entropy_gradient_rows(block, *of_rows[:2], of_rows[2:], into)

    _run(logits.shape, rows, columns)


def _run(shape, rows, columns):
    outer, num_classes, inner = shape
    if inner == 1:
        run_blocks(rows, outer, items_per_block=-(-GRAIN // num_classes), blocks_per_thread=BLOCKS_PER_THREAD)
    elif inner:
        logits_per_item = num_classes * min(inner, LANES)
        items = outer * -(-inner // LANES)
        run_blocks(columns, items, items_per_block=-(-GRAIN // logits_per_item), blocks_per_thread=BLOCKS_PER_THREAD)


def _rows(first, last, *arrays):
    """Rows of (outer, 1) arrays as 1-d ones."""
    return tuple(array[first:last].reshape(-1) for array in arrays)


def _label_state(logits):
    return np.empty((2, LANES), logits.dtype)

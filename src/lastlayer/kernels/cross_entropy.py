"""Cross-entropy of contiguous rows of logits against one label a row, with its gradient while the row is in cache."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential_sum import copied_maximum, log_of_sum, row_maximum, sum_of_exponentials


@compiled
def cross_entropy_rows(logits, labels, row_scale, losses, gradient):
    """Write -log softmax(z)[label] of each row, in nats, and `row_scale` times its gradient.

    A label below 0 is ignored: loss 0, gradient 0, whatever the logits. A row with NaN or +inf, or all -inf, is NaN.

    Args:
      logits: (n, K) C-contiguous float32 or float64.
      labels: (n,) int64, below K; not checked.
      row_scale: (n,) float64, the factor of each row's gradient; the losses are not scaled.
      losses: (n,) float64, written.
      gradient: (n, K) in the type of `logits`, written; may be `logits` itself.
    """
    one, zero = logits.dtype.type(1), logits.dtype.type(0)
    for i in range(logits.shape[0]):
        row, label = gradient[i], labels[i]
        if label < 0:
            losses[i] = 0.0
            row[:] = zero
            continue
        logit = logits[i, label]
        top = copied_maximum(logits[i], row)
        others, lost, winners = sum_of_exponentials(row, top, one, zero, True)
        total = winners + others + lost
        losses[i] = log_of_sum(others, lost, winners) - (np.float64(logit) - np.float64(top))
        # p - 1 would cancel for a label at the maximum; below it, at least half of the sum is the others'.
        at_label = np.float64(row[label])
        not_label = (winners - 1.0) + others + lost if at_label >= 1.0 else total - at_label
        scale = row_scale[i] / total
        factor = row.dtype.type(scale)
        for j in range(row.size):
            row[j] *= factor
        row[label] = -not_label * scale


@compiled
def cross_entropy_losses_rows(logits, labels, losses):
    """Write the losses of cross_entropy_rows alone, reading the logits once from memory and writing nothing else."""
    one, zero = logits.dtype.type(1), logits.dtype.type(0)
    for i in range(logits.shape[0]):
        row, label = logits[i], labels[i]
        if label < 0:
            losses[i] = 0.0
            continue
        top = row_maximum(row)
        others, lost, winners = sum_of_exponentials(row, top, one, zero, None)
        losses[i] = log_of_sum(others, lost, winners) - (np.float64(row[label]) - np.float64(top))

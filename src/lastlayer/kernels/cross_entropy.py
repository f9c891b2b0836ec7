"""Cross-entropy of contiguous rows of logits against one label a row, with its gradient while the row is in cache."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import UNIT, exponential_in_units, plain_scale
from lastlayer.kernels.row_sums import copied_maximum_and_place, log_of_sum, maximum_and_place, next_row, sum_in_parts
from lastlayer.kernels.storage import number, stored


@compiled
def cross_entropy_rows(logits, labels, row_scale, losses, gradient):
    """Write -log softmax(z)[label] of each row, in nats, and `row_scale` times its gradient.

    A label outside 0..K-1 is ignored: loss 0, gradient 0, whatever the logits. A row with NaN or +inf, or all -inf, is
    NaN.

    Args:
      logits: (n, K) C-contiguous float32 or float64.
      labels: (n,) int64.
      row_scale: (n,) float64, the factor of each row's gradient; the losses are not scaled.
      losses: (n,) float64, written.
      gradient: (n, K) in the type of `logits`, written; may be `logits` itself.
    """
    constants = plain_scale(logits)
    per_unit = 1.0 / np.float64(constants[UNIT])
    for i in range(logits.shape[0]):
        row, label = gradient[i], labels[i]
        if not 0 <= label < logits.shape[1]:
            losses[i] = 0.0
            for j in range(row.size):
                row[j] = 0
            continue
        logit = logits[i, label]
        top, place = copied_maximum_and_place(logits[i], row)
        others, lost, winners = sum_in_parts(
            row, top, place, constants, True, (next_row(logits, i), next_row(gradient, i))
        )
        total = winners + (others + lost)
        losses[i] = log_of_sum(others, lost, winners) - (np.float64(logit) - np.float64(top))
        # p - 1 would cancel for a label at the maximum; below it, at least half of the sum is the others'.
        at_label = np.float64(row[label]) * per_unit
        not_label = (winners - 1.0) + (others + lost) if at_label >= 1.0 else total - at_label
        # Two factors: a small scale would be lost in one with `unit`.
        share, scale = row.dtype.type(per_unit / total), row.dtype.type(row_scale[i])
        for j in range(row.size):
            row[j] = row[j] * share * scale
        row[label] = -not_label / total * row_scale[i]


@compiled
def cross_entropy_losses_rows(logits, labels, losses, kept):
    """Write the losses of cross_entropy_rows alone, in any float type, reading the logits once from memory.

    `logits` are of any type in `storage`. `kept`, a tuple of three (n,) arrays in the type that is computed in, or
    None: written, what cross_entropy_gradient_rows needs of each row, its maximum, 1 / sum exp(z - maximum), and the
    probability of all classes but the label.
    """
    constants = plain_scale(logits)
    for i in range(logits.shape[0]):
        row, label = logits[i], labels[i]
        if not 0 <= label < row.size:
            losses[i] = 0.0
            continue
        logit = number(row[label])
        top, place = maximum_and_place(row)
        others, lost, winners = sum_in_parts(row, top, place, constants, None, (next_row(logits, i), row[:0]))
        losses[i] = log_of_sum(others, lost, winners) - (np.float64(logit) - np.float64(top))
        if kept is not None:
            own = np.float64(exponential_in_units(logit - top, constants)) / np.float64(constants[UNIT])
            total = winners + (others + lost)
            not_label = (winners - 1.0) + (others + lost) if own >= 1.0 else total - own
            kept[0][i], kept[1][i], kept[2][i] = top, 1.0 / total, not_label / total


@compiled
def cross_entropy_gradient_rows(logits, labels, row_scale, kept, gradient):
    """Write `row_scale` times the gradient of each row's loss, from what cross_entropy_losses_rows has kept.

    Args:
      logits: (n, K) C-contiguous, of a type in `storage`.
      labels: (n,) int64; outside 0..K-1 where the gradient is 0.
      row_scale: (n,) in the type that is computed in, as are the following.
      kept: the three (n,) arrays.
      gradient: (n, K) in the type of `logits`, written; not `logits` itself.
    """
    constants = plain_scale(logits)
    for i in range(logits.shape[0]):
        label, row, result = labels[i], logits[i], gradient[i]
        if not 0 <= label < row.size:
            result[:] = 0
            continue
        top = kept[0][i]
        # Two factors: a small scale would be lost in one with `unit`.
        share, scale = kept[1][i] / constants[UNIT], row_scale[i]
        for j in range(row.size):
            result[j] = stored(exponential_in_units(number(row[j]) - top, constants) * share * scale, result)
        result[label] = stored(-scale * kept[2][i], result)

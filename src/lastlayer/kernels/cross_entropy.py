"""Cross-entropy of contiguous rows of logits against one label a row, with its gradient while the row is in cache."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exact import exact_sum, surely_below
from lastlayer.kernels.exponential import exponential_in_units, plain_scale
from lastlayer.kernels.row_sums import copied_maximum_and_place, log_of_sum, maximum_and_place, next_row, sum_in_parts

# Entries that stay in the first cache.
_BLOCK = 2048


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
    constants = plain_scale(logits)
    per_unit = 1.0 / np.float64(constants[5])
    for i in range(logits.shape[0]):
        row, label = gradient[i], labels[i]
        if label < 0:
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
        share = row_scale[i] / total
        factor = row.dtype.type(share * per_unit)
        for j in range(row.size):
            row[j] *= factor
        row[label] = -not_label * share


@compiled
def cross_entropy_losses_rows(logits, labels, losses, kept):
    """Write the losses of cross_entropy_rows alone, in any float type, reading the logits once from memory.

    `kept`, a tuple of three (n,) arrays in the type of `logits`, or None: written, what cross_entropy_gradient_rows
    needs of each row, its maximum, 1 / sum exp(z - maximum), and the probability of all classes but the label.
    """
    constants = plain_scale(logits)
    for i in range(logits.shape[0]):
        row, label = logits[i], labels[i]
        if label < 0:
            losses[i] = 0.0
            continue
        top, place = maximum_and_place(row)
        others, lost, winners = sum_in_parts(row, top, place, constants, None, (next_row(logits, i), row[:0]))
        losses[i] = log_of_sum(others, lost, winners) - (np.float64(row[label]) - np.float64(top))
        if kept is not None:
            own = _own_share(row[label], top, constants)
            total = winners + (others + lost)
            not_label = (winners - 1.0) + (others + lost) if own >= 1.0 else total - own
            kept[0][i], kept[1][i], kept[2][i] = top, 1.0 / total, not_label / total


@compiled
def cross_entropy_gradient_rows(logits, labels, row_scale, kept, gradient):
    """Write `row_scale` times the gradient of each row's loss, from what cross_entropy_losses_rows has kept.

    Args:
      logits: (n, K) C-contiguous float32 or float64.
      labels: (n,) int64; below 0 where the gradient is 0.
      row_scale: (n,) in the type of `logits`, as are the following.
      kept: the three (n,) arrays.
      gradient: (n, K), written; not `logits` itself.
    """
    constants = plain_scale(logits)
    for i in range(logits.shape[0]):
        label = labels[i]
        if label < 0:
            gradient[i] = 0
            continue
        top = kept[0][i]
        factor = row_scale[i] * kept[1][i] / constants[5]
        for start in range(0, logits.shape[1], _BLOCK):
            _scaled_exponentials(
                logits[i, start : start + _BLOCK], top, factor, constants, gradient[i, start : start + _BLOCK]
            )
        gradient[i, label] = -row_scale[i] * kept[2][i]


@compiled(inline=True)
def _scaled_exponentials(logits, top, factor, scale, result):
    # A copy first: LLVM vectorises a loop over one array, see copied_maximum_and_place.
    for j in range(logits.size):
        result[j] = logits[j]
    for j in range(result.size):
        result[j] = exponential_in_units(result[j] - top, None, scale) * factor


@compiled(inline=True)
def _own_share(logit, top, scale):
    """exp(logit - top) from the exact difference, as in the sum, in float64."""
    bottom = surely_below(top, scale[0])
    difference, lost = exact_sum(bottom if logit < bottom else logit, -top)
    return np.float64(exponential_in_units(difference, lost, scale)) / np.float64(scale[5])

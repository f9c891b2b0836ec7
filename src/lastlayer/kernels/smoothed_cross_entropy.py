"""Cross-entropy of contiguous rows against a label and a weight on every class: what label smoothing asks for."""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import UNIT, plain_scale
from lastlayer.kernels.row_sums import copied_maximum_and_place, log_of_sum, maximum_and_place, sum_in_parts


@compiled(inline=True, fastmath={"reassoc"})
def _below_top(row, top, class_weight):
    """sum_k class_weight[k] (top - row[k]) in float64; a class of weight 0 may be at -inf."""
    total = 0.0
    for k in range(row.size):
        weight = class_weight[k]
        below = np.float64(top) - np.float64(row[k])
        total += weight * below if weight != 0.0 else 0.0
    return total


@compiled
def smoothed_cross_entropy_rows(logits, labels, label_weight, class_weight, losses, gradient):
    """Write a_i (-log p[label]) + sum_k b_k (-log p_k) of each row, in nats, and its gradient.

    A label outside 0..K-1 is ignored: loss 0, gradient 0, whatever the logits. A row with NaN or +inf, or all -inf, is
    NaN.

    Args:
      logits: (n, K) C-contiguous float32 or float64.
      labels: (n,) int64.
      label_weight: (n,) float64, a above, >= 0.
      class_weight: (K,) float64, b above, >= 0.
      losses: (n,) float64, written.
      gradient: (n, K) in the type of `logits`, written, may be `logits` itself; or None.
    """
    constants = plain_scale(logits)
    per_unit = 1.0 / np.float64(constants[UNIT])
    class_total = class_weight.sum()
    for i in range(logits.shape[0]):
        label, weight = labels[i], label_weight[i]
        if not 0 <= label < logits.shape[1]:
            losses[i] = 0.0
            if gradient is not None:
                for j in range(gradient.shape[1]):
                    gradient[i, j] = 0
            continue
        logit = logits[i, label]
        if gradient is None:
            row = logits[i]
            top, place = maximum_and_place(row)
        else:
            row = gradient[i]
            top, place = copied_maximum_and_place(logits[i], row)
        spread = _below_top(row, top, class_weight)
        if gradient is None:
            others, lost, winners = sum_in_parts(row, top, place, constants, None, (row[:0], row[:0]))
        else:
            others, lost, winners = sum_in_parts(row, top, place, constants, True, (row[:0], row[:0]))
        total = winners + (others + lost)
        log_sum = log_of_sum(others, lost, winners)
        at_label = log_sum + (np.float64(top) - np.float64(logit)) if weight != 0.0 else 0.0 * log_sum
        losses[i] = weight * at_label + (class_total * log_sum + spread)
        if gradient is not None:
            value = np.float64(row[label]) * per_unit
            not_label = (winners - 1.0) + (others + lost) if value >= 1.0 else total - value
            scale = (weight + class_total) / total * per_unit
            for j in range(row.size):
                row[j] = row[j] * scale - class_weight[j]
            row[label] = (class_total * value - weight * not_label) / total - class_weight[label]

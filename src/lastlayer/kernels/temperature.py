"""The loss of each row as a function of the inverse temperature, with two derivatives: moments under softmax.

For d = z - max z and p = softmax(beta z), the loss is ln sum exp(beta d) - beta d(label); its derivative with respect
to beta is E_p[d] - d(label), and the second derivative Var_p[d].
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import exponential
from lastlayer.kernels.row_sums import row_maximum


@compiled
def temperature_rows(logits, labels, beta, loss, slope, curvature, shortfall):
    """Fill four (n,) float64 arrays from an (n, K) block of logits; all sums are in float64.

    Args:
      logits: (n, K) float32 or float64; -inf marks a class as impossible.
      labels: (n,) int64, in 0..K-1.
      beta: float64 inverse temperature, >= 0.
      loss: receives -ln softmax(beta z)[label], in nats.
      slope: receives the derivative of each row's loss; not finite where the row holds NaN or +inf, where all of it
        is -inf, and where its label is.
      curvature: receives the second derivative, >= 0.
      shortfall: receives how far the label's logit lies below the largest, >= 0.
    """
    for i in range(labels.size):
        row = logits[i]
        top = np.float64(row_maximum(row))
        sum_0, sum_1, sum_2 = _moments(row, top, beta)
        mean = sum_1 / sum_0
        shortfall[i] = top - np.float64(row[labels[i]])
        loss[i] = np.log(sum_0) + beta * shortfall[i]
        slope[i] = mean + shortfall[i]
        variance = sum_2 / sum_0 - mean * mean
        curvature[i] = 0.0 if variance < 0.0 else variance  # rounding may make it negative; NaN stays


@compiled(inline=True, fastmath={"reassoc"})
def _moments(row, top, beta):
    sum_0 = sum_1 = sum_2 = 0.0
    for j in range(row.size):
        difference = np.float64(row[j]) - top
        value = exponential(beta * difference)
        # An impossible class has no part in any sum, where 0 * inf would be NaN.
        impossible = difference == -np.inf
        value = 0.0 if impossible else value
        difference = 0.0 if impossible else difference
        sum_0 += value
        sum_1 += value * difference
        sum_2 += value * difference * difference
    return sum_0, sum_1, sum_2

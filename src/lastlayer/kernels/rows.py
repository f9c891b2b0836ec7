"""Functions of contiguous rows, one row after the other, lanes along its classes: for rows that are not short.

Every kernel takes (n, K) arrays of one type and allocates nothing; where it writes (n, K), it may write over its input.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential_sum import copied_maximum, log_of_sum, row_maximum, sum_of_exponentials


@compiled
def softmax_rows(logits, beta, beta_low, probabilities):
    """Write exp(beta z) / sum exp(beta z) of each row."""
    for i in range(logits.shape[0]):
        row = probabilities[i]
        top = copied_maximum(logits[i], row)
        others, lost, winners = sum_of_exponentials(row, top, beta, beta_low, True)
        scale = row.dtype.type(1.0 / (winners + others + lost))
        for j in range(row.size):
            row[j] *= scale


@compiled
def log_softmax_rows(logits, beta, beta_low, log_probabilities):
    """Write beta z - log sum exp(beta z) of each row."""
    for i in range(logits.shape[0]):
        row, target = logits[i], log_probabilities[i]
        top = row_maximum(row)
        others, lost, winners = sum_of_exponentials(row, top, beta, beta_low, None)
        log_sum = row.dtype.type(log_of_sum(others, lost, winners))
        if row.ctypes.data == target.ctypes.data:
            for j in range(row.size):
                row[j] = beta * (row[j] - top) - log_sum
        else:
            for j in range(row.size):
                target[j] = beta * (row[j] - top) - log_sum


@compiled
def logsumexp_rows(logits, beta, beta_low, sums):
    """Write log(sum exp(beta z)) / beta of each row to the float64 `sums` (n,): the smooth maximum.

    A row of nothing but -inf is -inf and a row with +inf is +inf, by definition.
    """
    inverse = np.float64(beta) + np.float64(beta_low)
    for i in range(logits.shape[0]):
        row = logits[i]
        top = row_maximum(row)
        if np.isinf(top):
            sums[i] = top
            continue
        others, lost, winners = sum_of_exponentials(row, top, beta, beta_low, None)
        sums[i] = np.float64(top) + log_of_sum(others, lost, winners) / inverse

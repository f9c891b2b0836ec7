"""Functions of contiguous rows, one row after the other, lanes along its classes: for rows that are not short.

Every kernel takes (n, K) arrays of one type, of those in `storage`, and a `scale` from exponential.scale_of in the type
that is computed in, and allocates nothing; where it writes (n, K), it may write over its input.
"""

import numpy as np

from lastlayer.kernels._compile import compiled
from lastlayer.kernels.exponential import BETA, unpacked
from lastlayer.kernels.instructions import fused_multiply_add
from lastlayer.kernels.row_sums import (
    copied_maximum_and_place,
    holds_nan,
    log_of_sum,
    maximum_and_place,
    next_row,
    replace_by_exponentials,
    sum_in_parts,
)
from lastlayer.kernels.storage import number, room_for_numbers, stored


@compiled
def softmax_rows(logits, scale, probabilities, scratch):
    """Write exp(beta z) / sum exp(beta z) of each row; `scratch` is (K,) float32 for bits, else None."""
    constants = unpacked(scale)
    for i in range(logits.shape[0]):
        target = probabilities[i]
        row = room_for_numbers(target, scratch)
        top, _place = copied_maximum_and_place(logits[i], row)
        following = next_row(logits, i), next_row(probabilities, i)
        factor = row.dtype.type(1.0 / replace_by_exponentials(row, top, constants, following))
        if scratch is None:
            for j in range(row.size):
                row[j] *= factor
        else:
            for j in range(row.size):
                target[j] = stored(row[j] * factor, target)


@compiled
def log_softmax_rows(logits, scale, log_probabilities, scratch):
    """Write beta z - log sum exp(beta z) of each row; `scratch` is not used."""
    constants = unpacked(scale)
    beta = constants[BETA]
    for i in range(logits.shape[0]):
        row, target = logits[i], log_probabilities[i]
        top, place = maximum_and_place(row)
        following = next_row(logits, i), next_row(log_probabilities, i)
        others, lost, winners = sum_in_parts(row, top, place, constants, None, following)
        minus_log_sum = type(beta)(-log_of_sum(others, lost, winners))
        if row.ctypes.data == target.ctypes.data:
            for j in range(row.size):
                row[j] = stored(fused_multiply_add(beta, number(row[j]) - top, minus_log_sum), row)
        else:
            for j in range(row.size):
                target[j] = stored(fused_multiply_add(beta, number(row[j]) - top, minus_log_sum), target)


@compiled
def logsumexp_rows(logits, scale, sums):
    """Write log(sum exp(beta z)) / beta of each row to the float64 `sums` (n,): the smooth maximum.

    A row of nothing but -inf is -inf and a row with +inf is +inf, by definition.
    """
    constants = unpacked(scale)
    for i in range(logits.shape[0]):
        row = logits[i]
        top, place = maximum_and_place(row)
        if np.isinf(top):
            sums[i] = np.nan if holds_nan(row) else top
            continue
        others, lost, winners = sum_in_parts(row, top, place, constants, None, (next_row(logits, i), row[:0]))
        sums[i] = np.float64(top) + log_of_sum(others, lost, winners) / np.float64(constants[BETA])
